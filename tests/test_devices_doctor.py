"""What the doctor makes of facts: each problem comes with its cure, and with what it stops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from doctor_tools import DEV_BOARD, PI_4, card, dpkg, lay, look, pi, stick

from devices import doctor, doctor_packages
from devices.finding import DEPLOY, RECOGNITION, Finding, works

LITERT = {"ai-edge-litert": "2.3.0", "numpy": "2.4.6"}
PASSED = {"imports": True, "self_test": {"detector": 0, "embedder": 1}}
CRASHED = {"imports": True, "error": "it crashed with SIGSEGV", "crashed": True}


def installed(**more: Any) -> dict[str, Any]:
    """What is found where edgecnn is installed and well."""
    return {
        "python": "/opt/edgecnn/current/venv/bin/python",
        "packages": {"edgecnn": "0.1.0", "versions": dict(LITERT), "requires": []},
        "opencv": {"numpy": "2.4.6", "opencv": "5.0.0", "backends": ["V4L2"], "gui": ""},
        "runtimes": {"ai_edge_litert": PASSED},
        **more,
    }


def judge(root: Path, files: dict[str, str], **more: Any) -> dict[str, Finding]:
    """Topic to finding; of a topic with several, the one that is worst."""
    facts = look(lay(root, files))
    for name, value in more.items():
        facts[name] = {**facts[name], **value} if facts[name] else value
    return by_topic(doctor.judge(facts))


def by_topic(findings: list[Finding]) -> dict[str, Finding]:
    order = ["problem", "note", "ok"]
    found: dict[str, Finding] = {}
    for f in sorted(findings, key=lambda f: order.index(f.state)):
        assert f.cure or f.state == "ok", f
        assert "\n" not in f.found + f.cure
        found.setdefault(f.topic, f)
    return found


def deploys(found: dict[str, Finding]) -> bool:
    return works(found.values(), DEPLOY)


def test_a_raspberry_pi_5_that_is_well(tmp_path: Path) -> None:
    found = judge(tmp_path, pi())
    assert {f.topic for f in found.values() if f.state == "problem"} == set()
    assert deploys(found)
    assert found["machine"].found == (
        "Raspberry Pi 5 Model B Rev 1.0, aarch64, 4 cores, 8063 MB of memory, "
        "ARMv8.2-A with dot products"
    )
    assert found["temperature"].found == "51 °C"


def test_a_raspberry_pi_4_has_no_dot_products(tmp_path: Path) -> None:
    assert "without dot products" in judge(tmp_path, pi("4", PI_4))["machine"].found


@pytest.mark.parametrize(
    ("flags", "state", "says", "cure"),
    [
        ("0", "ok", "never", ""),
        ("0x0", "ok", "never", ""),
        ("50005", "problem", "under-voltage now; throttled now; under-voltage since", "supply"),
        ("50000", "note", "under-voltage since it was switched on; throttled since", "supply"),
        ("e0008", "problem", "soft temperature limit now; the clock was capped", "heat sink"),
        ("20002", "problem", "the clock is capped now; the clock was capped", "heat sink"),
        ("80000", "note", "at the soft temperature limit since", "heat sink"),
    ],
)
def test_power_is_decoded_bit_by_bit(
    tmp_path: Path, flags: str, state: str, says: str, cure: str
) -> None:
    found = judge(tmp_path, pi(throttled=flags))["power"]
    assert (found.state, says in found.found, cure in found.cure) == (state, True, True)
    assert found.stops == ()


def test_each_bit_has_its_own_words(tmp_path: Path) -> None:
    said = judge(tmp_path, pi(throttled="f000f"))["power"].found.split("; ")
    assert len(said) == len(set(said)) == 8


@pytest.mark.parametrize(
    ("speed", "state", "says"),
    [("480", "note", "USB 2"), ("12", "note", "USB 2"), ("5000", "ok", "USB 3"), ("", "ok", "USB")],
)
def test_a_coral_is_found_on_its_kind_of_usb(
    tmp_path: Path, speed: str, state: str, says: str
) -> None:
    found = judge(tmp_path, {**pi(), **stick(speed)})
    assert (found["coral"].state, says in found["coral"].found) == (state, True)
    assert ("blue USB 3" in found["coral"].cure) == (state == "note")
    assert found["libedgetpu"].state == "note" and "16.0tf2.19.1" in found["libedgetpu"].cure
    assert deploys(found), "recognition runs on the processor without it"


@pytest.mark.parametrize(("ready", "says"), [(False, "not used yet"), (True, "firmware is loaded")])
def test_a_coral_changes_its_id_at_first_use(tmp_path: Path, ready: bool, says: str) -> None:
    assert says in judge(tmp_path, {**pi(), **stick(ready=ready)})["coral"].found


def test_a_coral_that_this_user_may_not_use(tmp_path: Path) -> None:
    facts = look(lay(tmp_path, {**pi(), **stick()}))
    facts["usb"][0]["allowed"] = False
    found = by_topic(doctor.judge(facts))["coral"]
    assert found.state == "problem" and "usermod -aG plugdev" in found.cure


@pytest.mark.parametrize(
    ("files", "more", "state", "says", "cure"),
    [
        (card(), {}, "ok", "48 °C", ""),
        (card(driver=False, node=False), {}, "problem", "without its driver", "gasket-builder"),
        (card(node=False), {}, "problem", "no /dev/apex_0", "pcie-32bit-dma-pi5"),
        (card(), {"system": {"page_bytes": 16384}}, "problem", "pages of 16384", "kernel8.img"),
        (
            card(),
            {"apex": {"nodes": [{"path": "/dev/apex_0", "allowed": False}]}},
            "problem",
            "no permission",
            "usermod -aG apex",
        ),
    ],
)
def test_a_coral_on_pci_express(
    tmp_path: Path, files: dict[str, str], more: Any, state: str, says: str, cure: str
) -> None:
    found = judge(tmp_path, {**pi(), **files}, **more)["coral"]
    assert (found.state, says in found.found, cure in found.cure) == (state, True, True)


def edgetpu(tmp_path: Path, library: str, versions: dict[str, str], **told: Any) -> Any:
    files = {**pi(), **stick(), "var/lib/dpkg/status": dpkg({"libedgetpu1-std": library})}
    packages = {"edgecnn": "0.1.0", "versions": versions, "requires": []}
    kind = "ai_edge_litert" if "ai-edge-litert" in versions else "tflite_runtime"
    opencv = {"numpy": versions["numpy"], "opencv": "4.11.0"}
    return judge(
        tmp_path,
        files,
        installed=installed(packages=packages, opencv=opencv, runtimes={kind: PASSED}, **told),
    )


@pytest.mark.parametrize(
    ("library", "versions", "state", "says"),
    [
        ("16.0tf2.19.1-1.bookworm", LITERT, "ok", "known to work"),
        ("16.0tf2.17.1-1.bookworm", LITERT, "note", "nothing is known"),
        ("16.0", LITERT, "problem", "known to crash"),
        ("16.0", {"tflite-runtime": "2.14.0", "numpy": "1.26.4"}, "problem", "known to crash"),
        ("16.0", {"tflite-runtime": "2.14.0", "numpy": "2.4.6"}, "problem", "built for numpy 1"),
    ],
)
def test_python_numpy_run_time_and_library_are_one_question(
    tmp_path: Path, library: str, versions: dict[str, str], state: str, says: str
) -> None:
    found = edgetpu(tmp_path, library, versions)["pairing"]
    assert (found.state, says in found.found) == (state, True)
    assert f"libedgetpu {library}" in found.found and f"numpy {versions['numpy']}" in found.found


@pytest.mark.parametrize(
    ("told", "state", "says"),
    [
        ({"error": "it crashed with SIGSEGV", "crashed": True}, "problem", "SIGSEGV"),
        ({"error": "ValueError: Failed to load delegate"}, "problem", "Failed to load"),
        ({"delegate": True, "ms": 2.61, "compiled": True}, "ok", "a compiled model, 2.6 ms"),
        ({"delegate": True, "ms": 9.0, "compiled": False}, "ok", "not compiled"),
    ],
)
def test_the_first_run_on_an_edge_tpu(tmp_path: Path, told: Any, state: str, says: str) -> None:
    found = edgetpu(tmp_path, "16.0tf2.19.1", LITERT, edgetpu=told)["edge tpu"]
    assert (found.state, says in found.found, found.stops) == (state, True, ())


def test_a_dev_board_is_told_what_works_there(tmp_path: Path) -> None:
    facts = look(lay(tmp_path, DEV_BOARD), version="3.7.3")
    facts["system"]["glibc"] = "2.28"
    found = by_topic(doctor.judge(facts))
    assert not deploys(found) and "container" in found["python"].cure
    assert found["coral"].state == found["libedgetpu"].state == "ok"
    assert doctor.board_of(facts).name == "coral-dev-board"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("more", "topic", "cure", "stops"),
    [
        ({"python": {"version": "3.9.2"}}, "python", "bookworm", (RECOGNITION, DEPLOY)),
        ({"python": {"venv": False}}, "python", "apt install python3-venv", (DEPLOY,)),
        ({"user": {"root": False}}, "root", "'pi ALL=(ALL) NOPASSWD: ALL'", (DEPLOY,)),
        ({"system": {"systemd": False}}, "systemd", "systemd", (DEPLOY,)),
        ({"system": {"glibc": "2.24"}}, "system", "glibc 2.27", (DEPLOY,)),
        ({"system": {"glibc": ""}}, "system", "glibc 2.27", (DEPLOY,)),
        ({"disk": {"free_mb": {"/": 90}}}, "disk for a deploy", "500 MB", (DEPLOY,)),
        ({"disk": {"read_only": ["/"]}}, "disk for a deploy", "remount,rw", (DEPLOY,)),
        ({"disk": {"here_mb": 20}}, "disk", "apt clean", ()),
        ({"system": {"bits": 32}}, "machine", "64-bit one", ()),
        ({"board": {"memory_mb": 364}}, "memory", "without a desktop", ()),
        ({"power": {"temperature_c": 84.1}}, "temperature", "fan", ()),
        ({"time": {"set_by_network": False}}, "clock", "set-ntp true", ()),
    ],
)
def test_what_is_wrong_with_a_board(
    tmp_path: Path, more: Any, topic: str, cure: str, stops: tuple[str, ...]
) -> None:
    found = judge(tmp_path, pi(), **more)
    assert found[topic].state != "ok" and cure in found[topic].cure
    assert found[topic].stops == stops
    assert deploys(found) == (DEPLOY not in stops)


@pytest.mark.parametrize(("off", "says"), [(3600, "3600 s ahead"), (-90, "90 s behind"), (9, "")])
def test_a_wrong_clock(tmp_path: Path, off: float, says: str) -> None:
    facts = look(lay(tmp_path, pi()))
    found = by_topic(doctor.judge(facts, facts["time"]["now_s"] - off))["clock"]
    assert found.state == ("problem" if says else "ok") and says in found.found


def test_a_32_bit_kernel_is_told_the_other_run_time(tmp_path: Path) -> None:
    facts = look(lay(tmp_path, pi()), machine="armv7l")
    found = by_topic(doctor.judge(facts))["machine"]
    assert found.state == "note" and "tflite-runtime" in found.cure


CAMERA = {"path": "/dev/video0", "name": "HD Webcam", "allowed": True, "capture": True}


@pytest.mark.parametrize(
    ("more", "state", "says", "cure"),
    [
        ({}, "ok", "/dev/video0 HD Webcam", ""),
        ({"allowed": False, "capture": None}, "problem", "no permission", "usermod -aG video"),
        ({"capture": None}, "ok", "HD Webcam", ""),
        ({"capture": False, "name": "pispbe"}, "note", "1 nodes, none of a USB", "USB camera"),
        ({"name": "rp1-cfe-csi2_ch0"}, "note", "none of a USB camera", "USB camera"),
        ({"name": "unicam-image"}, "note", "none of a USB camera", "USB camera"),
    ],
)
def test_cameras(tmp_path: Path, more: Any, state: str, says: str, cure: str) -> None:
    facts = look(lay(tmp_path, pi()))
    facts["cameras"] = [{**CAMERA, **more}]
    findings = doctor.judge(facts)
    found = by_topic(findings)["camera"]
    assert (found.state, says in found.found, cure in found.cure) == (state, True, True)
    assert works(findings) and works(findings, DEPLOY), "files and network cameras still work"


@pytest.mark.parametrize(
    ("python", "opencv", "state", "cure"),
    [
        ({"picamera2": True, "system_picamera2": True}, None, "ok", ""),
        ({"system_picamera2": True}, {"picamera2": False}, "note", "--system-site-packages"),
        ({"picamera2": True, "system_picamera2": True}, {"picamera2": False}, "note", "--system"),
        ({}, None, "note", "apt install python3-picamera2"),
    ],
)
def test_the_ribbon_cable(tmp_path: Path, python: Any, opencv: Any, state: str, cure: str) -> None:
    facts = look(lay(tmp_path, pi()), **python)
    facts["installed"] = installed(opencv={"numpy": "2.4.6", **opencv}) if opencv else None
    found = by_topic(doctor.judge(facts))["picamera2"]
    assert (found.state, cure in found.cure) == (state, True)


@pytest.mark.parametrize(
    ("runtimes", "works_here"),
    [
        ({}, False),
        ({"ai_edge_litert": PASSED}, True),
        ({"ai_edge_litert": PASSED, "tflite_runtime": {"error": "SystemError"}}, True),
        ({"ai_edge_litert": CRASHED, "tflite_runtime": PASSED}, False),
        ({"ai_edge_litert": {"imports": True, "error": "BundleError: changed"}}, False),
    ],
)
def test_which_run_times_suffice(tmp_path: Path, runtimes: Any, works_here: bool) -> None:
    found = judge(tmp_path, pi(), installed=installed(runtimes=runtimes))
    assert works(found.values()) == works_here
    assert deploys(found), "a deploy brings its own"


def test_a_run_time_beside_a_numpy_that_it_was_not_built_for(tmp_path: Path) -> None:
    told = {"tflite_runtime": {"error": "SystemError: initialization"}}
    packages = {"edgecnn": "0.1.0", "versions": {"tflite-runtime": "2.14.0"}, "requires": []}
    found = judge(tmp_path, pi(), installed=installed(runtimes=told, packages=packages))
    assert "built for numpy 1" in found["run time"].cure and "numpy<2" in found["run time"].cure
    assert "does not import: SystemError" in found["run time"].found


@pytest.mark.parametrize(
    ("facts", "topic", "cure"),
    [
        ({"error": "ModuleNotFoundError: No module named 'numpy'"}, "numpy", "numpy"),
        ({"numpy": "2.4.6", "error": "ImportError: libGL.so.1"}, "opencv", "opencv-python-headl"),
    ],
)
def test_without_numpy_or_opencv_recognition_does_not_work(
    facts: dict[str, Any], topic: str, cure: str
) -> None:
    findings = list(doctor_packages.opencv(facts, {}))
    assert not works(findings)
    assert (findings[-1].topic, cure in findings[-1].cure) == (topic, True)


def test_two_opencvs_in_one_place_are_a_problem() -> None:
    versions = {"opencv-python": "4.8", "opencv-python-headless": "4.8"}
    _, found = doctor_packages.opencv({"numpy": "1.26", "opencv": "4.8.1"}, versions)
    assert found.state == "problem" and "pip uninstall -y opencv-python-headless" in found.cure


def test_the_extras_are_read_from_the_metadata() -> None:
    required = [
        "numpy>=1.24",
        "tensorflow>=2.20; python_version < '3.14' and extra == 'train'",
        'rich>=13; extra == "train"',
        "edgecnn[train]; extra == 'demo'",
        "scikit-image>=0.22; extra == 'demo'",
    ]
    assert list(doctor_packages.extras(required, {"rich": "1.0"})) == [
        Finding("[train]", "note", "not installed: tensorflow", "pip install 'edgecnn[train]'"),
        Finding("[demo]", "note", "not installed: scikit-image", "pip install 'edgecnn[demo]'"),
    ]
    assert "as a folder" in next(doctor_packages.extras(None, {})).found
