"""A board that is a folder, and releases whose camera is a stand-in of a few lines.

The real ``board.py`` makes real environments with the real pip; only what the camera computes, and
systemd (:mod:`small_systemd`), are played.
"""

from __future__ import annotations

import ensurepip
import hashlib
import json
import os
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import small_systemd

from devices.onboard import packed
from devices.onboard.release import architecture_here, python_here

CAMERA = """
import json, os, pathlib, socket, sys, time, hashlib
bundle = pathlib.Path(sys.argv[2])
status = pathlib.Path(sys.argv[sys.argv.index("--status") + 1])
model = (bundle / "model.tflite").read_text()
print("camera", sys.argv[1:], flush=True)
if "--shadow" in sys.argv:
    model += (pathlib.Path(sys.argv[sys.argv.index("--shadow") + 1]) / "model.tflite").read_text()
if "crashes" in model:
    sys.exit("the model crashes")
address = os.environ.get("NOTIFY_SOCKET")
if address:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(b"READY=1", address)
begun, frames = time.time(), 0
while True:
    frames += "blind" not in model and not (status.parents[2] / "unplugged").exists()
    part = status.with_suffix(".part")
    part.write_text(json.dumps({
        "bundle": hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest(),
        "started_s": begun, "written_s": time.time(), "frames": frames, "words": sys.argv[1:],
    }))
    part.replace(status)
    time.sleep(0.05)
"""

SELF_TEST = """
import json, pathlib, sys
if sys.argv[1] == "gallery":
    pathlib.Path(sys.argv[3]).write_text(" ".join(sys.argv[1:]))
elif "differs" in (pathlib.Path(sys.argv[2]) / "model.tflite").read_text():
    print(json.dumps({"error": "the model computes something else here"}))
    sys.exit(2)
"""


def wheel(path: Path, version: str = "0.1.0") -> Path:
    """A wheel named edgecnn, with a stand-in for the camera and for the self-test."""
    path.mkdir(parents=True, exist_ok=True)
    made = path / f"edgecnn-{version}-py3-none-any.whl"
    info = f"edgecnn-{version}.dist-info"
    files = {
        "edgecnn/__init__.py": "",
        "edgecnn/__main__.py": CAMERA,
        "devices/__init__.py": "",
        "devices/selftest.py": SELF_TEST,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: edgecnn\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(made, "w") as z:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            z.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    return made


def pip_wheel() -> Path:
    """The one that Python itself brings."""
    folders = [Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels")]
    return next(p for folder in folders for p in sorted(folder.glob("pip-*.whl")))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class BoardDouble:
    """A board under a folder.

    Attributes:
        root: stands for ``/``.
        files: what the workstation has, by SHA-256.
    """

    root: Path
    files: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.opt.mkdir(parents=True)
        self.half.write_bytes(packed())
        tools = small_systemd.install(self.root / "tools")
        self.env = {
            **os.environ,
            "EDGECNN_BOARD_ROOT": str(self.root),
            "PATH": f"{tools}:{os.environ['PATH']}",
            "SMALL_SYSTEMD_RESTART_S": "0.05",
        }

    @property
    def opt(self) -> Path:
        return self.root / "opt/edgecnn"

    @property
    def half(self) -> Path:
        return self.opt / "board.py"

    def release(self, model: str, version: str = "0.1.0", **changed: Any) -> str:
        """``release.json`` of a bundle whose model is that text; its files come to be at hand."""
        own, pip = wheel(self.root / "wheels", version), pip_wheel()
        manifest = json.dumps(
            {"task": "faces", "files": {"model.tflite": digest(model.encode())}}
        ).encode()
        data = [own.read_bytes(), pip.read_bytes(), model.encode(), manifest]
        self.files |= {digest(d): d for d in data}
        facts = {
            "schema": 1,
            "edgecnn": version,
            "python": python_here(),
            "architecture": architecture_here(),
            "wheels": {own.name: digest(data[0]), pip.name: digest(data[1])},
            "pip": pip.name,
            "bundle": {"model.tflite": digest(data[2]), "manifest.json": digest(data[3])},
            "camera": ["--source", "0"],
            "memory_max_mb": 512,
        }
        return json.dumps({**facts, **changed})

    def start(self, verb: str, *words: str) -> subprocess.Popen[str]:
        """``board.py VERB``, under way, in a session of its own."""
        command = [sys.executable, "-I", str(self.half), verb, *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command,
            env=self.env,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
        )

    def ask(self, verb: str, *words: str, stdin: str = "") -> dict[str, Any]:
        """What a verb answers; its fault is in ``error``."""
        child = self.start(verb, *words)
        out, err = child.communicate(stdin, timeout=60)
        assert out.strip(), err
        answer = dict(json.loads(out.splitlines()[-1]))
        assert child.returncode == (2 if "error" in answer else 0), err
        return answer

    def send(self, text: str) -> list[str]:
        """Put into the store what a release lacks; those hashes."""
        lacking = list(self.ask("missing", stdin=text)["missing"])
        store = self.opt / "store"
        store.mkdir(exist_ok=True)
        for name in lacking:
            (store / name).write_bytes(self.files[name])
        return lacking

    def stage(self, text: str) -> dict[str, Any]:
        """Send and stage."""
        self.send(text)
        return self.ask("stage", stdin=text)

    def activate(self, name: str, health_s: float = 10) -> dict[str, Any]:
        """With little patience."""
        return self.ask("activate", name, "--health-s", str(health_s), "--steady-s", "0.2")

    def deploy(self, text: str) -> dict[str, Any]:
        """Send, stage and activate."""
        staged = self.stage(text)
        return staged if "error" in staged else self.activate(staged["id"])

    def systemctl(self, *words: str) -> int:
        command = [str(self.root / "tools/systemctl"), *words]
        return subprocess.run(command, env=self.env, capture_output=True).returncode

    def boot(self) -> None:
        """The power is cut, and comes back."""
        self.systemctl("power-cut")
        for left in (self.root / "run/edgecnn").glob("*"):
            left.unlink()
        self.systemctl("boot")

    def camera(self, wait_s: float = 10) -> dict[str, Any]:
        """What the running camera says of itself, once it does."""
        path = self.root / "run/edgecnn/status.json"
        end = time.monotonic() + wait_s
        while time.monotonic() < end:
            try:
                found = dict(json.loads(path.read_text("utf-8")))
                if found["frames"] > 0 and self.systemctl("is-active", "edgecnn-camera") == 0:
                    return found
            except (OSError, ValueError):
                pass
            time.sleep(0.02)
        log = self.root / "run/small_systemd/edgecnn-camera.service.log"
        raise AssertionError(f"no camera runs: {log.read_text('utf-8', 'replace')[-2000:]}")

    def runs(self) -> str:
        """The id of the release that runs."""
        return Path(self.camera()["words"][1]).parent.name
