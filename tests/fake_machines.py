"""Machines as trees of files, and the facts that they lead to; nothing here is real hardware."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from devices.facts import gather

Files = Mapping[str, str]

CPUINFO = "processor\t: 0\nFeatures\t: fp asimd {}\n\nprocessor\t: 1\nFeatures\t: fp asimd {}\n"
OS = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\n'
MOUNTS = "/dev/root / ext4 rw,noatime 0 0\n"
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
CORAL = "sys/bus/usb/devices/2-1"
LIBEDGETPU = {
    "usr/lib/aarch64-linux-gnu/libedgetpu.so.1.0": "",
    "var/lib/dpkg/status": (
        "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\n\n"
        "Package: libedgetpu1-max\nStatus: deinstall ok config-files\nVersion: 16.0\n\n"
        "Package: libedgetpu1-std\nStatus: install ok installed\n"
        "Version: 16.0tf2.17.1-1.bookworm\n"
    ),
    "etc/udev/rules.d/60-libedgetpu1-std.rules": (
        'SUBSYSTEM=="usb",ATTRS{idVendor}=="1a6e",ATTRS{idProduct}=="089a",GROUP="plugdev"\n'
        'SUBSYSTEM=="usb",ATTRS{idVendor}=="18d1",ATTRS{idProduct}=="9302",GROUP="plugdev"\n'
    ),
}


def common(model: str, compatible: str, features: str = "") -> dict[str, str]:
    """What every machine with a device tree has."""
    return {
        "proc/device-tree/model": f"{model}\0",
        "proc/device-tree/compatible": compatible.replace(" ", "\0") + "\0",
        "proc/cpuinfo": CPUINFO.format(features, features),
        "proc/meminfo": "MemTotal:        4050000 kB\nMemAvailable:    3500000 kB\n",
        "proc/mounts": MOUNTS,
        "etc/os-release": OS,
        "run/systemd/system/.keep": "",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "48312\n",
    }


def coral_on(speed: str, product: str = "1a6e:089a") -> dict[str, str]:
    """A USB accelerator, its node, its library and its rule."""
    vendor, number = product.split(":")
    return {
        f"{CORAL}/idVendor": vendor,
        f"{CORAL}/idProduct": number,
        f"{CORAL}/speed": f"{speed}\n",
        f"{CORAL}/busnum": "2\n",
        f"{CORAL}/devnum": "7\n",
        "dev/bus/usb/002/007": "",
        **LIBEDGETPU,
    }


PI_5 = common("Raspberry Pi 5 Model B Rev 1.0", "raspberrypi,5-model-b brcm,bcm2712", "asimddp")
PI_4 = common("Raspberry Pi 4 Model B Rev 1.4", "raspberrypi,4-model-b brcm,bcm2711")
DEV_BOARD = common("Freescale i.MX8MQ Phanbell", "google,imx8mq-phanbell fsl,imx8mq")
VIRTUAL = common("linux,dummy-virt", "linux,dummy-virt")
PCIE = {
    "sys/bus/pci/devices/0000:01:00.0/vendor": "0x1ac1\n",
    "sys/bus/pci/devices/0000:01:00.0/device": "0x089a\n",
    **LIBEDGETPU,
}


def lay_out(root: Path, files: Files) -> str:
    """Write files below ``root``; that folder, as :func:`devices.facts.gather` takes it."""
    (root / "opt").mkdir(parents=True)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


def facts_of(root: Path, files: Files, **changes: Any) -> dict[str, Any]:
    """The facts of a machine of these files, as of a whole arm64 board with edgecnn on it.

    Args:
        changes: section to what is other there.
    """
    facts = gather(lay_out(root, files))
    facts["machine"]["architecture"] = "aarch64"
    facts["python"].update(version="3.11.2", missing=[])
    facts["system"].update(systemd=252, page_bytes=4096)
    facts["rights"].update(uid=1000, user="pi", groups=["pi"], sudo=True)
    facts["disk"] = {"/": 9000, "/opt": 9000, "here": 9000}
    facts["edgecnn"] = {"version": "0.1.0", "python": "/opt/edgecnn/current/venv/bin/python"}
    facts["packages"] = {"numpy": "2.4.6", "ai-edge-litert": "2.3.0", "opencv-python-headless": "5"}
    facts["opencv"] = {"numpy": "2.4.6", "opencv": "5.0.0", "backends": ["V4L2"], "gui": ""}
    facts["runtimes"] = {"ai_edge_litert": {"imports": True, "self_test": {"embedder": 1}}}
    for section, change in changes.items():
        if isinstance(facts[section], dict) and isinstance(change, dict):
            facts[section].update(deepcopy(change))
        else:
            facts[section] = deepcopy(change)
    return facts
