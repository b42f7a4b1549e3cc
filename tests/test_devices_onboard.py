"""The board's half of a deploy on a board that is a folder: real environments, a played systemd."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from board_double import BoardDouble, digest

from devices import onboard

UNIT = "etc/systemd/system/edgecnn-camera.service"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardDouble]:
    """A board that has one healthy release, which no test changes."""
    board = BoardDouble(tmp_path_factory.mktemp("board"))
    answer = board.deploy(board.release("first"))
    assert answer == {"id": answer["id"], "healthy": True, "pruned": []}
    board.systemctl("power-cut")
    yield board


@pytest.fixture
def board(deployed: BoardDouble, tmp_path: Path) -> Iterator[BoardDouble]:
    """A copy of it, booted."""
    board = BoardDouble(tmp_path / "board", dict(deployed.files))
    shutil.rmtree(board.opt)
    shutil.copytree(deployed.opt, board.opt, symlinks=True)
    shutil.copytree(deployed.root / "var", board.root / "var")
    unit = board.root / UNIT
    unit.parent.mkdir(parents=True)
    text = (deployed.root / UNIT).read_text("utf-8")
    unit.write_text(text.replace(str(deployed.root), str(board.root)), "utf-8")
    board.systemctl("enable", "edgecnn-camera")
    board.systemctl("boot")
    board.camera()
    yield board
    board.systemctl("power-cut")


def first(board: BoardDouble) -> str:
    return str(board.ask("status")["good"])


def state(board: BoardDouble) -> dict[str, Any]:
    told = board.ask("status")
    return {key: told[key] for key in ("current", "good", "trial", "service")}


def leftovers(board: BoardDouble) -> list[str]:
    return [str(p) for p in board.opt.rglob("*.part")]


def test_an_empty_board_says_what_it_lacks(tmp_path: Path) -> None:
    board = BoardDouble(tmp_path / "board")
    text = board.release("first")
    told = board.ask("missing", stdin=text)
    facts = json.loads(text)
    assert set(told["missing"]) == {*facts["wheels"].values(), *facts["bundle"].values()}
    one_form = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    assert told["id"] == digest(one_form.encode())[:12]
    assert (told["staged"], told["runs"], told["current"]) == (False, False, None)
    assert sorted(p.name for p in board.opt.iterdir()) == ["board.py"]


def test_the_service_runs_the_release_with_its_arguments(board: BoardDouble) -> None:
    camera = board.camera()
    folder = board.opt / "releases" / first(board)
    gallery = board.root / "var/lib/edgecnn/gallery.sqlite"
    status = board.root / "run/edgecnn/status.json"
    assert camera["words"] == [
        "camera", str(folder / "bundle"), "--source", "0", "--status", str(status),
        "--gallery", str(gallery),
    ]  # fmt: skip
    told = board.ask("status")
    assert told["service"] == "active" and told["since_s"] >= 0 and told["restarts"] == 0
    assert told["status"]["frames"] > 0 and told["edgecnn"] == "0.1.0" and told["trial"] is None


def test_a_changed_model_needs_no_wheels_and_shares_the_environment(board: BoardDouble) -> None:
    old, text = first(board), board.release("second")
    assert set(board.send(text)) == set(json.loads(text)["bundle"].values())
    new = board.ask("stage", stdin=text)["id"]
    assert board.runs() == old and state(board)["current"] == old
    code = "venv/lib/python*/site-packages/edgecnn/__main__.py"
    inodes = {next((board.opt / "releases" / i).glob(code)).stat().st_ino for i in (old, new)}
    assert len(inodes) == 1
    board.activate(new)
    assert board.runs() == new
    assert state(board) == {"current": new, "good": new, "trial": None, "service": "active"}
    told = board.ask("missing", stdin=text)
    assert (told["staged"], told["runs"], told["beside"]) == (True, True, False)


def test_other_wheels_get_an_environment_of_their_own(board: BoardDouble) -> None:
    old, text = first(board), board.release("first", version="0.2.0")
    new = board.stage(text)["id"]
    sites = board.opt / "releases" / new
    assert len(list(sites.glob("venv/lib/python*/site-packages/edgecnn-0.2.0.dist-info"))) == 1
    assert not list(sites.glob("venv/lib/python*/site-packages/pip*")) and new != old


def test_the_pis_own_camera_gets_an_environment_that_sees_the_systems_picamera2(
    board: BoardDouble,
) -> None:
    text = board.release("first", version="0.2.0", camera=["--source", "csi"])
    sees = [
        "include-system-site-packages = true" in (venv / "pyvenv.cfg").read_text("utf-8")
        for venv in [
            board.opt / "releases" / i / "venv" for i in (first(board), board.stage(text)["id"])
        ]
    ]
    assert sees == [False, True]


@pytest.mark.parametrize(
    ("model", "why"), [("crashes", "again and again"), ("blind", "frames do not grow")]
)
def test_an_unhealthy_release_gives_way_to_the_one_before(
    board: BoardDouble, model: str, why: str
) -> None:
    old, new = first(board), board.stage(board.release(model))["id"]
    people = board.root / "var/lib/edgecnn/gallery.sqlite"
    people.write_text("Ann", "utf-8")
    error = board.activate(new, health_s=20 if model == "crashes" else 8)["error"]
    assert f"{old} runs again" in error and why in error
    assert board.runs() == old
    assert state(board) == {"current": old, "good": old, "trial": None, "service": "active"}
    assert people.read_text("utf-8") == "Ann"


def test_the_reason_has_what_the_camera_said(board: BoardDouble) -> None:
    new = board.stage(board.release("crashes"))["id"]
    assert "the model crashes" in board.activate(new, health_s=10)["error"]


def test_an_unhealthy_first_release_leaves_nothing_running(tmp_path: Path) -> None:
    board = BoardDouble(tmp_path / "board")
    assert "there is none before" in board.deploy(board.release("crashes"))["error"]
    told = board.ask("status")
    assert (told["current"], told["good"], told["trial"]) == (None, None, None)
    board.boot()
    assert board.ask("status")["service"] == "inactive"


def test_a_release_that_failed_is_not_gone_back_to(tmp_path: Path) -> None:
    board = BoardDouble(tmp_path / "board")
    assert "there is none before" in board.deploy(board.release("crashes"))["error"]
    assert "there is none before" in board.deploy(board.release("crashes, too"))["error"]
    assert board.ask("status")["current"] is None


def test_back_and_back_again(board: BoardDouble) -> None:
    ids = [first(board)]
    for model in ("second", "third"):
        ids.append(board.deploy(board.release(model))["id"])
    assert board.ask("rollback", "--steady-s", "0.2")["id"] == ids[1] == board.runs()
    assert board.ask("rollback", "--steady-s", "0.2")["id"] == ids[0] == board.runs()
    assert "no earlier release" in board.ask("rollback", "--steady-s", "0.2")["error"]
    assert board.ask("rollback", ids[2], "--steady-s", "0.2")["id"] == ids[2] == board.runs()


def test_old_releases_and_their_files_go(board: BoardDouble) -> None:
    ids = [first(board)]
    for model in ("b", "c", "d", "e"):
        ids.append(board.deploy(board.release(model))["id"])
    told = board.ask("status")
    assert sorted(told["releases"]) == sorted(ids[-3:])
    names = {p.name for p in (board.opt / "store").iterdir()}
    assert digest(b"b") not in names and {digest(b"c"), digest(b"e")} < names
    assert leftovers(board) == []


def test_room_is_made_for_a_release_and_not_of_its_own_files(board: BoardDouble) -> None:
    ids = [first(board)]
    for model in ("b", "c"):
        ids.append(board.deploy(board.release(model))["id"])
    text = board.release("d")
    board.send(text)
    assert sorted(board.ask("prune", "--keep", "1", stdin=text)["pruned"]) == sorted(ids[:2])
    names = {p.name for p in (board.opt / "store").iterdir()}
    assert digest(b"b") not in names and {digest(b"c"), digest(b"d")} < names
    (board.opt / "store" / ".part-1").touch()  # of another deploy
    new = board.stage(text)
    assert board.runs() == ids[2] and new["staged"] is True
    assert board.ask("prune", "--keep", "1", stdin=text)["pruned"] == []
    assert new["id"] in board.ask("status")["releases"]
    assert (board.opt / "store" / ".part-1").exists()


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"architecture": "riscv64"}, "riscv64"),
        ({"python": "3.7"}, "Python 3.7"),
        ({"schema": 2}, "schema 1"),
        ({"pip": "pip-0-py3-none-any.whl"}, "expected pip among the wheels"),
        ({"bundle": {"../../etc/passwd": "0" * 64}}, "no file name"),
        ({"camera": [1]}, "words"),
        ({"memory_max_mb": "lots"}, "megabytes"),
        ({"extra": 1}, "cannot be read"),
    ],
)
def test_what_is_not_for_this_board_changes_nothing(
    board: BoardDouble, changed: dict[str, Any], word: str
) -> None:
    before = state(board), sorted(os.listdir(board.opt / "releases"))
    assert word in board.ask("stage", stdin=board.release("second", **changed))["error"]
    assert (state(board), sorted(os.listdir(board.opt / "releases"))) == before


def test_a_release_that_fails_its_test_is_not_there(board: BoardDouble) -> None:
    answer = board.stage(board.release("differs"))
    assert answer["error"] == "the release fails its test: the model computes something else here"
    assert board.ask("status")["releases"] == [first(board)] and leftovers(board) == []


def test_a_damaged_file_in_the_store_is_asked_for_again(board: BoardDouble) -> None:
    text = board.release("second")
    sent = board.send(text)
    (board.opt / "store" / sent[0]).write_bytes(b"")
    assert "lacks 1 files" in board.ask("stage", stdin=text)["error"]
    assert board.send(text) == [sent[0]]
    assert board.ask("stage", stdin=text)["staged"] is True


def test_a_full_disk_is_told_before_anything_is_written(board: BoardDouble, tmp_path: Path) -> None:
    text = board.release("x" * 100, version="9.9.9")
    board.send(text)
    # A wheel that would unpack to more than any disk has is made out of a header that says so.
    facts = json.loads(text)
    name = next(n for n in facts["wheels"] if n.startswith("edgecnn"))
    path = board.opt / "store" / facts["wheels"][name]
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = (0xFFFF0000).to_bytes(4, "little")
    facts["wheels"] = {f"w{i}-{name}": None for i in range(400)} | facts["wheels"]
    for i in range(400):
        copy = bytes(data) + b""
        facts["wheels"][f"w{i}-{name}"] = digest(copy)
        (board.opt / "store" / digest(copy)).write_bytes(copy)
    error = board.ask("stage", stdin=json.dumps(facts))["error"]
    assert "MB free" in error and "larger card" in error
    assert leftovers(board) == []


def test_two_deploys_do_not_mix(board: BoardDouble) -> None:
    import fcntl

    with open(board.opt / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "under way" in board.ask("stage", stdin=board.release("second"))["error"]


def test_only_what_an_owner_signed_is_taken(board: BoardDouble, tmp_path: Path) -> None:
    for name in ("owner", "other"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(words, check=True)
    public = (tmp_path / "owner.pub").read_text("utf-8")
    (board.opt / "owners").write_text(f"ann@home {public}", "utf-8")

    def signed(by: str, space: str = "edgecnn-bundle", model: str = "second") -> str:
        facts = json.loads(board.release(model))
        path = tmp_path / "manifest.json"
        path.write_bytes(board.files[json.loads(board.release("second"))["bundle"][path.name]])
        words = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(tmp_path / by), "-n", space, path]
        subprocess.run(words, check=True, capture_output=True)
        data = (tmp_path / "manifest.json.sig").read_bytes()
        (tmp_path / "manifest.json.sig").unlink()
        board.files[digest(data)] = data
        facts["bundle"]["manifest.json.sig"] = digest(data)
        return json.dumps(facts)

    assert "only signed bundles" in board.stage(board.release("second"))["error"]
    assert "signed by nobody" in board.stage(signed("other"))["error"]
    assert "not of this bundle" in board.stage(signed("owner", space="file"))["error"]
    assert "not of this bundle" in board.stage(signed("owner", model="third"))["error"]
    assert board.stage(signed("owner"))["staged"] is True


def test_a_file_that_the_manifest_does_not_name_is_refused(board: BoardDouble) -> None:
    facts = json.loads(board.release("second"))
    board.files[digest(b"more")] = b"more"
    facts["bundle"]["more.tflite"] = digest(b"more")
    assert "differ in more.tflite" in board.stage(json.dumps(facts))["error"]


def test_a_shadow_runs_beside_and_goes(board: BoardDouble) -> None:
    new = board.stage(board.release("second"))["id"]
    assert board.ask("shadow", new, "--steady-s", "0.2") == {"shadow": new, "pruned": []}
    words = board.camera()["words"]
    assert words[-2:] == ["--shadow", str(board.opt / "releases" / new / "bundle")]
    assert state(board)["current"] == first(board)
    board.ask("unshadow")
    assert "--shadow" not in board.camera()["words"]


def test_a_shadow_that_keeps_the_camera_from_starting_goes_by_itself(board: BoardDouble) -> None:
    bad = board.stage(board.release("crashes"))["id"]
    error = board.ask("shadow", bad, "--health-s", "10")["error"]
    assert "it runs without a shadow" in error and "the model crashes" in error
    assert (board.runs(), board.ask("status")["shadow"]) == (first(board), None)


def test_a_shadow_whose_trial_a_power_cut_ended_is_not_there_after_it(board: BoardDouble) -> None:
    bad = board.stage(board.release("crashes"))["id"]
    child = board.start("shadow", bad)
    while not (board.opt / "shadow").is_symlink():
        assert child.poll() is None
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    board.boot()
    assert board.runs() == first(board)
    assert board.ask("status")["shadow"] is None


def test_what_was_promoted_does_not_run_beside_itself(board: BoardDouble) -> None:
    new = board.stage(board.release("second"))["id"]
    board.ask("shadow", new, "--steady-s", "0.2")
    assert board.activate(new)["id"] == new
    promoted = board.camera()
    assert "--shadow" not in promoted["words"]
    assert board.ask("unshadow") == {"shadow": None} and board.ask("status")["shadow"] is None
    assert board.camera()["started_s"] == promoted["started_s"], "it was restarted for nothing"


def test_another_release_ends_the_shadow_of_the_one_before(board: BoardDouble) -> None:
    beside = board.stage(board.release("second"))["id"]
    board.ask("shadow", beside, "--steady-s", "0.2")
    third = board.deploy(board.release("third"))["id"]
    assert (board.runs(), board.ask("status")["shadow"]) == (third, None)
    assert "--shadow" not in board.camera()["words"]


def test_one_that_fails_leaves_the_shadow_where_it_was(board: BoardDouble) -> None:
    beside = board.stage(board.release("second"))["id"]
    board.ask("shadow", beside, "--steady-s", "0.2")
    bad = board.stage(board.release("crashes"))["id"]
    assert "runs again" in board.activate(bad)["error"]
    assert (board.runs(), board.ask("status")["shadow"]) == (first(board), beside)
    assert "--shadow" in board.camera()["words"]


def test_an_encrypted_gallery_is_asked_for_where_the_camera_has_a_key(board: BoardDouble) -> None:
    gallery = board.root / "var/lib/edgecnn/gallery.sqlite"
    for words in (["--key-file", "/etc/a.key"], ["--key-file=/etc/a.key"]):
        gallery.unlink()
        release = board.deploy(board.release("keyed", camera=["--source", "0", *words]))["id"]
        assert board.runs() == release
        assert gallery.read_text("utf-8").split()[-2:] == ["--key-file", "/etc/a.key"]


def test_a_camera_that_is_unplugged_takes_nothing_off(board: BoardDouble) -> None:
    good = first(board)
    (board.root / "unplugged").touch()
    assert "goes on trying" in board.activate(good, health_s=1)["error"]
    board.boot()
    assert board.ask("status")["current"] == good
    (board.root / "unplugged").unlink()
    assert board.runs() == good


def test_a_switch_outlives_the_one_who_asked(board: BoardDouble) -> None:
    new = board.stage(board.release("second"))["id"]
    child = board.start("activate", new, "--steady-s", "0.2")
    end = time.monotonic() + 10
    while not (board.opt / "trial.json").exists() and time.monotonic() < end:
        time.sleep(0.01)
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    while (board.opt / "trial.json").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert state(board)["good"] == new == board.runs()


def test_gone_is_gone_and_people_only_when_asked(board: BoardDouble) -> None:
    people = board.root / "var/lib/edgecnn/gallery.sqlite"
    people.write_text("Ann", "utf-8")
    answer = board.ask("uninstall")
    assert answer == {"removed": True, "people": str(people.parent)}
    assert not board.opt.exists() and people.exists()
    assert list((board.root / "etc").rglob("*camera*")) == []
    assert board.systemctl("is-active", "edgecnn-camera") == 3


def test_the_unit_of_the_documents_is_as_shut_off(root: Path) -> None:
    from devices.onboard.unit import HARDENING

    text = (root / "docs/edgecnn-camera.service").read_text("utf-8")
    assert HARDENING in text


def test_the_unit_is_hardened_and_allows_what_a_camera_needs(board: BoardDouble) -> None:
    """The score is systemd's own; that of a board that runs is in docs/on-the-board.md."""
    text = (board.root / UNIT).read_text("utf-8")
    settings = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    assert {"Type=notify", "WatchdogSec=90", "User=edgecnn", "MemoryMax=512M"} <= {*settings}
    assert "DeviceAllow=char-video4linux rw" in settings and "ProtectSystem=strict" in settings
    families = next(line for line in settings if line.startswith("RestrictAddressFamilies="))
    assert {"AF_INET", "AF_INET6"} <= {*families.partition("=")[2].split()}


def test_the_one_file_is_old_python_and_stands_alone() -> None:
    import ast

    from devices.onboard import MODULES, packed

    assert packed() == packed() and len(packed()) < 128 << 10, "python3 -c takes no more"
    folder = Path(onboard.__file__).parent
    assert {*MODULES} == {p.stem for p in folder.glob("*.py")} - {"__init__"}
    for name in MODULES:
        tree = ast.parse((folder / f"{name}.py").read_text("utf-8"), feature_version=(3, 9))
        for node in ast.walk(tree):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            for module in modules:
                top = module.partition(".")[0]
                ours = (
                    module == "devices.onboard"
                    or module.removeprefix("devices.onboard.") in MODULES[: MODULES.index(name)]
                )
                assert ours or top in sys.stdlib_module_names, f"{name} imports {module}"
