"""What a board gets: the base install alone, in a bare environment, with either run time."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from matrix import interpreters

ROOT = Path(__file__).resolve().parent.parent
START_UP_S = 0.3
OLD_RUN_TIME = ("tflite-runtime==2.14.0", "numpy<2", "opencv-python-headless==4.11.0.86", "click")
"""What 32-bit ARM and some accelerator libraries need; its last Python is 3.11."""

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Board:
    """A bare environment with edgecnn installed from its wheel.

    Attributes:
        path: of the environment.
        env: what its commands see of the environment's variables.
        home: where its commands run, away from the source tree.
    """

    path: Path
    env: dict[str, str]
    home: Path

    def run(self, *command: str, code: int = 0) -> str:
        """The output of ``bin/COMMAND``, which must end with ``code``."""
        done = subprocess.run(
            [self.path / "bin" / command[0], *command[1:]],
            cwd=self.home,
            env=self.env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, f"{command}: {done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module", params=["ai-edge-litert", "tflite-runtime"])
def board(
    request: pytest.FixtureRequest,
    wheel: Path,
    user_env: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Board:
    python = sys.executable
    packages: tuple[tuple[str, ...], ...] = ((str(wheel),),)
    if request.param == "tflite-runtime":
        found = interpreters()
        if "3.11" not in found:
            pytest.skip("no Python 3.11 here, the last one that tflite-runtime has wheels for")
        python, packages = str(found["3.11"]), (OLD_RUN_TIME, ("--no-deps", str(wheel)))
    home = tmp_path_factory.mktemp("board")
    pip_env = {k: v for k, v in user_env.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    subprocess.run([python, "-m", "venv", home / "venv"], check=True, env=pip_env)
    for install in packages:
        subprocess.run(
            [home / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", *install],
            check=True,
            env=pip_env,
        )
    env = {"PATH": "/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}
    return Board(home / "venv", env, home)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``eileen.png`` and ``grace.jpg``: public-domain portraits out of installed packages, and
    ``eileen.mp4``, the first in front of a camera that moves a little."""
    import cv2
    import matplotlib
    import skimage

    folder = tmp_path_factory.mktemp("photos")
    astronaut = Path(skimage.__file__).parent / "data" / "astronaut.png"
    shutil.copy(astronaut, folder / "eileen.png")
    (folder / "stranger").mkdir()
    samples = Path(matplotlib.get_data_path()) / "sample_data"
    for i in range(5):
        shutil.copy(samples / "grace_hopper.jpg", folder / "stranger" / f"{i}.jpg")
    picture = cv2.imread(str(astronaut))
    video = cv2.VideoWriter(
        str(folder / "eileen.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (400, 400)
    )
    for i in range(20):
        video.write(picture[i : i + 400, 2 * i : 2 * i + 400])
    video.release()
    return folder


def names(events: str) -> list[str | None]:
    return [json.loads(line)["name"] for line in events.splitlines()]


def test_no_training_package_comes_with_it(board: Board) -> None:
    code = (
        "from importlib.util import find_spec as find\n"
        "print([p for p in ('tensorflow', 'keras', 'matplotlib', 'sklearn', 'rich') if find(p)])"
    )
    assert board.run("python", "-c", code).strip() == "[]"


def test_the_run_time_is_the_one_meant(board: Board, request: pytest.FixtureRequest) -> None:
    code = (
        "from edgecnn.runtime.interpreter import runtime_module; print(runtime_module().__name__)"
    )
    meant = request.node.callspec.params["board"].replace("-", "_")
    assert board.run("python", "-c", code).strip() == f"{meant}.interpreter"


def test_help_comes_at_once(board: Board) -> None:
    def cost_s(*command: str) -> float:
        """Processor time: unlike the time on the wall, it does not count other tests' work."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        board.run(*command)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    board.run("edgecnn", "--help")  # the first run writes the byte code
    help_s = min(cost_s("edgecnn", "--help") for _ in range(9))
    bare_s = min(cost_s("python", "-c", "") for _ in range(9))
    assert help_s <= START_UP_S, f"{help_s:.3f} s, of which Python itself {bare_s:.3f} s"


def test_doctor_is_content(board: Board) -> None:
    assert json.loads(board.run("edgecnn", "doctor", "--json"))["works"] is True


def test_training_says_what_to_install(board: Board, photos: Path) -> None:
    done = subprocess.run(
        [board.path / "bin" / "edgecnn", "train", photos, "--task", "images", "--out", "run"],
        cwd=board.home,
        env=board.env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "pip install 'edgecnn[train]'" in done.stderr and len(done.stderr.splitlines()) == 1


def test_an_encrypted_gallery_says_what_to_install(board: Board) -> None:
    from edgecnn.faces.gallery import Gallery
    from edgecnn.faces.vault import new_key

    path, key = board.home / "encrypted.sqlite", board.home / "household.key"
    Gallery(path, "ab" * 32, create=True, key=new_key(key)).close()
    command = [board.path / "bin" / "edgecnn", "people", "list", path, "--key-file", key]
    done = subprocess.run(command, cwd=board.home, env=board.env, capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'edgecnn[encrypt]'" in done.stderr and len(done.stderr.splitlines()) == 1


def test_names_the_enrolled_and_not_the_stranger(board: Board, photos: Path) -> None:
    code = "from edgecnn.bundle import ASSETS; print(ASSETS)"
    assets = board.run("python", "-c", code).strip()
    gallery = ("--gallery", str(board.home / "people.sqlite"))
    board.run("edgecnn", "enroll", assets, "Eileen", str(photos / "eileen.png"), *gallery)
    camera = ("edgecnn", "camera", assets, *gallery, "--source")

    seen = names(board.run(*camera, str(photos / "eileen.mp4"), "--events", "-"))
    assert len(seen) >= 18 and set(seen[5:]) == {"Eileen"}
    stranger = names(board.run(*camera, str(photos / "stranger"), "--events", "-"))
    assert len(stranger) >= 4 and set(stranger) == {None}

    video = board.home / "names.mp4"
    board.run(*camera, str(photos / "eileen.mp4"), "--out-video", str(video))
    assert video.stat().st_size > 10_000
