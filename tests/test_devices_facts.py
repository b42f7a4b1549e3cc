"""What a machine tells of itself, on trees of files like the kernel's and with real processes."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from doctor_tools import DEV_BOARD, card, dpkg, lay, pi, release, stick

from devices import facts
from devices.pairings import RUN_TIMES
from edgecnn.runtime.child import environment

FILE = Path(facts.__file__)


def gather(root: Path, files: dict[str, str]) -> dict[str, Any]:
    return facts.gather(str(lay(root, files)))


def test_runs_where_nothing_is_installed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-"],
        input=FILE.read_text("utf-8"),
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    found = json.loads(done.stdout)
    assert found["schema"] == 1 and found["installed"] is None
    assert found["python"]["version"] == sys.version.split()[0]
    assert found["system"]["bits"] == 64 and done.stderr == ""


def test_keeps_to_what_python_3_7_has() -> None:
    tree = ast.parse(FILE.read_text("utf-8"), feature_version=(3, 7))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
    newer = {"removeprefix", "removesuffix", "is_relative_to", "readlink", "cache"}
    assert not newer & {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_knows_the_run_times_that_the_table_knows() -> None:
    assert tuple(RUN_TIMES) == facts.RUN_TIMES


def test_a_raspberry_pi_5(tmp_path: Path) -> None:
    found = gather(tmp_path, pi(throttled="50005"))
    assert found["board"]["model"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert found["board"]["compatible"].split("\0")[0] == "raspberrypi,5-model-b"
    assert (found["board"]["cores"], found["board"]["memory_mb"]) == (4, 8063)
    assert found["board"]["instructions"] == ["asimd", "asimdhp", "asimdrdm", "asimddp"]
    assert found["power"] == {"throttled": 0x50005, "temperature_c": 51.2}
    assert found["system"]["name"] == "Debian GNU/Linux 12 (bookworm)"
    assert found["system"]["systemd"] and found["disk"]["read_only"] == []
    assert found["packages"] == {"python3-venv": "3.11.2-1+b1"}
    assert (found["usb"], found["pcie"], found["cameras"]) == ([], [], [])


def test_a_coral_on_usb_2(tmp_path: Path) -> None:
    found = gather(tmp_path, {**pi(), **stick("480")})
    assert found["usb"] == [{"id": "1a6e:089a", "name": "", "mbps": 480.0, "allowed": True}]


def test_a_dev_board(tmp_path: Path) -> None:
    found = gather(tmp_path, DEV_BOARD)
    assert found["pcie"] == ["1ac1:089a"]
    assert found["apex"]["driver"] and found["apex"]["temperature_c"] == 48.3
    assert found["apex"]["nodes"] == [{"path": "/dev/apex_0", "allowed": True}]
    assert found["packages"] == {"libedgetpu1-std": "16.0"}
    assert len(found["libraries"]) == 1 and found["power"]["temperature_c"] is None


def test_a_card_without_its_driver(tmp_path: Path) -> None:
    found = gather(tmp_path, {**pi(), **card(driver=False, node=False)})
    assert found["apex"] == {"driver": False, "nodes": [], "temperature_c": None}


def test_nodes_of_cameras_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = {10: "bcm2835-codec-decode", 2: "HD Webcam"}
    files = {f"dev/video{n}": "" for n in names}
    files |= {f"sys/class/video4linux/video{n}/name": f"{name}\n" for n, name in names.items()}
    found = gather(tmp_path, {**files, "dev/video-h264": ""})["cameras"]
    assert [(node["path"], node["name"]) for node in found] == [
        ("/dev/video2", "HD Webcam"),
        ("/dev/video10", "bcm2835-codec-decode"),
    ]
    assert all(node["capture"] is None and node["allowed"] for node in found)


def test_what_is_removed_or_half_installed_is_not_there(tmp_path: Path) -> None:
    status = dpkg({"libedgetpu1-max": "16.0"}, "deinstall ok config-files")
    status += "\n" + dpkg({"bash": "5.2", "gasket-dkms": "1.0-18"})
    found = gather(tmp_path, {"var/lib/dpkg/status": status})
    assert found["packages"] == {"gasket-dkms": "1.0-18"}


def test_a_disk_that_cannot_be_written_to(tmp_path: Path) -> None:
    mounts = "overlay / overlay ro,relatime 0 0\ntmpfs /run tmpfs rw 0 0\n"
    assert gather(tmp_path, {"proc/mounts": mounts})["disk"]["read_only"] == ["/"]


def test_an_empty_machine_tells_what_it_can(tmp_path: Path) -> None:
    found = gather(tmp_path, {})
    assert found["board"]["model"] == "" and found["board"]["memory_mb"] is None
    assert found["power"] == {"throttled": None, "temperature_c": None}


@pytest.mark.parametrize("text", ["", "-1", "0\n", "999999\n", "warm\n"])
def test_a_broken_sensor_says_nothing(tmp_path: Path, text: str) -> None:
    found = gather(tmp_path, {"sys/class/thermal/thermal_zone0/temp": text})
    assert found["power"]["temperature_c"] is None


def test_what_is_installed_here() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "devices.facts"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    installed = json.loads(done.stdout)["installed"]
    assert installed["python"] == sys.executable
    assert "numpy" in installed["packages"]["versions"]
    assert "FFMPEG" in installed["opencv"]["backends"]
    assert any("self_test" in told for told in installed["runtimes"].values())


CRASHES = "os.kill(os.getpid(), signal.SIGSEGV)"
FINE = "print('{}')"


def test_a_release_whose_run_time_crashes(tmp_path: Path) -> None:
    answers = {
        "packages": """print('{"edgecnn": "0.1.0"}')""",
        "opencv": """print('{"numpy": "2.4.6"}', flush=True); sys.exit(3)""",
        "runtime ai_edge_litert": f"""print('{{"imports": true}}', flush=True); {CRASHES}""",
        "runtime tflite_runtime": """print('{"there": false}')""",
    }
    found = gather(release(tmp_path, answers), pi())["installed"]
    assert found["python"].startswith(str(tmp_path))
    assert found["packages"] == {"edgecnn": "0.1.0"}
    assert found["opencv"] == {"numpy": "2.4.6", "error": "it ended with exit code 3"}
    crash = {"imports": True, "error": "it crashed with SIGSEGV", "crashed": True}
    assert found["runtimes"] == {"ai_edge_litert": crash}
    assert "edgetpu" not in found


def test_the_first_run_on_an_edge_tpu_is_tried_where_its_library_is(tmp_path: Path) -> None:
    answers = {kind: FINE for kind in ("packages", "opencv", "runtime ai_edge_litert")}
    answers["edgetpu"] = f"""print('{{"delegate": true}}', flush=True); {CRASHES}"""
    found = gather(release(tmp_path, answers), DEV_BOARD)["installed"]
    assert found["edgetpu"]["crashed"] and found["edgetpu"]["delegate"]


FAULTS = {
    "a crash": (CRASHES, "crashed with SIGSEGV"),
    "numpy 2": ("raise SystemError('initialization of _pywrap failed')", "SystemError: initiali"),
    "no library": ("raise ImportError('libedgetpu.so.1: no such file')", "ImportError: libedgetpu"),
    "silence": ("os._exit(3)", "exit code 3"),
}


def fake_runtime(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a child finds out about a run time whose module runs some code when it is imported."""
    package = folder / "fake_runtime"
    lay(package, {"__init__.py": "", "interpreter.py": f"import os, signal, time\n{code}\n"})
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", f"{environment()['PYTHONPATH']}:{folder}")
    return facts.finish(facts.start(sys.executable, "runtime", "fake_runtime"), timeout_s=20)


@pytest.mark.parametrize(("code", "says"), FAULTS.values(), ids=FAULTS)
def test_a_run_time_that_fails_becomes_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, says: str
) -> None:
    assert says in fake_runtime(tmp_path, code, monkeypatch)["error"]


def test_a_run_time_that_hangs_is_given_up(tmp_path: Path) -> None:
    release(tmp_path, {"opencv": "import time; time.sleep(60)"})
    child = facts.start(str(tmp_path / facts.RELEASE_PYTHON), "opencv")
    assert facts.finish(child, timeout_s=0.3) == {"error": "it gave no answer in 0.3 s"}
