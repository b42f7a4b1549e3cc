"""Files of machines for the doctor to look at: what the kernel, Debian and udev would show."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from devices import facts

OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n'
CPUINFO = "processor\t: {}\nFeatures\t: {}\n\n"
PI_5 = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc asimddp"
)
PI_4 = "fp asimd evtstrm crc32 cpuid"


def lay(root: Path, files: dict[str, str]) -> Path:
    """Write files under a folder that stands for ``/``."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def pi(model: str = "5", features: str = PI_5, throttled: str = "0") -> dict[str, str]:
    """A Raspberry Pi with bookworm and no camera."""
    return {
        "etc/os-release": OS_RELEASE,
        "etc/group": "root:x:0:\nvideo:x:44:pi\n",
        "proc/device-tree/model": f"Raspberry Pi {model} Model B Rev 1.0\0",
        "proc/device-tree/compatible": f"raspberrypi,{model}-model-b\0brcm,bcm2712\0",
        "proc/meminfo": "MemTotal:        8256600 kB\n",
        "proc/cpuinfo": "".join(CPUINFO.format(i, features) for i in range(4)),
        "proc/mounts": "/dev/mmcblk0p2 / ext4 rw,noatime 0 0\n",
        "run/systemd/system/x": "",
        "opt/x": "",
        "var/lib/dpkg/status": dpkg({"python3-venv": "3.11.2-1+b1"}),
        "sys/class/thermal/thermal_zone0/temp": "51200\n",
        "sys/devices/platform/soc@0/soc@0:firmware/get_throttled": f"{throttled}\n",
    }


def dpkg(packages: dict[str, str], status: str = "install ok installed") -> str:
    """``/var/lib/dpkg/status``."""
    return "\n".join(
        f"Package: {name}\nStatus: {status}\nArchitecture: arm64\nVersion: {version}\n"
        for name, version in packages.items()
    )


def stick(speed: str = "5000", ready: bool = False, at: str = "2-1") -> dict[str, str]:
    """A Coral USB Accelerator."""
    vendor, product = ("18d1", "9302") if ready else ("1a6e", "089a")
    told = {
        "idVendor": vendor,
        "idProduct": product,
        "speed": speed,
        "busnum": "2",
        "devnum": "7",
    }
    device = {f"sys/bus/usb/devices/{at}/{name}": f"{text}\n" for name, text in told.items()}
    return {**device, "dev/bus/usb/002/007": ""}


def card(driver: bool = True, node: bool = True) -> dict[str, str]:
    """A Coral on PCI Express."""
    files = {
        "sys/bus/pci/devices/0000:01:00.0/vendor": "0x1ac1\n",
        "sys/bus/pci/devices/0000:01:00.0/device": "0x089a\n",
    }
    if driver:
        files |= {"sys/module/apex/version": "1.2\n", "sys/class/apex/apex_0/temp": "48300\n"}
    return {**files, "dev/apex_0": ""} if node else files


DEV_BOARD = {
    "etc/os-release": 'PRETTY_NAME="Mendel GNU/Linux 5 (Eagle)"\n',
    "proc/device-tree/model": "Freescale i.MX8MQ Phanbell\0",
    "proc/device-tree/compatible": "google,imx8mq-phanbell\0fsl,imx8mq\0",
    "proc/meminfo": "MemTotal:        1010000 kB\n",
    "run/systemd/system/x": "",
    "usr/lib/aarch64-linux-gnu/libedgetpu.so.1": "",
    "var/lib/dpkg/status": dpkg({"libedgetpu1-std": "16.0"}),
    **card(),
}


def look(root: Path, machine: str = "aarch64", **python: Any) -> dict[str, Any]:
    """The facts of such a machine, as another Python and processor would tell them."""
    found = facts.gather(str(root))
    found["system"] |= {"machine": machine, "bits": 64, "glibc": "2.36", "page_bytes": 4096}
    found["python"] |= {"version": "3.11.2", "picamera2": False, **python}
    found["user"] |= {"name": "pi", "root": True}
    found["disk"] |= {"free_mb": {"/": 9000, "/opt": 9000}}
    return found


RUNS = f"#!{sys.executable}\nimport os, sys, signal\nkind = sys.argv[3:]\n"
"""A release's Python, which is asked ``-m devices.facts KIND``."""


def release(root: Path, answers: dict[str, str]) -> Path:
    """A Python in a release that runs given code for each kind of look."""
    path = root / facts.RELEASE_PYTHON
    path.parent.mkdir(parents=True, exist_ok=True)
    cases = "".join(f"if kind == {kind.split()!r}:\n    {code}\n" for kind, code in answers.items())
    path.write_text(RUNS + cases)
    path.chmod(0o755)
    return root
