"""Wheels for a board, gathered by the real pip from a folder that stands for the package index."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from wheel_tools import index_of_wheels, wheel

from devices import own_wheel, wheelhouse
from devices.release import extras_for, make
from devices.target import Target, of_edgecnn, required
from edgecnn.errors import DeployError

PI = Target("aarch64", "3.13", (2, 41))


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user_env: dict[str, str]
) -> Callable[[], Path]:
    """The folder of wheels; without a call there is no index at all."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")

    def open_it() -> Path:
        folder = tmp_path / "index"
        folder.mkdir()
        monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
        return index_of_wheels(folder)

    return open_it


@pytest.mark.parametrize(
    ("target", "first", "last", "count"),
    [
        (Target("aarch64", "3.11", (2, 19)), "manylinux_2_19_aarch64", "linux_aarch64", 5),
        (Target("x86_64", "3.11", (2, 17)), "manylinux_2_17_x86_64", "linux_x86_64", 17),
        (Target("armv7l", "3.11", (2, 17)), "manylinux_2_17_armv7l", "linux_armv7l", 3),
    ],
)
def test_a_board_takes_wheels_of_its_glibc_and_older(
    target: Target, first: str, last: str, count: int
) -> None:
    tags = target.platforms
    assert (tags[0], tags[-1], len(tags), len(set(tags))) == (first, last, count, count)
    assert "manylinux2014_" + target.architecture in tags


def test_the_tags_are_those_that_packaging_finds_on_such_a_machine() -> None:
    from packaging import tags

    libc, version = platform.libc_ver()
    assert libc == "glibc"
    major, minor = map(int, version.split(".")[:2])
    found = [tag for tag in tags.platform_tags() if tag.startswith("manylinux")]
    here = Target(platform.machine(), "3.11", (major, minor))
    assert [tag for tag in here.platforms if tag.startswith("manylinux")] == found


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        (Target("aarch64", "3.9", (2, 31)), "expected Python 3.10 or newer"),
        (Target("aarch64", "3.12", (0, 0)), "glibc 2.17"),
        (Target("aarch64", "3.12", (2, 5)), "glibc 2.17"),
    ],
)
def test_a_system_that_cannot_be_is_refused_before_anything_is_fetched(
    target: Target, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(DeployError, match=complaint):
        wheelhouse.gather(target, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_markers_are_the_boards() -> None:
    lines = [
        "a; python_version < '3.11'",
        "b; platform_machine == 'aarch64'",
        "c; extra == 'web'",
        "d; extra == 'mqtt' and sys_platform == 'linux'",
        "e[x]>=1; platform_system == 'Darwin'",
        "f[x]>=1",
    ]
    old = Target("x86_64", "3.10", (2, 35))
    assert [str(r) for r in required(PI, ["mqtt"], lines)] == ["b", "d", "f[x]>=1"]
    assert [str(r) for r in required(old, ["web"], lines)] == ["a", "c", "f[x]>=1"]
    assert required(PI, [], []) == []


def test_a_32_bit_board_asks_for_the_old_run_time() -> None:
    names = [line.split(">")[0].split("<")[0] for line in of_edgecnn(PI, ["web"])]
    assert {"ai-edge-litert", "starlette"} <= set(names) and "tflite-runtime" not in names
    narrow = of_edgecnn(Target("armv7l", "3.11", (2, 36)), [])
    assert "numpy<2" in narrow and any(line.startswith("tflite-runtime") for line in narrow)


def test_wheels_are_gathered_for_another_machine_and_kept(
    shop: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    index = shop()
    found = wheelhouse.gather(PI, ["web"], cache)
    assert {n.split("-")[0] for n in found} == {
        "ai_edge_litert", "argon2_cffi", "click", "edgecnn", "jinja2", "numpy",
        "opencv_python_headless", "pip", "python_multipart", "starlette", "uvicorn",
    } | ({"typing_extensions"} if sys.version_info < (3, 13) else set())  # fmt: skip
    assert not [n for n in found if "x86_64" in n]
    assert all(path.is_file() for path in found.values())

    wheel(index, "click", "9.0.0", "py3-none-any")
    assert wheelhouse.gather(PI, ["web"], cache) == found, "what was gathered once stays"
    monkeypatch.delenv("PIP_FIND_LINKS")
    assert wheelhouse.gather(PI, ["web"], cache) == found, "without an index, too"
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    fresh = wheelhouse.gather(PI, ["web"], cache, fresh=True)
    assert [n for n in fresh if n.startswith("click")] == ["click-9.0.0-py3-none-any.whl"]


def test_what_only_the_boards_python_needs_comes_too(
    shop: Callable[[], Path], tmp_path: Path
) -> None:
    """pip judges markers by the Python that runs it: one of them is another than ours."""
    shop()
    for python in ("3.10", "3.12"):
        found = wheelhouse.gather(Target("aarch64", python, (2, 36)), ["web"], tmp_path / "cache")
        names = {n.split("-")[0] for n in found}
        assert "typing_extensions" in names
        assert ("exceptiongroup" in names) >= (python == "3.10")


def test_a_damaged_or_lost_wheel_is_fetched_again_or_refused(
    shop: Callable[[], Path], tmp_path: Path
) -> None:
    index, cache = shop(), tmp_path / "cache"
    found = wheelhouse.gather(PI, [], cache)
    click, numpy = (
        next(p for n, p in found.items() if n.startswith(x)) for x in ("click", "numpy")
    )
    whole = click.read_bytes()
    click.write_bytes(whole[:-1])
    numpy.unlink()
    assert wheelhouse.gather(PI, [], cache) == found
    assert click.read_bytes() == whole and numpy.is_file()
    click.unlink()
    (index / click.name).unlink()
    wheel(index, "click", "8.3.0", "py3-none-any", "jinja2")
    with pytest.raises(DeployError, match=r"click-8\.3\.0.*--fresh"):
        wheelhouse.gather(PI, [], cache)


@pytest.mark.parametrize(
    ("lost", "target", "complaint"),
    [
        ("numpy-*aarch64*", PI, "no wheel of numpy.* fits aarch64, Python 3.13.*64-bit system"),
        ("none", Target("armv7l", "3.11", (2, 36)), "no wheel of .*ai-edge-litert: install the 64"),
        ("none", Target("riscv64", "3.13", (2, 41)), "no wheel of .* fits riscv64"),
    ],
)
def test_a_package_without_a_wheel_is_one_line(
    shop: Callable[[], Path], tmp_path: Path, lost: str, target: Target, complaint: str
) -> None:
    for path in shop().glob(lost):
        path.unlink()
    with pytest.raises(DeployError, match=complaint) as caught:
        wheelhouse.gather(target, [], tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").glob("locks/*"))
    assert not list((tmp_path / "cache").glob("wheels/*"))


def test_no_network_is_told_from_no_wheel() -> None:
    said = "WARNING: Retrying ... Temporary failure in name resolution\nERROR: No matching "
    assert "connect this machine" in wheelhouse._reason(PI, said + "distribution found for numpy")
    assert "pip cannot gather" in wheelhouse._reason(PI, "ERROR: something else")
    assert "pip cannot gather" in wheelhouse._reason(PI, "")


def test_the_same_checkout_is_the_same_wheel_and_packs_like_an_installation(tmp_path: Path) -> None:
    first = own_wheel.own_wheel(tmp_path / "a")
    assert own_wheel.own_wheel(tmp_path / "b").read_bytes() == first.read_bytes()
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = str(environment / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index"]
    subprocess.run([*pip, "--no-deps", str(first)], check=True)
    code = (
        "import sys; sys.path.append(sys.argv[2]); from pathlib import Path;"
        "from devices.own_wheel import own_wheel; print(own_wheel(Path(sys.argv[1])))"
    )
    site = json.dumps([p for p in sys.path if p.endswith("site-packages")][0])  # noqa: RUF015
    done = subprocess.run(
        [python, "-c", code, str(tmp_path / "again"), json.loads(site)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    again = Path(done.stdout.strip())
    with zipfile.ZipFile(first) as a, zipfile.ZipFile(again) as b:
        assert again.name == first.name
        assert {n: a.read(n) for n in a.namelist() if not n.endswith("RECORD")} == {
            n: b.read(n) for n in b.namelist() if not n.endswith("RECORD")
        }
    subprocess.run([*pip, "--no-deps", "--force-reinstall", str(again)], check=True)


@pytest.mark.parametrize(
    ("camera", "extras"),
    [
        ([], ("web",)),
        (["--no-web"], ()),
        (["--mqtt", "mqtt://a", "--metrics=9108"], ("metrics", "mqtt", "web")),
        (["--key-file", "/etc/key", "--no-web"], ("encrypt",)),
        (["--source", "csi:1"], ("csi", "web")),
        (["--source", "/dev/video0"], ("web",)),
    ],
)
def test_a_camera_gets_the_extras_that_its_arguments_need(
    camera: list[str], extras: tuple[str, ...]
) -> None:
    assert extras_for(camera) == extras


def test_a_release_is_named_by_what_is_in_it(tmp_path: Path) -> None:
    for name in ("pip-1-py3-none-any.whl", "manifest.json"):
        (tmp_path / name).write_text(name, "utf-8")
    wheels = {"pip-1-py3-none-any.whl": tmp_path / "pip-1-py3-none-any.whl"}
    bundle = {"manifest.json": tmp_path / "manifest.json"}
    release = make(PI, wheels, bundle, ["--source", "0"], 1000)
    assert release.facts["memory_max_mb"] == 750
    assert json.loads(release.text) == release.facts
    assert release.id == hashlib.sha256(release.text.encode()).hexdigest()[:12]
    assert make(PI, wheels, bundle, ["--source", "0"], 1000).id == release.id
    assert make(PI, wheels, bundle, ["--source", "1"], 1000).id != release.id
    (tmp_path / "manifest.json").write_text("another", "utf-8")
    assert make(PI, wheels, bundle, ["--source", "0"], 1000).id != release.id
    assert {hashlib.sha256(p.read_bytes()).hexdigest() for p in release.files.values()} >= {
        release.facts["wheels"]["pip-1-py3-none-any.whl"]
    }
