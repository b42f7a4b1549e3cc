"""What a machine is and has, as one JSON object on stdout: ``python3 - < facts.py``.

This file is sent over ssh to boards that have nothing but their system's Python, so it imports the
standard library alone, keeps to what Python 3.7 has, and changes nothing. It judges nothing either:
see :mod:`devices.doctor`. A fact that cannot be had is None, or missing.

Where edgecnn is installed, by this Python or in the release that a deploy made, what needs packages
is looked at in processes of that Python (``python -m devices.facts opencv``), each of which prints
one JSON object a line, as far as it gets: where one crashes, that is a fact too.
"""

from __future__ import annotations

import fcntl
import glob
import importlib.util
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

RELEASE_PYTHON = "opt/edgecnn/current/venv/bin/python"
BUNDLE = "/opt/edgecnn/current/bundle"
RUN_TIMES = ("ai_edge_litert", "tflite_runtime")
LIBRARY = "libedgetpu.so.1"
TIMEOUT_S = 60

PACKAGES = re.compile(
    r"libedgetpu1-(std|max)|gasket-dkms|python3-(venv|picamera2|libcamera)|rpicam-apps(-lite)?"
)
"""Of Debian, whose versions tell something."""

INSTRUCTIONS = re.compile(r"\b(?:neon|asimd\w*|sve\w*|i8mm|avx\w*)")
"""Of those that ``/proc/cpuinfo`` names, what models gain by."""

QUERYCAP = 0x80685600
"""``VIDIOC_QUERYCAP`` of linux/videodev2.h: 104 bytes, the capabilities at 84, a node's at 88."""
CAPTURE, MANY_IN_ONE, HAS_NODE_CAPS = 0x1 | 0x1000, 0x8000 | 0x4000, 0x80000000
"""``V4L2_CAP_VIDEO_CAPTURE(_MPLANE)``, ``V4L2_CAP_VIDEO_M2M(_MPLANE)``, ``..._DEVICE_CAPS``."""


class Root:
    """The files of a machine.

    Args:
        path: where ``/`` is; another folder in tests.
    """

    def __init__(self, path: str = "/"):
        self.path = path
        self.real = os.path.realpath(path) == "/"

    def at(self, *parts: str) -> str:
        return os.path.join(self.path, *(part.lstrip("/") for part in parts))

    def glob(self, pattern: str) -> list[str]:
        return sorted(glob.glob(self.at(pattern)))

    def text(self, *parts: str) -> str:
        """A file's text without the space around it, '' where it cannot be read."""
        try:
            with open(self.at(*parts), encoding="utf-8", errors="replace") as f:
                return f.read().strip()
        except OSError:
            return ""

    def run(self, *command: str) -> str:
        """What a program prints, '' where there is none, or where this is no real machine."""
        if not self.real:
            return ""
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=10,
                text=True,
            ).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return ""


def gather(path: str = "/") -> dict[str, Any]:
    """All facts of a machine."""
    root = Root(path)
    children = start_children(root)
    facts = {
        "schema": 1,
        "system": system(root),
        "board": board(root),
        "python": python(root),
        "packages": debian(root),
        "user": user(root),
        "power": power(root),
        "disk": disk(root),
        "time": clock(root),
        "usb": usb(root),
        "pcie": pcie(root),
        "apex": apex(root),
        "libraries": root.glob("usr/lib/*/libedgetpu.so.1") + root.glob("usr/lib/libedgetpu.so.1"),
        "cameras": cameras(root),
    }
    facts["installed"] = finish_children(children) if children else None
    return facts


def system(root: Root) -> dict[str, Any]:
    """Debian's name, the kernel and the C library; ``bits`` are those of the programs."""
    told = dict(
        line.partition("=")[::2] for line in root.text("etc/os-release").splitlines() if "=" in line
    )
    libc, version = platform.libc_ver()
    return {
        "name": told.get("PRETTY_NAME", "").strip('"'),
        "machine": platform.machine(),
        "bits": 8 * struct.calcsize("P"),
        "kernel": platform.release(),
        "glibc": version if libc == "glibc" else "",
        "page_bytes": os.sysconf("SC_PAGE_SIZE"),
        "systemd": os.path.isdir(root.at("run/systemd/system")),
        "display": bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")),
    }


def board(root: Root) -> dict[str, Any]:
    """What it says that it is."""
    tree = "proc/device-tree"
    memory = re.search(r"MemTotal:\s+(\d+)", root.text("proc/meminfo"))
    cpu = root.text("proc/cpuinfo")
    flags = re.search(r"^(?:Features|flags)\s*:(.*)$", cpu, re.M)
    return {
        "model": root.text(tree, "model").strip("\0"),
        "compatible": root.text(tree, "compatible"),
        "cores": len(re.findall(r"^processor\s*:", cpu, re.M)) or os.cpu_count(),
        "memory_mb": int(memory.group(1)) >> 10 if memory else None,
        "instructions": INSTRUCTIONS.findall(flags.group(1)) if flags else [],
    }


def python(root: Root) -> dict[str, Any]:
    """This Python; ``sees_system``: that it finds what apt installed."""
    return {
        "version": platform.python_version(),
        "executable": sys.executable,
        "venv": has("venv"),
        "ensurepip": has("ensurepip"),
        "in_venv": sys.prefix != sys.base_prefix,
        "picamera2": has("picamera2") and has("libcamera"),
        "system_picamera2": bool(root.glob("usr/lib/python3*/dist-packages/picamera2")),
    }


def debian(root: Root) -> dict[str, str]:
    """Version of each package of :data:`PACKAGES` that is installed."""
    found = {}
    for entry in root.text("var/lib/dpkg/status").split("\n\n"):
        name = re.match(r"Package: (\S+)", entry)
        if name and PACKAGES.fullmatch(name.group(1)) and " installed\n" in entry:
            version = re.search(r"^Version: (\S+)", entry, re.M)
            found[name.group(1)] = version.group(1) if version else ""
    return found


def user(root: Root) -> dict[str, Any]:
    """Who looks, and whether they may become root without a password."""
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    known = dict(
        (gid, group)
        for group, _, gid in (line.split(":")[:3] for line in root.text("etc/group").splitlines())
        if gid.isdigit()
    )
    groups = sorted(known.get(str(gid), str(gid)) for gid in {*os.getgroups(), os.getegid()})
    sudo = uid == 0 or root.run("sudo", "-n", "id", "-u") == "0"
    return {"name": name, "uid": uid, "groups": groups, "root": sudo}


def power(root: Root) -> dict[str, Any]:
    """A Raspberry Pi's ``get_throttled`` as a number, and the warmest sensor."""
    texts = [
        root.text(p[len(root.path) :])
        for p in root.glob("sys/devices/platform/soc*/*firmware/get_throttled")
    ] + [root.run("vcgencmd", "get_throttled").rpartition("=")[2]]
    flags = [int(text, 16) for text in texts if re.fullmatch(r"(0x)?[0-9a-fA-F]+", text)]
    zones = (root.text(p[len(root.path) :]) for p in root.glob("sys/class/thermal/*zone*/temp"))
    degrees = [int(zone) / 1e3 for zone in zones if re.fullmatch(r"-?\d+", zone)]
    # A sensor that is broken says 0, or absurd things.
    sane = [d for d in degrees if 1 < d < 150]
    return {"throttled": flags[0] if flags else None, "temperature_c": max(sane, default=None)}


def disk(root: Root) -> dict[str, Any]:
    """Where a deploy and the people's embeddings go."""
    places = {}
    for place in ("/", "/opt", "/var/lib"):
        try:
            places[place] = shutil.disk_usage(root.at(place)).free >> 20
        except OSError:
            continue
    mounts = (line.split() for line in root.text("proc/mounts").splitlines())
    modes = {m[1]: m[3].split(",") for m in mounts if len(m) > 3}
    return {
        "free_mb": places,
        "here_mb": shutil.disk_usage(os.getcwd()).free >> 20,
        "read_only": [place for place in places if "ro" in modes.get(place, [])],
    }


def clock(root: Root) -> dict[str, Any]:
    """Seconds since 1970, and whether something sets the clock by the network; None: not known."""
    told = root.run("timedatectl", "show", "--property=NTPSynchronized", "--value")
    return {"now_s": time.time(), "set_by_network": {"yes": True, "no": False}.get(told)}


def usb(root: Root) -> list[dict[str, Any]]:
    """Devices on USB; ``mbps``: 480 is USB 2, 5000 and more USB 3."""
    found = []
    for path in root.glob("sys/bus/usb/devices/*/idVendor"):
        device = os.path.dirname(path)[len(root.path) :]
        number = [root.text(device, name) for name in ("busnum", "devnum")]
        node = "dev/bus/usb/{:0>3}/{:0>3}".format(*number)
        speed = root.text(device, "speed")
        found.append(
            {
                "id": "{}:{}".format(root.text(device, "idVendor"), root.text(device, "idProduct")),
                "name": root.text(device, "product"),
                "mbps": float(speed) if re.fullmatch(r"[\d.]+", speed) else None,
                "allowed": os.access(root.at(node), os.R_OK | os.W_OK),
            }
        )
    return found


def pcie(root: Root) -> list[str]:
    """``vendor:product`` of what is on PCI Express."""
    found = []
    for path in root.glob("sys/bus/pci/devices/*/vendor"):
        device = os.path.dirname(path)[len(root.path) :]
        ids = [root.text(device, name) for name in ("vendor", "device")]
        found.append(":".join(i[2:] if i.startswith("0x") else i for i in ids))
    return found


def apex(root: Root) -> dict[str, Any]:
    """The kernel's driver of Edge TPUs on PCI Express."""
    nodes = root.glob("dev/apex_*")
    degrees = root.text("sys/class/apex/apex_0/temp")
    return {
        "driver": os.path.isdir(root.at("sys/module/apex")),
        "nodes": [
            {"path": "/dev/" + os.path.basename(n), "allowed": os.access(n, os.R_OK | os.W_OK)}
            for n in nodes
        ],
        "temperature_c": int(degrees) / 1e3 if degrees.isdigit() else None,
    }


def cameras(root: Root) -> list[dict[str, Any]]:
    """V4L2's nodes; ``capture`` is None where the driver was not asked."""
    nodes = [p for p in root.glob("dev/video*") if re.search(r"/video\d+$", p)]
    found = []
    for path in sorted(nodes, key=lambda p: int(re.sub(r"\D", "", os.path.basename(p)))):
        name = os.path.basename(path)
        found.append(
            {
                "path": "/dev/" + name,
                "name": root.text("sys/class/video4linux", name, "name"),
                "allowed": os.access(path, os.R_OK | os.W_OK),
                "capture": captures(path),
            }
        )
    return found


def captures(path: str) -> bool | None:
    """Whether pictures come from a node: a Pi's codecs and image processors have such nodes too."""
    buffer = bytearray(104)
    try:
        node = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.ioctl(node, QUERYCAP, buffer)
    except OSError:
        return None
    finally:
        os.close(node)
    whole, own = struct.unpack_from("<II", buffer, 84)
    able = own if whole & HAS_NODE_CAPS else whole
    return bool(able & CAPTURE) and not able & MANY_IN_ONE


def has(module: str) -> bool:
    """Whether a module is there, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def start_children(root: Root) -> dict[str, Any]:
    """What looks at the packages, started; empty where edgecnn is nowhere."""
    release = root.at(RELEASE_PYTHON)
    if root.real and has("edgecnn") and has("devices"):
        interpreter = sys.executable
    elif os.access(release, os.X_OK):
        interpreter = release
    else:
        return {}
    kinds = [("packages",), ("opencv",), *(("runtime", name) for name in RUN_TIMES)]
    kinds += [("edgetpu",)] if root.glob("usr/lib/*/" + LIBRARY) else []
    return {"python": interpreter, **{kind[-1]: start(interpreter, *kind) for kind in kinds}}


def start(interpreter: str, *kind: str) -> subprocess.Popen[str]:
    """One of the processes that look at packages."""
    return subprocess.Popen(
        [interpreter, "-m", "devices.facts", *kind],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        universal_newlines=True,
    )


def finish_children(children: dict[str, Any]) -> dict[str, Any]:
    """What they found; a run time that is not installed is left out."""
    told = {name: finish(child) for name, child in children.items() if name != "python"}
    runtimes = {name: told.pop(name) for name in RUN_TIMES}
    there = {name: facts for name, facts in runtimes.items() if facts.get("there", True)}
    return {"python": children["python"], "runtimes": there, **told}


def finish(child: subprocess.Popen[str], timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """All that a process told, in one; ``error`` where it failed, crashed or hung."""
    facts: dict[str, Any] = {}
    try:
        output, _ = child.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        child.kill()
        output, _ = child.communicate()
        facts["error"] = f"it gave no answer in {timeout_s:g} s"
    for line in output.splitlines():
        if line.startswith("{"):
            facts.update(json.loads(line))
    if "error" in facts or not child.returncode:
        return facts
    if child.returncode < 0:
        facts["error"] = "it crashed with " + signal.Signals(-child.returncode).name
        facts["crashed"] = True
    else:
        facts["error"] = f"it ended with exit code {child.returncode}"
    return facts


def look_packages() -> Iterator[dict[str, Any]]:
    """Versions of all that pip installed, and what the extras of edgecnn want."""
    from importlib import metadata

    import edgecnn

    yield {"edgecnn": edgecnn.__version__}
    names = ((d.metadata["Name"], d.version) for d in metadata.distributions())
    yield {"versions": {str(n).lower().replace("_", "-"): v for n, v in names if n}}
    try:
        yield {"requires": metadata.requires("edgecnn") or []}
    except metadata.PackageNotFoundError:
        yield {"requires": None}


def look_opencv() -> Iterator[dict[str, Any]]:
    """What OpenCV was built with."""
    import numpy

    yield {"numpy": numpy.__version__}
    import cv2

    yield {"opencv": cv2.__version__}
    from edgecnn.camera.sinks.window import gui_backend

    registry = cv2.videoio_registry
    named = {registry.getBackendName(b): registry.hasBackend(b) for b in registry.getBackends()}
    yield {"backends": [name for name, there in named.items() if there]}
    yield {"gui": gui_backend(cv2), "picamera2": has("picamera2") and has("libcamera")}


def look_runtime(package: str) -> Iterator[dict[str, Any]]:
    """Whether a run time imports, and computes with the shipped models what it should."""
    if not has(package):
        yield {"there": False}
        return
    importlib.import_module(package + ".interpreter")
    yield {"imports": True}
    from edgecnn.bundle import ASSETS, Bundle

    yield {"self_test": Bundle(ASSETS).self_test(package)}


def look_edgetpu() -> Iterator[dict[str, Any]]:
    """The first load and run with the Edge TPU's delegate, of a compiled model where one is there:
    one that is not passes the delegate's structs to and fro as well."""
    from edgecnn.bundle import ASSETS
    from edgecnn.runtime.interpreter import runtime_module

    module = runtime_module()
    yield {"runtime": module.__name__.partition(".")[0]}
    delegate = module.load_delegate(LIBRARY)
    yield {"delegate": True}
    compiled = sorted(glob.glob(BUNDLE + "/*_edgetpu.tflite"))
    model = compiled[0] if compiled else str(ASSETS / "face-detector.tflite")
    interpreter = module.Interpreter(model_path=model, experimental_delegates=[delegate])
    interpreter.allocate_tensors()
    yield {"loaded": os.path.basename(model)}
    interpreter.invoke()
    begun = time.perf_counter()
    interpreter.invoke()
    yield {"ms": 1e3 * (time.perf_counter() - begun), "compiled": bool(compiled)}


LOOKS: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
    "packages": look_packages,
    "opencv": look_opencv,
    "runtime": look_runtime,
    "edgetpu": look_edgetpu,
}


def main(arguments: list[str]) -> None:
    """Print what is found; line by line in a child, so that what came before a crash is kept."""
    if not arguments or arguments[0] not in LOOKS:
        print(json.dumps(gather(*arguments[:1])))
        return
    try:
        for fact in LOOKS[arguments[0]](*arguments[1:]):
            print(json.dumps(fact), flush=True)
    except Exception as e:
        reason = (str(e).strip().splitlines() or [""])[0]
        print(json.dumps({"error": f"{type(e).__name__}: {reason}"}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
