"""The facts of machines that are laid out as files, and what children tell."""

from __future__ import annotations

import ast
import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import fake_machines as fake
import pytest

from devices import facts
from edgecnn.runtime.child import environment
from edgecnn.runtime.interpreter import RUNTIMES

SOURCE = Path(facts.__file__)


def test_is_of_python_3_7_and_of_the_standard_library_alone() -> None:
    tree = ast.parse(SOURCE.read_text("utf-8"), feature_version=(3, 7))
    named = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [a.name for a in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert named <= sys.stdlib_module_names
    since_3_8 = ("removeprefix", "removesuffix", " := ", "shlex.join", "cached_property")
    assert [word for word in since_3_8 if word in SOURCE.read_text("utf-8")] == []


def test_goes_through_the_input_of_a_python_that_has_nothing_of_ours(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", "-"]
    with SOURCE.open() as script:
        done = subprocess.run(
            command, stdin=script, capture_output=True, text=True, check=True, cwd=tmp_path
        )
    told = json.loads(done.stdout)
    assert done.stdout.startswith('{"schema": ') and done.stdout.count("\n") == 1
    assert told["python"]["executable"] == sys.executable
    assert told["machine"]["memory_mb"] > 100 and told["disk"]["/"] > 0
    assert told["edgecnn"] is None and told["runtimes"] == {}


def test_loads_nothing_heavy_itself(root: Path) -> None:
    code = "import sys, devices.facts; print({'numpy', 'cv2', 'tensorflow'} & set(sys.modules))"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_knows_the_run_times_that_the_app_knows() -> None:
    assert facts.RUN_TIMES == RUNTIMES


def test_a_pi_5(tmp_path: Path) -> None:
    found = facts.gather(fake.lay_out(tmp_path / "pi", fake.PI_5))
    board = found["machine"]
    assert board["model"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert board["compatible"] == ["raspberrypi,5-model-b", "brcm,bcm2712"]
    assert (board["cores"], board["memory_mb"], board["available_mb"]) == (2, 3955, 3417)
    assert board["features"] == ["asimd", "asimddp"]
    assert found["system"]["codename"] == "bookworm" and found["system"]["booted_by_systemd"]
    assert (found["system"]["root_type"], found["system"]["root_read_only"]) == ("ext4", False)
    assert found["temperatures"] == {"thermal_zone0 cpu-thermal": 48.312}
    assert found["power"] == {"throttled": None}
    assert found["cameras"] == [] and found["edgetpu"]["usb"] == []


@pytest.mark.parametrize(
    ("text", "flags"),
    [("50005\n", 0x50005), ("0\n", 0), ("throttled=0x50000", 0x50000), ("", None), ("oops", None)],
)
def test_the_flags_of_a_pi_are_read(tmp_path: Path, text: str, flags: int | None) -> None:
    root = fake.lay_out(tmp_path / "pi", {fake.THROTTLED: text})
    assert facts.throttled(root, real=False) == flags


def test_coral_on_usb(tmp_path: Path) -> None:
    root = fake.lay_out(tmp_path / "pi", fake.PI_5 | fake.coral_on("480"))
    found = facts.gather(root)["edgetpu"]
    node = "/dev/bus/usb/002/007"
    assert found["usb"] == [{"id": "1a6e:089a", "speed_mbps": 480.0, "node": node, "allowed": True}]
    assert found["package"] == "16.0tf2.17.1-1.bookworm" and found["rule"]
    assert found["library"] == "/usr/lib/aarch64-linux-gnu/libedgetpu.so.1.0"
    (Path(root) / node[1:]).unlink()
    assert not facts.gather(root)["edgetpu"]["usb"][0]["allowed"]


def test_coral_on_pci_express(tmp_path: Path) -> None:
    root = fake.lay_out(tmp_path / "x", fake.PCIE)
    assert list(facts.on_pci(root)) == [{"slot": "0000:01:00.0", "driver": ""}]
    driver = Path(root, "sys/bus/pci/drivers/apex")
    driver.mkdir(parents=True)
    Path(root, "sys/bus/pci/devices/0000:01:00.0/driver").symlink_to(driver)
    Path(root, "dev").mkdir()
    Path(root, "dev/apex_0").touch()
    found = facts.gather(root)["edgetpu"]
    assert found["pci"] == [{"slot": "0000:01:00.0", "driver": "apex"}]
    assert found["apex"] == [{"path": "/dev/apex_0", "allowed": True}]


CAPS = {
    "USB camera": ("uvcvideo", 0x84A00001, 0x04200001, "camera"),
    "its metadata": ("uvcvideo", 0x84A00001, 0x04A00000, "other"),
    "an old driver": ("uvcvideo", 0x04000001, 0, "camera"),
    "several planes": ("vivid", 0x80001000, 0x04201000, "camera"),
    "decoder": ("bcm2835-codec", 0x84204000, 0x04204000, "other"),
    "decoder that says it captures": ("rpivid", 0x84208001, 0x04208001, "other"),
    "ribbon cable of a Pi 5": ("rp1-cfe", 0xAEA00001, 0x2C200001, "csi"),
    "ribbon cable of a Pi 4": ("unicam", 0xA5A00001, 0x25200001, "csi"),
    "image processor": ("bcm2835-isp", 0x84200001, 0x04200001, "other"),
    "output": ("vivid", 0x85A00003, 0x05200002, "other"),
}
"""``capabilities`` and ``device_caps`` put together from the bits of linux/videodev2.h."""


@pytest.mark.parametrize(("driver", "all_nodes", "this_node", "kind"), CAPS.values(), ids=CAPS)
def test_what_a_video_node_is(driver: str, all_nodes: int, this_node: int, kind: str) -> None:
    answer = struct.pack(
        "=16s32s32sIII12x", driver.encode(), b"HD Webcam", b"usb-1", 6, all_nodes, this_node
    )
    assert len(answer) == 104 == facts.QUERYCAP >> 16 & 0x3FFF
    name, card, caps = facts.capability(answer)
    assert (name, card, facts.kind_of(name, caps)) == (driver, "HD Webcam", kind)


def test_nodes_that_cannot_be_asked_are_told_by_sysfs(tmp_path: Path) -> None:
    class_ = "sys/class/video4linux"
    files = {"dev/video10": "", "dev/video2": "", "dev/video3": "", "dev/videodev": ""}
    files |= {f"{class_}/video2/name": "HD Webcam\n", f"{class_}/video2/index": "0\n"}
    files |= {f"{class_}/video3/name": "HD Webcam\n", f"{class_}/video3/index": "1\n"}
    found = facts.cameras(fake.lay_out(tmp_path / "x", files))
    assert [(f["path"], f["name"], f["kind"]) for f in found] == [
        ("/dev/video2", "HD Webcam", "camera"),
        ("/dev/video3", "HD Webcam", "other"),
        ("/dev/video10", "", "camera"),
    ]


def test_picamera2_and_whether_the_release_sees_it(tmp_path: Path) -> None:
    release = "opt/edgecnn/current/venv/pyvenv.cfg"
    root = fake.lay_out(
        tmp_path / "x",
        {"usr/lib/python3/dist-packages/picamera2/__init__.py": "", release: "home = /usr/bin\n"},
    )
    assert facts.csi(root) == {"picamera2": True, "venv_sees_it": False}
    Path(root, release).write_text("include-system-site-packages = true\n")
    assert facts.csi(root) == {"picamera2": True, "venv_sees_it": True}


def test_a_read_only_root_is_told(tmp_path: Path) -> None:
    mounts = "proc /proc proc rw 0 0\n/dev/mmcblk0p2 / ext4 ro,noatime 0 0\ntmpfs /run tmpfs rw 0 0"
    found = facts.system(fake.lay_out(tmp_path / "x", {"proc/mounts": mounts}), real=False)
    assert (found["root_type"], found["root_read_only"]) == ("ext4", True)


def fake_package(folder: Path, name: str, code: str) -> Path:
    """A package ``name`` whose module ``interpreter`` runs some code when it is imported."""
    package = folder / name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "interpreter.py").write_text(code)
    return folder


def finish(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, Any]:
    """What a child tells that finds modules in ``folder`` first."""
    paths = [str(folder), environment()["PYTHONPATH"]]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    return facts.finish(facts.start(sys.executable, *arguments))


CRASH = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
FAULTS = {
    "a crash": (CRASH, "it crashed with SIGSEGV", True),
    "numpy 2": ("raise SystemError('initialization failed')", "SystemError: initiali", False),
    "no library": ("raise ImportError('libGL.so.1: no file')", "ImportError: libGL", False),
    "silence": ("import os; os._exit(3)", "exit code 3", False),
}


@pytest.mark.parametrize(("code", "says", "crashed"), FAULTS.values(), ids=FAULTS)
def test_a_run_time_that_fails_becomes_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, says: str, crashed: bool
) -> None:
    folder = fake_package(tmp_path, "fake_runtime", code)
    found = finish(folder, monkeypatch, "runtime", "fake_runtime")
    assert says in found["error"] and found.get("crashed", False) == crashed


def test_a_run_time_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "TIMEOUT_S", 0.2)
    folder = fake_package(tmp_path, "fake_runtime", "import time; time.sleep(60)")
    assert "no answer in 0.2 s" in finish(folder, monkeypatch, "runtime", "fake_runtime")["error"]


LIBRARY = """
import ctypes, os, signal

class _Library:
    def __init__(self, name):
        assert name == "libedgetpu.so.1"
        self.edgetpu_version = type("V", (), {"__call__": lambda self: b"RuntimeVersion(14)"})()

ctypes.CDLL = _Library

def load_delegate(name):
    return name

class Interpreter:
    def __init__(self, model_path, experimental_delegates):
        assert experimental_delegates == ["libedgetpu.so.1"]
    def allocate_tensors(self):
        ALLOCATE
    def invoke(self):
        INVOKE
"""


@pytest.mark.parametrize(
    ("allocate", "invoke", "reached"),
    [
        ("pass", "pass", {"delegate", "loads", "invokes"}),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "pass", {"delegate"}),
        ("pass", "os.kill(os.getpid(), signal.SIGSEGV)", {"delegate", "loads"}),
    ],
)
def test_the_first_load_and_invoke_with_the_edge_tpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allocate: str, invoke: str, reached: set[str]
) -> None:
    code = LIBRARY.replace("ALLOCATE", allocate).replace("INVOKE", invoke)
    (tmp_path / "sitecustomize.py").write_text("import fake_runtime.interpreter\n")
    folder = fake_package(tmp_path, "fake_runtime", code)
    found = finish(folder, monkeypatch, "edgetpu", "fake_runtime")
    assert found["version"] == "RuntimeVersion(14)"
    assert {"delegate", "loads", "invokes"} & set(found) == reached
    assert ("crashed" in found) == (reached != {"delegate", "loads", "invokes"})


def test_a_release_that_was_deployed_answers_for_a_python_without_edgecnn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = tmp_path / "python"
    release.write_text("#!/bin/sh\n")
    monkeypatch.setattr(facts.util, "find_spec", lambda name: None)
    monkeypatch.setattr(facts, "RELEASE", str(release))
    assert facts.interpreter() is None
    release.chmod(0o755)
    assert facts.interpreter() == str(release)
