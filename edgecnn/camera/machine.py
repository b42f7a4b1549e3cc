"""What a machine is, for whoever reads figures that were measured on it.

Whether it is one at all is told by the kernel: qemu's ``virt`` machine is ``linux,dummy-virt`` in
the device tree (Linux, Documentation/devicetree/bindings/arm/linux,dummy-virt.yaml), a guest of a
hypervisor has the flag ``hypervisor`` in ``/proc/cpuinfo`` (x86), and ``systemd-detect-virt --vm``
knows more kinds. ``qemu`` is what that says of a processor in software (systemd-detect-virt(1)).
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from edgecnn.runtime.interpreter import runtime_module

EMULATED = "qemu"
DUMMY = "linux,dummy-virt"


def machine(root: Path = Path("/")) -> dict[str, Any]:
    """Facts about the machine; None for what it does not tell.

    Args:
        root: where ``/`` is; another folder for tests.

    Returns:
        ``model``, ``architecture``, ``processor``, ``processors``, ``memory_mb``, ``virtual`` (the
        kind of virtual machine, "" for none), ``emulated``, ``system``, ``kernel``, ``python`` and
        ``runtime``.
    """
    cpuinfo, tree = _text(root / "proc/cpuinfo"), root / "proc/device-tree"
    compatible = _text(tree / "compatible").split("\0")
    virtual = _virtual(cpuinfo, compatible)
    names = _of(cpuinfo, r"model name|Model|Hardware")
    return {
        "model": _text(tree / "model").strip("\0") or _of(cpuinfo, "Model") or None,
        "architecture": platform.machine(),
        "processor": names or None,
        "processors": os.cpu_count(),
        "memory_mb": _memory_mb(_text(root / "proc/meminfo")),
        "virtual": virtual,
        "emulated": virtual == EMULATED,
        "system": _system(_text(root / "etc/os-release")),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "runtime": _runtime(),
    }


def _virtual(cpuinfo: str, compatible: list[str]) -> str:
    # A device tree like that, and no hypervisor in hardware: emulated, as far as anybody can tell.
    if DUMMY in compatible:
        return _detected() or EMULATED
    return _detected() or ("unknown" if re.search(r"^flags.*\bhypervisor\b", cpuinfo, re.M) else "")


def _detected() -> str:
    try:
        told = subprocess.run(
            ["systemd-detect-virt", "--vm"], capture_output=True, text=True, timeout=10
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if told == "none" else told


def _memory_mb(meminfo: str) -> int | None:
    told = re.search(r"^MemTotal:\s+(\d+) kB", meminfo, re.M)
    return round(int(told.group(1)) / 1024) if told else None


def _system(os_release: str) -> str | None:
    told = re.search(r'^PRETTY_NAME="?([^"\n]+)', os_release, re.M)
    return told.group(1) if told else None


def _runtime() -> str:
    package = str(runtime_module().__name__).partition(".")[0]
    for name in (package.replace("_", "-"), f"{package.replace('_', '-')}-nightly"):
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return package


def _of(cpuinfo: str, keys: str) -> str:
    told = re.search(rf"^(?:{keys})\s*: (.+)$", cpuinfo, re.M)
    return told.group(1).strip() if told else ""


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
