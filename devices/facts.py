"""What a machine is and has, as one JSON object: ``python3 -m devices.facts``.

One file, the standard library alone and the syntax of Python 3.7, so that it also goes over ssh to
a board that has nothing of ours: ``ssh pi@board python3 - < devices/facts.py``. It changes nothing
and judges nothing; :mod:`devices.doctor` does that.

What could be missing or crash is looked at in children, where a crash harms nothing: ``python -m
devices.facts opencv``, ``runtime NAME`` and ``edgetpu NAME`` print one JSON object a line, as far
as they get; a fault is ``{"error": ...}``. They need edgecnn: of this interpreter, or of the
release that was deployed to ``/opt/edgecnn``.
"""

from __future__ import annotations

import fcntl
import glob
import grp
import json
import os
import platform
import pwd
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from importlib import import_module, util
from typing import Any, Callable, Dict  # noqa: UP035  # Python 3.7 has no dict[str, Any]

Facts = Dict[str, Any]  # noqa: UP006

SCHEMA = 1
RUN_TIMES = ("ai_edge_litert", "tflite_runtime")
"""Import names, in the order of ``edgecnn.runtime.interpreter.RUNTIMES``."""

PACKAGES = (
    "numpy", "ai-edge-litert", "tflite-runtime", "opencv-python-headless", "opencv-python",
    "opencv-contrib-python-headless", "opencv-contrib-python", "tensorflow", "keras", "jax",
)  # fmt: skip
"""Distributions whose versions are told; importing TensorFlow would take seconds."""

FEATURES = frozenset(["asimd", "asimddp", "i8mm", "sve", "avx2", "avx_vnni", "avx512_vnni"])
"""What int8 models gain by, as ``/proc/cpuinfo`` names it."""

NEEDED_MODULES = ("venv", "ctypes", "sqlite3", "ssl")
"""Parts of the standard library that Debian packs apart, or a Python built by hand lacks."""

RELEASE = "/opt/edgecnn/current/venv/bin/python"
COMPILED = "/opt/edgecnn/current/bundle/*_edgetpu.tflite"
TIMEOUT_S = 60
USB_IDS = {"1a6e:089a": "not used yet", "18d1:9302": "in use"}
"""Of the Coral USB accelerator, before and after its firmware is loaded."""

PCI_ID = ("0x1ac1", "0x089a")

QUERYCAP = 0x80685600
"""``VIDIOC_QUERYCAP``: linux/videodev2.h, ``_IOR('V', 0, struct v4l2_capability)``, 104 bytes."""

CAPTURE, META, CODEC = 0x00001001, 0x00800000, 0x0000C000
"""Bits of ``device_caps``: captures pictures (one or several planes), captures metadata, and turns
pictures into others (memory to memory)."""

CSI_DRIVERS = ("unicam", "rp1-cfe")
"""They hand out what the sensor of a ribbon-cable camera sees, before it is a picture."""


def gather(root: str = "/") -> Facts:
    """All that there is to know; takes about as long as importing OpenCV and a run time.

    Args:
        root: where ``/`` is. With another folder than ``/`` no command and no child is run.
    """
    real = root == "/"
    python = interpreter() if real else None
    children = {}
    if python:
        children = {name: start(python, "runtime", name) for name in RUN_TIMES}
        children["opencv"] = start(python, "opencv")
        children["packages"] = start(python, "packages")
    facts: Facts = {
        "schema": SCHEMA,
        "machine": machine(root),
        "system": system(root, real),
        "python": interpreter_facts(root),
        "edgetpu": edgetpu_facts(root),
        "cameras": cameras(root),
        "csi": csi(root),
        "power": {"throttled": throttled(root, real)},
        "temperatures": temperatures(root),
        "disk": {name: free_mb(path) for name, path in places(root)},
        "clock": clock(root, real),
        "rights": rights(real),
    }
    told = {name: finish(child) for name, child in children.items()}
    packages = told.pop("packages", {})
    facts["edgecnn"] = packages.get("edgecnn") and {
        "version": packages["edgecnn"],
        "python": python,
    }
    facts["packages"] = packages.get("packages") or versions()
    facts["requires"] = packages.get("requires", [])
    facts["opencv"] = told.pop("opencv", {})
    facts["runtimes"] = {name: found for name, found in told.items() if not absent(name, found)}
    coral = facts["edgetpu"]
    works = [name for name, found in facts["runtimes"].items() if "self_test" in found]
    if python and works and coral["library"] and (coral["usb"] or coral["apex"]):
        coral["trial"] = finish(start(python, "edgetpu", works[0]))
    return facts


def absent(name: str, found: Facts) -> bool:
    """Whether a child told that a run time is not installed at all."""
    return str(found.get("error", "")).startswith(f"ModuleNotFoundError: No module named '{name}")


# --- the machine ---------------------------------------------------------------------------------


def read(*parts: str) -> str:
    """A file's text without blanks around it, '' where it cannot be read."""
    try:
        with open(os.path.join(*parts), errors="replace") as f:
            return f.read().strip()
    except OSError:
        return ""


def under(root: str, pattern: str) -> list[str]:
    """Paths below ``root`` that match, sorted."""
    return sorted(glob.glob(os.path.join(glob.escape(root), pattern)))


def told(*command: str) -> str:
    """What a command prints, '' where there is none, it fails or hangs."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=10, check=False, text=True,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def machine(root: str) -> Facts:
    """The board: what the kernel calls it, its cores and its memory."""
    memory = dict(re.findall(r"(\w+):\s+(\d+) kB", read(root, "proc/meminfo")))
    cpu = read(root, "proc/cpuinfo")
    features = re.search(r"^(?:Features|flags)\s*:(.*)$", cpu, re.M)
    return {
        "architecture": platform.machine(),
        "bits": struct.calcsize("P") * 8,
        "model": read(root, "proc/device-tree/model").strip("\0"),
        "compatible": read(root, "proc/device-tree/compatible").strip("\0").split("\0"),
        "product": read(root, "sys/class/dmi/id/product_name"),
        "cores": len(re.findall(r"^processor\s*:", cpu, re.M)) or os.cpu_count(),
        "features": sorted(FEATURES.intersection(features.group(1).split() if features else [])),
        "memory_mb": int(memory.get("MemTotal", 0)) >> 10,
        "available_mb": int(memory.get("MemAvailable", 0)) >> 10,
    }


def system(root: str, real: bool) -> Facts:
    """The system on it."""
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', read(root, "etc/os-release"), re.M))
    manager = re.search(r"systemd (\d+)", told("systemctl", "--version") if real else "")
    mounts = [line.split() for line in read(root, "proc/mounts").splitlines()]
    roots = [fields for fields in mounts if len(fields) > 3 and fields[1] == "/"]
    return {
        "name": release.get("PRETTY_NAME", ""),
        "codename": release.get("VERSION_CODENAME", ""),
        "kernel": platform.release(),
        "glibc": platform.libc_ver()[1],
        "page_bytes": os.sysconf("SC_PAGE_SIZE"),
        "systemd": int(manager.group(1)) if manager else None,
        "booted_by_systemd": os.path.isdir(os.path.join(root, "run/systemd/system")),
        "root_type": roots[-1][2] if roots else "",
        "root_read_only": bool(roots) and "ro" in roots[-1][3].split(","),
    }


def interpreter_facts(root: str) -> Facts:
    """This Python, and what of its library is missing."""
    return {
        "version": platform.python_version(),
        "executable": sys.executable,
        "missing": [name for name in NEEDED_MODULES if util.find_spec(name) is None],
        "deployed": os.path.exists(os.path.join(root, RELEASE.lstrip("/"))),
    }


def throttled(root: str, real: bool) -> int | None:
    """The flags of a Raspberry Pi's firmware (``vcgencmd get_throttled``), None elsewhere."""
    files = under(root, "sys/devices/platform/soc*/*firmware/get_throttled")
    text = read(files[0]) if files else told("vcgencmd", "get_throttled") if real else ""
    found = re.fullmatch(r"(?:throttled=)?(?:0x)?([0-9a-f]+)", text)
    return int(found.group(1), 16) if found else None


def temperatures(root: str) -> Facts:
    """Thermal zones to degrees Celsius; a zone that says absurd things is left out."""
    zones = {}
    for zone in under(root, "sys/class/thermal/thermal_zone*"):
        text = read(zone, "temp")
        if re.fullmatch(r"\d+", text) and 1e3 < int(text) < 150e3:
            name = f"{os.path.basename(zone)} {read(zone, 'type')}"
            zones[name.strip()] = int(text) / 1e3
    return zones


def places(root: str) -> list[tuple[str, str]]:
    """Where there must be room; ``/opt`` may be of another file system than ``/``."""
    return [("/", root), ("/opt", os.path.join(root, "opt")), ("here", os.getcwd())]


def free_mb(path: str) -> int:
    """Free megabytes for the user, at the path or its nearest parent that exists."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free >> 20


def clock(root: str, real: bool) -> Facts:
    """The time, and whether somebody keeps it right; None where that is not told."""
    synchronised = None
    if os.path.exists(os.path.join(root, "run/systemd/timesync/synchronized")):
        synchronised = True
    elif real:
        says = told("timedatectl", "show", "-p", "NTPSynchronized", "--value")
        synchronised = {"yes": True, "no": False}.get(says)
    return {"unix_s": time.time(), "synchronised": synchronised}


def rights(real: bool) -> Facts:
    """Who asks, and what they may do."""
    uid = os.geteuid()
    groups = []
    for number in {os.getegid(), *os.getgroups()}:
        try:
            groups.append(grp.getgrgid(number).gr_name)
        except KeyError:
            groups.append(str(number))
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    command = ["sudo", "-n", "sh", "-c", "echo yes"]
    sudo = uid == 0 or (real and told(*command) == "yes")
    return {"uid": uid, "user": user, "groups": sorted(groups), "sudo": sudo}


# --- cameras -------------------------------------------------------------------------------------


def cameras(root: str) -> list[Facts]:
    """The nodes ``/dev/video*``, each with what it is: ``camera``, ``csi`` or ``other``."""
    found = [p for p in under(root, "dev/video*") if re.fullmatch(r"video\d+", os.path.basename(p))]
    return [camera(root, p) for p in sorted(found, key=lambda p: int(os.path.basename(p)[5:]))]


def camera(root: str, path: str) -> Facts:
    """One node: what the driver says where it may be asked, else what stands in ``/sys``."""
    name = os.path.basename(path)
    folder = os.path.join(root, "sys/class/video4linux", name)
    allowed = os.access(path, os.R_OK | os.W_OK)
    facts = {"path": "/dev/" + name, "name": read(folder, "name"), "allowed": allowed}
    answer = ask_driver(path) if allowed else None
    if answer is None:
        # The second node of a USB camera is its metadata; the kernel numbers them.
        facts["kind"] = "camera" if read(folder, "index") in ("", "0") else "other"
        return facts
    driver, card, caps = capability(answer)
    facts.update(driver=driver, name=facts["name"] or card, kind=kind_of(driver, caps))
    return facts


def ask_driver(path: str) -> bytes | None:
    """The answer to ``VIDIOC_QUERYCAP``, None where the node does not give one."""
    try:
        node = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return None
    answer = bytearray(104)
    try:
        fcntl.ioctl(node, QUERYCAP, answer)
    except OSError:
        return None
    finally:
        os.close(node)
    return bytes(answer)


def capability(answer: bytes) -> tuple[str, str, int]:
    """Driver, card and the node's own capabilities of a ``struct v4l2_capability``."""
    driver, card, _, _, all_nodes, this_node = struct.unpack_from("=16s32s32sIII", answer)
    caps = this_node if all_nodes & 0x80000000 else all_nodes  # V4L2_CAP_DEVICE_CAPS
    return driver.split(b"\0")[0].decode(), card.split(b"\0")[0].decode("utf-8", "replace"), caps


def kind_of(driver: str, caps: int) -> str:
    """``camera``, ``csi`` (libcamera's, not OpenCV's) or ``other``: metadata, codecs, outputs."""
    if not caps & CAPTURE or caps & CODEC:
        return "other"
    if driver in CSI_DRIVERS:
        return "csi"
    return "other" if driver.startswith(("bcm2835-isp", "pispbe")) else "camera"


def csi(root: str) -> Facts:
    """picamera2: whether the system has it, and whether edgecnn's environment sees the system's."""
    there = under(root, "usr/lib/python3/dist-packages/picamera2")
    own = [p for p in (sys.prefix + "/pyvenv.cfg", RELEASE[:-10] + "pyvenv.cfg") if p]
    release = read(root, own[1].lstrip("/"))
    config = release or (read(own[0]) if root == "/" else "")
    sees = not config or bool(re.search(r"include-system-site-packages\s*=\s*true", config))
    return {"picamera2": bool(there), "venv_sees_it": sees}


# --- Coral ---------------------------------------------------------------------------------------


def edgetpu_facts(root: str) -> Facts:
    """Accelerators on USB and PCI Express, and the library, driver and rights to use them."""
    places = [d + "libedgetpu.so.1*" for d in ("lib/", "usr/lib/", "usr/lib/*/", "usr/local/lib/")]
    libraries = [path for place in places for path in under(root, place)]
    rules = under(root, "etc/udev/rules.d/*.rules") + under(root, "*/udev/rules.d/*.rules")
    rules += under(root, "usr/lib/udev/rules.d/*.rules")
    return {
        "usb": list(on_usb(root)),
        "pci": list(on_pci(root)),
        "apex": [
            {"path": "/dev/" + os.path.basename(p), "allowed": os.access(p, os.R_OK | os.W_OK)}
            for p in under(root, "dev/apex_*")
        ],
        "rule": any("089a" in text and "9302" in text for text in map(read, rules)),
        "library": "/" + os.path.relpath(libraries[0], root) if libraries else "",
        "package": package_version(root, "libedgetpu1-"),
        "trial": {},
    }


def on_usb(root: str) -> Iterator[Facts]:
    """Coral's USB accelerators: Linux, Documentation/ABI/testing/sysfs-bus-usb."""
    for device in under(root, "sys/bus/usb/devices/*"):
        name = read(device, "idVendor") + ":" + read(device, "idProduct")
        if name in USB_IDS:
            bus, number = read(device, "busnum"), read(device, "devnum")
            node = f"dev/bus/usb/{int(bus or 0):03d}/{int(number or 0):03d}"
            yield {
                "id": name,
                "speed_mbps": float(read(device, "speed") or 0),
                "node": "/" + node,
                "allowed": os.access(os.path.join(root, node), os.W_OK),
            }


def on_pci(root: str) -> Iterator[Facts]:
    """Coral's cards on PCI Express, and the driver that holds each, '' where none does."""
    for device in under(root, "sys/bus/pci/devices/*"):
        if (read(device, "vendor"), read(device, "device")) == PCI_ID:
            link = os.path.join(device, "driver")
            driver = os.path.basename(os.readlink(link)) if os.path.islink(link) else ""
            yield {"slot": os.path.basename(device), "driver": driver}


def package_version(root: str, begins: str) -> str:
    """The version of the first installed Debian package of that beginning, '' where none is."""
    for entry in read(root, "var/lib/dpkg/status").split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Version): (.*)$", entry, re.M))
        if fields.get("Package", "").startswith(begins) and "ok installed" in fields["Status"]:
            return str(fields.get("Version", ""))
    return ""


# --- children ------------------------------------------------------------------------------------


def interpreter() -> str | None:
    """The Python that has edgecnn: this one, or the deployed release's."""
    spec = util.find_spec("edgecnn")
    if spec is not None and spec.origin and util.find_spec("devices") is not None:
        return sys.executable
    return RELEASE if os.access(RELEASE, os.X_OK) else None


def start(python: str, *arguments: str) -> Any:
    """Begin to look at something in a process of its own."""
    return subprocess.Popen(
        [python, "-m", "devices.facts", *arguments], cwd="/", stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def finish(child: Any) -> Facts:
    """All that a child told, in one; ``error`` where it failed, crashed or hung."""
    facts: Facts = {}
    try:
        output, _ = child.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        output, _ = child.communicate()
        facts["error"] = f"it gave no answer in {TIMEOUT_S:g} s"
    for line in output.splitlines():
        if line.startswith("{"):
            facts.update(json.loads(line))
    if child.returncode < 0 and "error" not in facts:
        name = signal.Signals(-child.returncode).name
        facts["error"], facts["crashed"] = "it crashed with " + name, True
    elif child.returncode and "error" not in facts:
        facts["error"] = f"it ended with exit code {child.returncode}"
    return facts


def versions() -> Facts:
    """Distribution to version, of those of :data:`PACKAGES` that are installed."""
    try:
        metadata = import_module("importlib.metadata")
    except ImportError:  # Python 3.7
        return {}
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def packages() -> Iterator[Facts]:
    """edgecnn's version, what its extras need, and what of that is installed."""
    metadata = import_module("importlib.metadata")
    yield {"edgecnn": import_module("edgecnn").__version__, "packages": versions()}
    try:
        required = metadata.requires("edgecnn") or []
    except metadata.PackageNotFoundError:
        return
    found = versions()
    for line in required:
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    yield {"requires": required, "packages": found}


def opencv() -> Iterator[Facts]:
    """What OpenCV was built with."""
    yield {"numpy": import_module("numpy").__version__}
    cv2 = import_module("cv2")
    yield {"opencv": cv2.__version__}
    registry = cv2.videoio_registry
    named = {registry.getBackendName(b): registry.hasBackend(b) for b in registry.getBackends()}
    yield {"backends": [name for name, there in named.items() if there]}
    yield {"gui": import_module("edgecnn.camera.sinks.window").gui_backend(cv2)}


def runtime(package: str) -> Iterator[Facts]:
    """Whether a run time imports, and computes with the shipped models what it should."""
    import_module(package + ".interpreter")
    yield {"imports": True}
    bundle = import_module("edgecnn.bundle")
    yield {"self_test": bundle.Bundle(bundle.ASSETS).self_test(package)}


def edgetpu(package: str) -> Iterator[Facts]:
    """The first load and invoke with the Edge TPU's delegate: where two ABIs would crash."""
    library = import_module("ctypes").CDLL("libedgetpu.so.1")
    library.edgetpu_version.restype = import_module("ctypes").c_char_p
    yield {"version": library.edgetpu_version().decode()}
    interpreter = import_module(package + ".interpreter")
    delegate = interpreter.load_delegate("libedgetpu.so.1")
    yield {"delegate": True}
    compiled = sorted(glob.glob(COMPILED))
    assets = str(import_module("edgecnn.bundle").ASSETS)
    path = (compiled or sorted(glob.glob(assets + "/*.tflite")))[0]
    model = interpreter.Interpreter(model_path=path, experimental_delegates=[delegate])
    model.allocate_tensors()
    yield {"loads": os.path.basename(path), "compiled": bool(compiled)}
    model.invoke()
    yield {"invokes": True}


LOOKS: dict[str, Callable[..., Iterator[Facts]]] = {
    "packages": packages,
    "opencv": opencv,
    "runtime": runtime,
    "edgetpu": edgetpu,
}


def look(facts: Iterable[Facts]) -> None:
    """Print what is found, line by line, so that what came before a crash is kept."""
    try:
        for fact in facts:
            print(json.dumps(fact), flush=True)
    except Exception as e:
        reason = (str(e).strip().splitlines() or [""])[0]
        print(json.dumps({"error": f"{type(e).__name__}: {reason}"}), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in LOOKS:
        look(LOOKS[sys.argv[1]](*sys.argv[2:]))
    else:
        print(json.dumps(gather()))
