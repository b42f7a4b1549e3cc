"""What the doctor says of cameras: V4L2, libcamera, and who may open them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from devices.board import CSI
from devices.finding import Finding, note, ok, problem

Facts = dict[str, Any]

RIBBON = ("unicam", "rp1-cfe")
"""How the nodes of a Raspberry Pi's CSI ports are called; raw sensors, which OpenCV cannot read."""


def judge(facts: Facts) -> Iterator[Finding]:
    """Back ends, cameras, and a Pi's ribbon cable."""
    backends = ((facts["installed"] or {}).get("opencv") or {}).get("backends")
    if backends is not None:
        yield ok("camera back ends", ", ".join(backends))
    nodes = [node for node in facts["cameras"] if node["capture"] is not False]
    cameras = [node for node in nodes if not node["name"].startswith(RIBBON)]
    for node in cameras:
        found = f"{node['path']} {node['name']}".strip()
        if node["allowed"]:
            yield ok("camera", found)
        else:
            cure = "sudo usermod -aG video $USER, then log out and in again"
            yield problem("camera", f"{found}: no permission", cure)
    if not cameras:
        cure = "plug in a USB camera; files and network cameras need none"
        others = len(facts["cameras"])
        found = "no /dev/video*" if not others else f"{others} nodes, none of a USB camera"
        yield note("camera", found, cure)
    yield from ribbon(facts)


def ribbon(facts: Facts) -> Iterator[Finding]:
    """picamera2: whether it is there, and whether the venv sees it."""
    told = facts["python"]
    looked = (facts["installed"] or {}).get("opencv") or {}
    sees = looked.get("picamera2", told["picamera2"])
    system = told["system_picamera2"]
    if not (system or sees or facts["board"]["model"].startswith("Raspberry Pi")):
        return
    if sees:
        yield ok("picamera2", "there, for --source csi")
    elif system:
        cure = "make it anew: python3 -m venv --system-site-packages; only --source csi needs it"
        yield note("picamera2", "the system has it, this environment does not see it", cure)
    else:
        yield note("picamera2", "not there", f"only --source csi needs it: {CSI.cure}")
