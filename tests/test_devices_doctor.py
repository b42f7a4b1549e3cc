"""What facts mean: machines with one thing wrong each, and the cure that each is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fake_machines as fake
import pytest

from devices import doctor
from devices.finding import DEPLOY, RECOGNITION, Finding, works

SLOW_CORAL = fake.PI_5 | fake.coral_on("480")
CRASHED = {"version": "RuntimeVersion(14)", "delegate": True, "crashed": True,
           "error": "it crashed with SIGSEGV"}  # fmt: skip

MACHINES: dict[str, tuple[fake.Files, dict[str, Any], str, str, str, str]] = {
    "Pi 5": (fake.PI_5, {}, "machine", "ok", "Pi 5 Model B Rev 1.0, aarch64, 2 cores with dot", ""),
    "Pi 4": (fake.PI_4, {}, "machine", "ok", "2 cores without dot products, 3955 MB", ""),
    "emulated": (fake.VIRTUAL, {}, "machine", "ok", "Emulated arm64 board (qemu)", ""),
    "unknown board": (fake.common("Rock 5", "radxa,rock-5"), {}, "machine", "note", "Rock 5", "be"),
    "32-bit programs": (fake.PI_4, {"machine": {"bits": 32}}, "machine", "problem",
                        "the kernel has 64 bits, the programs on it have 32", "install the 64-bit"),
    "little memory": (fake.PI_4, {"machine": {"available_mb": 90}}, "memory", "problem", "90 MB",
                      "image without desktop"),
    "healthy supply": (fake.PI_4 | {fake.THROTTLED: "0"}, {}, "power", "ok", "never", ""),
    "under-voltage": (fake.PI_4 | {fake.THROTTLED: "50005"}, {}, "power", "problem",
                      "under-voltage now", "better supply"),
    "was throttled": (fake.PI_4 | {fake.THROTTLED: "40000"}, {}, "power", "note",
                      "throttled since it started", "heat sink"),
    "hot": (fake.PI_4, {"temperatures": {"thermal_zone0 cpu": 84.2}}, "temperature", "problem",
            "84 °C", "fan"),
    "full disk": (fake.PI_4, {"disk": {"/opt": 90}}, "disk", "problem", "90 MB free at /opt",
                  "apt"),
    "read-only": (fake.PI_4 | {"proc/mounts": "/dev/root / ext4 ro 0 0\n"}, {}, "disk", "problem",
                  "read-only", "remount,rw"),
    "overlay": (fake.PI_4 | {"proc/mounts": "overlay / overlay rw,x=y 0 0\n"}, {}, "disk",
                "problem", "gone after a reboot", "disable_overlayfs"),
    "no sudo": (fake.PI_4, {"rights": {"sudo": False}}, "rights", "problem", "pi may not become",
                "pi ALL=(ALL) NOPASSWD: ALL"),
    "no systemd": (fake.PI_4, {"system": {"booted_by_systemd": False}}, "systemd", "problem",
                   "does not run by it", "Raspberry Pi OS"),
    "Mendel": (fake.DEV_BOARD, {"python": {"version": "3.7.3"}}, "python", "problem", "3.7.3",
               "Debian bookworm container"),
    "old Python": (fake.PI_4, {"python": {"version": "3.9.2"}}, "python", "problem", "3.9.2",
                   "bookworm"),
    "no venv": (fake.PI_4, {"python": {"missing": ["venv"]}}, "python", "problem", "without venv",
                "sudo apt install python3 python3-venv"),
    "bare": (fake.PI_4, {"edgecnn": None}, "edgecnn", "note", "not there", "edgecnn deploy"),
    "camera": (fake.PI_4, {"cameras": [{"path": "/dev/video0", "name": "HD", "kind": "camera",
               "allowed": True}]}, "camera", "ok", "/dev/video0 HD", ""),
    "camera of others": (fake.PI_4, {"cameras": [{"path": "/dev/video0", "name": "HD",
                         "kind": "camera", "allowed": False}]}, "camera", "problem",
                         "/dev/video0 HD: no permission", "usermod -aG video"),
    "camera of nobody": (fake.PI_4, {"rights": {"groups": ["pi", "video"]}, "cameras": [{
                         "path": "/dev/video0", "name": "HD", "kind": "camera",
                         "allowed": False}]}, "camera", "problem", "no permission", "ls -l"),
    "codecs alone": (fake.PI_4, {"cameras": [{"path": "/dev/video10", "name": "codec",
                     "kind": "other", "allowed": True}]}, "camera", "note", "none among 1", "plug"),
    "ribbon, no picamera2": (fake.PI_5, {"cameras": [{"path": "/dev/video0", "name": "rp1",
                             "kind": "csi", "allowed": True}]}, "picamera2", "note",
                             "on the ribbon cable, picamera2 is not there", "--source csi"),
    "closed venv": (fake.PI_5, {"csi": {"picamera2": True, "venv_sees_it": False}}, "picamera2",
                    "note", "does not see it", "--system-site-packages"),
    "Coral on USB 2": (SLOW_CORAL, {}, "Coral", "note", "USB 2 (480 Mbit/s), id 1a6e:089a",
                       "blue port"),
    "Coral on USB 3": (fake.PI_5 | fake.coral_on("5000", "18d1:9302"), {}, "Coral", "ok", "USB 3",
                       ""),
    "Coral, no right": (SLOW_CORAL, {"edgetpu": {"usb": [{"id": "18d1:9302", "speed_mbps": 5000.0,
                        "node": "/dev/bus/usb/002/007", "allowed": False}]}}, "Coral", "problem",
                        "no permission", "usermod -aG plugdev"),
    "Coral, no rule": (SLOW_CORAL, {"edgetpu": {"rule": False, "usb": [{"id": "18d1:9302",
                       "speed_mbps": 5000.0, "node": "/dev/x", "allowed": False}]}}, "Coral",
                       "problem", "no permission", "60-edgetpu.rules"),
    "Coral, no library": (SLOW_CORAL, {"edgetpu": {"library": ""}}, "libedgetpu", "problem",
                          "not there", "feranick/libedgetpu"),
    "an old library": (SLOW_CORAL, {"edgetpu": {"package": "16.0"}}, "libedgetpu", "problem",
                       "built from TensorFlow 2.5", "16.0tf2.19.1"),
    "library of another age": (SLOW_CORAL, {}, "libedgetpu", "note", "nobody told", "2.17.1"),
    "library alone": (fake.PI_5 | fake.LIBEDGETPU, {}, "Coral", "note", "no accelerator", "lsusb"),
    "card, no driver": (fake.PI_5 | fake.PCIE, {}, "Coral", "problem", "no kernel driver",
                        "gasket-builder"),
    "card, 16 KB pages": (fake.PI_5 | fake.PCIE, {"system": {"page_bytes": 16384}}, "Coral",
                          "problem", "pages are of 16 KB", "kernel8.img"),
    "two ABIs": (SLOW_CORAL, {"edgetpu": {"trial": CRASHED}}, "Edge TPU", "problem",
                 "crashed with SIGSEGV at loading a model", "docs/boards.md"),
    "at first invoke": (SLOW_CORAL, {"edgetpu": {"trial": CRASHED | {"loads": "m.tflite"}}},
                        "Edge TPU", "problem", "SIGSEGV at its first invoke", "docs/boards.md"),
    "runs": (SLOW_CORAL, {"edgetpu": {"trial": {"loads": "m_edgetpu.tflite", "compiled": True,
             "invokes": True}}}, "Edge TPU", "ok", "ran a compiled model", ""),
    "unplugged since": (SLOW_CORAL, {"edgetpu": {"trial": {"error": "ValueError: Failed to load"}}},
                        "Edge TPU", "problem", "finds no accelerator", "replug"),
    "library of x86": (SLOW_CORAL, {"edgetpu": {"trial": {"error": "OSError: wrong ELF class"}}},
                       "Edge TPU", "problem", "does not load", "feranick"),
    "crash of the run time": (fake.PI_4, {"runtimes": {"ai_edge_litert": {"crashed": True,
                              "error": "it crashed with SIGSEGV"}}}, "run time", "problem",
                              "ai-edge-litert 2.3.0 does not import: it crashed with SIGSEGV",
                              "--force-reinstall ai-edge-litert"),
}  # fmt: skip
"""Files and changed facts to one finding: topic, state, part of what is found, part of the cure."""

STOPS_DEPLOY = {"32-bit programs", "full disk", "read-only", "overlay", "no sudo", "no systemd",
                "Mendel", "old Python", "no venv"}  # fmt: skip
STOPS_RECOGNITION = {"Mendel", "old Python", "crash of the run time"}


@pytest.mark.parametrize("name", MACHINES)
def test_what_is_wrong_is_found_and_has_its_cure(tmp_path: Path, name: str) -> None:
    files, changes, topic, state, found, cure = MACHINES[name]
    facts = fake.facts_of(tmp_path / "machine", files)
    for section, change in changes.items():
        facts[section] = facts[section] | change if isinstance(change, dict) else change
    findings = doctor.judge(facts, remote=True, now_s=facts["clock"]["unix_s"])
    met = [f for f in findings if f.topic == topic and found in f.found]
    assert [(f.state, cure in f.cure) for f in met] == [(state, True)], findings
    assert bool(met[0].cure) == bool(cure)
    assert [f for f in findings if f.state == "problem" and not f.cure] == []
    assert works(findings, DEPLOY) == (name not in STOPS_DEPLOY)
    assert works(findings, RECOGNITION) == (name not in STOPS_RECOGNITION)


def test_a_healthy_board_has_no_problem(tmp_path: Path) -> None:
    facts = fake.facts_of(tmp_path / "pi", fake.PI_5 | {fake.THROTTLED: "0"})
    findings = doctor.judge(facts, remote=True, now_s=facts["clock"]["unix_s"])
    assert {f.state for f in findings} == {"ok", "note"}
    assert {f.topic for f in findings if f.state == "note"} == {"window", "camera", "picamera2"}


@pytest.mark.parametrize("bit", doctor.POWER)
def test_each_bit_of_the_firmware_is_told(tmp_path: Path, bit: int) -> None:
    facts = fake.facts_of(tmp_path / "pi", fake.PI_4, power={"throttled": 1 << bit})
    (finding,) = [f for f in doctor.power(facts) if f.topic == "power"]
    assert finding.found == doctor.POWER[bit][0] and finding.cure
    assert finding.state == ("problem" if "now" in finding.found else "note")


@pytest.mark.parametrize(
    ("off", "state", "says"),
    [(-7200.0, "problem", "7200 s behind"), (90.0, "problem", "90 s ahead"), (3.0, "ok", "UTC")],
)
def test_the_clock_is_compared_with_the_askers(
    tmp_path: Path, off: float, state: str, says: str
) -> None:
    facts = fake.facts_of(tmp_path / "pi", fake.PI_4, clock={"unix_s": 1.8e9 + off})
    (finding,) = doctor.clock(facts, 1.8e9)
    assert (finding.state, says in finding.found) == (state, True)
    assert bool(finding.cure) == (state == "problem")


def test_a_clock_that_nobody_keeps_is_noted(tmp_path: Path) -> None:
    facts = fake.facts_of(tmp_path / "pi", fake.PI_4, clock={"synchronised": False})
    (finding,) = doctor.clock(facts, None)
    assert finding.state == "note" and "set-ntp" in finding.cure


def test_the_board_is_named_with_what_is_plugged_in(tmp_path: Path) -> None:
    for number, (files, name) in enumerate([
        (SLOW_CORAL, "raspberry-pi-5+coral-usb"),
        (fake.PI_5 | fake.PCIE, "raspberry-pi-5+coral-pcie"),
        (fake.DEV_BOARD | fake.PCIE, "coral-dev-board"),
    ]):  # fmt: skip
        board = doctor.board_of(fake.facts_of(tmp_path / str(number), files))
        assert board is not None and board.name == name


def test_a_workstation_is_not_judged_as_a_board(tmp_path: Path) -> None:
    changes = {"rights": {"sudo": False}, "system": {"booted_by_systemd": False}}
    facts = fake.facts_of(tmp_path / "pc", {}, **changes)
    local = doctor.judge(facts)
    assert works(local) and works(local, DEPLOY)
    assert "training" in {f.topic for f in local}
    assert not works(doctor.judge(facts, remote=True), DEPLOY)


def test_what_blocks_is_a_problem() -> None:
    noted = Finding("disk", "note", "little", "clean", (DEPLOY,))
    assert works([], DEPLOY) and works([noted], DEPLOY)
    assert not works([Finding("disk", "problem", "little", "clean", (DEPLOY,))], DEPLOY)
    assert works([Finding("disk", "problem", "little", "clean", (DEPLOY,))], RECOGNITION)
