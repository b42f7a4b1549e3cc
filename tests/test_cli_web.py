"""``edgecnn camera --web`` as it is typed: where it listens, when it is on, how it ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from camera_tools import make_folder, network_camera
from test_cli_camera import ann_then_a_stranger, make_bundle
from web_tools import PASSWORD, Client

from edgecnn.bundle import ASSETS
from edgecnn.camera import app
from edgecnn.cli import web_options

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(app, "load", lambda *args: ann_then_a_stranger)
    return make_bundle(tmp_path / "bundle")


def test_a_camera_with_its_page_from_start_to_end(tmp_path: Path) -> None:
    """The installed command with the models that ship: a network camera, the first password, the
    live picture, and Ctrl-C."""
    with network_camera(frames=100_000) as camera:
        command = [sys.executable, "-m", "edgecnn", "camera", ASSETS, "--source", camera.address,
                   "--gallery", tmp_path / "g.sqlite", "--web", "127.0.0.1:0",
                   "--web-password-file", tmp_path / "password"]  # fmt: skip
        running = subprocess.Popen(
            list(map(str, command)), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert running.stderr is not None
        try:
            for line in running.stderr:
                if found := re.search(r"web page at http://127\.0\.0\.1:(\d+)/(.*)", line):
                    break
            else:
                raise AssertionError("no address was printed")
            assert "ssh -L" in found[2], "how to set the password from another machine"
            client = Client(int(found[1]))
            both = {"password": PASSWORD, "again": PASSWORD}
            assert client.post("/setup", both).status == 303
            assert "There now" in client.get("/").text
            while client.get("/still.jpg").status != 200:
                pass
        finally:
            running.send_signal(signal.SIGINT)
            out, _ = running.communicate(timeout=30)
        assert running.returncode == 0 and " frames in " in out
    assert (tmp_path / "g.sqlite").is_file(), "there before the camera reads it"


def test_the_page_sees_every_result(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edgecnn: Run
) -> None:
    from edgecnn.web.server import WebSink

    taken: list[int] = []
    monkeypatch.setattr(WebSink, "write", lambda self, r: taken.append(r.frame.index))
    monkeypatch.setattr("edgecnn.web.site.Looker", lambda *args: FakeLooker())
    folder = make_folder(tmp_path / "pictures", 4)
    code, out, err = edgecnn("camera", bundle, "--source", folder, "--web", "127.0.0.1:0")
    assert (code, taken) == (0, [0, 1, 2, 3])
    assert "web page at http://127.0.0.1:" in err and "4 frames" in out


class FakeLooker:
    def close(self) -> None:
        """Nothing to stop."""


def test_a_recording_has_no_page_unless_asked(bundle: Path, tmp_path: Path, edgecnn: Run) -> None:
    code, _, err = edgecnn("camera", bundle, "--source", make_folder(tmp_path / "p", 2))
    assert code == 0 and "web page" not in err


@pytest.mark.parametrize(
    ("place", "expected"),
    [("0.0.0.0:8080", ("0.0.0.0", 8080)), (":80", ("127.0.0.1", 80)), ("[::1]:1", ("::1", 1)),
     ("board.local:65535", ("board.local", 65535))],
)  # fmt: skip
def test_places(place: str, expected: tuple[str, int]) -> None:
    assert web_options.Place().convert(place, None, None) == expected


@pytest.mark.parametrize("place", ["8080", "localhost", "a:b", "a:65536", "a:-1", "", "a:²"])
def test_what_is_no_place(bundle: Path, place: str, edgecnn: Run) -> None:
    code, _, err = edgecnn("camera", bundle, "--web", place)
    assert code == 2 and "expected HOST:PORT" in err


@pytest.mark.parametrize("option", ["--web-cert", "--web-key"])
def test_a_certificate_needs_its_key(bundle: Path, option: str, edgecnn: Run) -> None:
    code, _, err = edgecnn("camera", bundle, "--source", ".", "--web", ":0", option, "x.pem")
    assert code == 2 and "--web-cert and --web-key together" in err and err.count("\n") == 1


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "argon2"])
def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path, package: str) -> None:
    folder = make_folder(tmp_path / "pictures", 2)
    code = f"import sys; sys.modules[{package!r}] = None; from edgecnn.cli import main; main()"
    command = [sys.executable, "-c", code, "camera", str(ASSETS), "--source", str(folder)]
    done = subprocess.run([*command, "--web", ":0"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"the package {package}" in done.stderr and "pip install 'edgecnn[web]'" in done.stderr
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "2 frames" in done.stdout, "without --web as before"


class TestOnByItself:
    @pytest.fixture(autouse=True)
    def board(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            monkeypatch.delenv(name, raising=False)
        tree = tmp_path / "compatible"
        tree.write_text("raspberrypi,5-model-b\0brcm,bcm2712\0")
        return tree

    def test_a_board_without_a_screen(self, board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert web_options.is_headless_board(board)
        assert not web_options.is_headless_board(board.parent / "none"), "a PC has no device tree"
        monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
        assert not web_options.is_headless_board(board)

    @pytest.mark.parametrize(
        ("source", "on"),
        [("0", True), ("rtsp://camera/1", True), ("{tmp}", False), ("none", False)],
    )
    def test_only_for_a_live_camera(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, on: bool
    ) -> None:
        monkeypatch.setattr(web_options, "is_headless_board", lambda: True)
        assert web_options.is_usual(source.format(tmp=tmp_path)) is on
        monkeypatch.setattr(web_options, "find_spec", lambda name: None)
        assert not web_options.is_usual("0"), "not without its packages"

    def test_a_port_that_is_taken_does_not_keep_the_camera_from_starting(
        self, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edgecnn: Run
    ) -> None:
        monkeypatch.setattr(web_options, "is_usual", lambda source: True)
        monkeypatch.setattr("edgecnn.web.site.Looker", lambda *args: FakeLooker())
        folder = make_folder(tmp_path / "pictures", 2)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            monkeypatch.setattr(web_options, "USUAL", ("127.0.0.1", port))
            code, out, err = edgecnn("camera", bundle, "--source", folder)
            assert code == 0 and "2 frames" in out and "no web page: the page cannot" in err
            asked = f"127.0.0.1:{port}"
            code, _, err = edgecnn("camera", bundle, "--source", folder, "--web", asked)
            assert code == 2 and "Address already in use" in err
