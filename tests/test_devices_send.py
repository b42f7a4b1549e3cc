"""Files on their way to a board: one stream, whole files, signed bundles."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing, suppress
from pathlib import Path

import pytest

from devices import receive
from devices.hosts import Host
from devices.manage import COLUMNS, row
from devices.meet import check_kind
from devices.send import FIRST_PEOPLE, PEOPLE, check_space, copied, stream
from devices.sign import NAMESPACE, owners, sign
from edgecnn.bundle import GALLERY
from edgecnn.errors import BundleError, DataError, DeployError

ASSETS = Path(__file__).parent.parent / "edgecnn" / "assets"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Files of odd sizes, one of them empty, by their SHA-256."""
    found = {}
    for number, size in enumerate((0, 1, 511, 512, 513, 300_000)):
        path = tmp_path / f"file{number}"
        path.write_bytes(os.urandom(size))
        found[hashlib.sha256(path.read_bytes()).hexdigest()] = path
    return found


def stored(store: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in store.iterdir()}


def test_what_is_streamed_is_a_tar_archive_small_files_first(files: dict[str, Path]) -> None:
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream(files)))) as tar:
        read = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
        sizes = [m.size for m in tar.getmembers()]
    assert read == {name: path.read_bytes() for name, path in files.items()}
    assert sizes == sorted(sizes)
    assert not any(b"".join(stream({})))


def test_a_file_that_is_gone_is_one_line(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"a file of the release cannot be read .*deploy again"):
        b"".join(stream({**files, "0" * 64: tmp_path / "gone"}))


def test_a_stream_is_received(files: dict[str, Path], tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert receive.receive(io.BytesIO(b"".join(stream(files))), str(store)) == len(files)
    assert stored(store) == {name: path.read_bytes() for name, path in files.items()}


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.99])
def test_of_a_stream_that_is_cut_off_only_whole_files_stay(
    files: dict[str, Path], tmp_path: Path, share: float
) -> None:
    whole, store = b"".join(stream(files)), tmp_path / "store"
    cut = io.BytesIO(whole[: int(len(whole) * share)])
    with suppress(OSError, ValueError, EOFError, tarfile.TarError):
        receive.receive(cut, str(store))
    for name, content in stored(store).items():
        assert hashlib.sha256(content).hexdigest() == name
    receive.receive(io.BytesIO(whole), str(store))
    assert len(stored(store)) == len(files)


def test_a_file_that_arrives_damaged_is_not_stored(files: dict[str, Path], tmp_path: Path) -> None:
    whole = bytearray(b"".join(stream(files)))
    whole[-5000] ^= 1  # in the largest file, which comes last
    with pytest.raises(ValueError, match="arrived damaged"):
        receive.receive(io.BytesIO(bytes(whole)), str(tmp_path / "store"))
    assert len(stored(tmp_path / "store")) == len(files) - 1


def test_what_a_killed_receiver_left_is_swept_and_no_other(tmp_path: Path) -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    for name in (f".part-{done.pid}", f".part-{os.getpid()}", "abc"):
        (tmp_path / name).write_text("", "utf-8")
    receive.sweep(str(tmp_path))
    assert sorted(stored(tmp_path)) == sorted([f".part-{os.getpid()}", "abc"])
    receive.sweep(str(tmp_path / "none"))


def test_space_is_asked_for_before_anything_is_sent() -> None:
    check_space(100 << 20, 164)
    with pytest.raises(DeployError, match=r"expected 164 MB free under /opt\. It has 163 MB"):
        check_space(100 << 20, 163)


def test_a_gallery_is_copied_with_what_its_journal_holds(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "gallery.sqlite")) as writing:
        writing.execute("PRAGMA journal_mode=WAL")
        writing.execute("CREATE TABLE people (name TEXT)")
        writing.execute("INSERT INTO people VALUES ('Ann')")
        writing.commit()
        (tmp_path / "copy.sqlite").write_bytes(copied(tmp_path / "gallery.sqlite"))
    with closing(sqlite3.connect(tmp_path / "copy.sqlite")) as reading:
        assert reading.execute("SELECT name FROM people").fetchall() == [("Ann",)]


GREETING = {"architecture": "aarch64", "compatible": ["raspberrypi,4-model-b", "brcm,bcm2711"]}


def test_people_are_not_written_through_a_link(tmp_path: Path) -> None:
    """The folder is the camera's: what it puts there must not lead root astray."""
    people, victim = tmp_path / "people", tmp_path / "victim"
    people.mkdir()
    victim.write_text("root's own\n")
    (people / f".{GALLERY}.part").symlink_to(victim)
    script = FIRST_PEOPLE.replace(PEOPLE, str(people))
    script = script.replace("edgecnn:edgecnn", f"{os.getuid()}:{os.getgid()}")
    script = script.replace("-o edgecnn -g edgecnn", f"-o {os.getuid()} -g {os.getgid()}")
    assert "edgecnn" not in script.replace(str(people), "")
    done = subprocess.run(["sh", "-c", script], input=b"people", capture_output=True, check=True)
    assert json.loads(done.stdout) == {}
    assert victim.read_text() == "root's own\n"
    assert [(p.name, p.read_bytes()) for p in people.iterdir()] == [(GALLERY, b"people")]
    assert not (people / GALLERY).is_symlink()


@pytest.mark.parametrize(
    ("board", "complaint"),
    [
        (None, ""),
        ("raspberry-pi-4", ""),
        ("raspberry-pi-5", "expected a Raspberry Pi 5.*Received: raspberrypi,4-model-b"),
        ("x86-64", "expected a x86-64 computer.*Received: aarch64"),
    ],
)
def test_a_board_must_be_the_one_that_was_named(board: str | None, complaint: str) -> None:
    host = Host("porch", "porch", board=board)
    if not complaint:
        check_kind(host, GREETING)
        return
    with pytest.raises(DeployError, match=complaint):
        check_kind(host, GREETING)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ASSETS, tmp_path / "bundle"))


def verified(bundle: Path, allowed: Path, namespace: str = NAMESPACE) -> bool:
    """By OpenSSH itself, as a board does it."""
    with open(bundle / "manifest.json", "rb") as manifest:
        done = subprocess.run(
            [
                *("ssh-keygen", "-Y", "verify", "-f", allowed, "-I", "owner"),
                *("-n", namespace, "-s", bundle / "manifest.json.sig"),
            ],
            stdin=manifest,
            capture_output=True,
        )
    return done.returncode == 0


def test_a_signature_is_good_for_its_owner_and_this_manifest_alone(
    bundle: Path, key: Path, tmp_path: Path
) -> None:
    allowed, others = tmp_path / "owners", tmp_path / "others"
    allowed.write_text(owners(key.with_suffix(".pub")), "utf-8")
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    others.write_text(owners(other.with_suffix(".pub")), "utf-8")
    signature = sign(bundle, key)
    assert signature.name == "manifest.json.sig"
    assert verified(bundle, allowed)
    assert not verified(bundle, others)
    assert not verified(bundle, allowed, "file")
    first = signature.read_bytes()
    sign(bundle, key)
    assert signature.read_bytes() == first, "the same release again"
    manifest = json.loads((bundle / "manifest.json").read_text("utf-8"))
    (bundle / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    assert not verified(bundle, allowed)


def test_what_cannot_sign_is_one_line_and_changes_nothing(
    bundle: Path, key: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="ssh-keygen -t ed25519"):
        sign(bundle, tmp_path / "none")
    wrong = tmp_path / "wrong"
    wrong.write_text("no key", "utf-8")
    with pytest.raises(DeployError, match="does not sign"):
        sign(bundle, wrong)
    assert not list(bundle.glob("*.sig"))
    (bundle / "card.md").write_text("changed", "utf-8")
    with pytest.raises(BundleError):
        sign(bundle, key)
    with pytest.raises(DataError, match="one public key of OpenSSH"):
        owners(key)
    with pytest.raises(DataError, match="expected a public key"):
        owners(tmp_path / "none.pub")


def test_a_row_tells_what_is_known() -> None:
    facts = {
        "current": "abc", "edgecnn": "0.1.0", "service": "active", "since_s": 7300,
        "free_mb": 900, "temperature_c": None, "shadow": "def",
        "status": {"runs_on": "edgetpu", "fps": 9.96, "latency_ms": {"p95": 31.4},
                   "temperature_c": 51.2, "shadow": {"agree": 97, "disagree": 3}},
    }  # fmt: skip
    assert row("porch", facts) == (
        "porch", "abc", "0.1.0", "active", "2 h", "edgetpu", "10.0", "31", "51", "900",
        "def 3 of 100 differ",
    )  # fmt: skip
    waiting = {"status": {"fps": None, "latency_ms": {"p50": None, "p95": None}}}
    assert row("hall", waiting) == ("hall", *["-"] * (len(COLUMNS) - 1))
    assert row("hall", {"status": None}) == ("hall", *["-"] * (len(COLUMNS) - 1))
