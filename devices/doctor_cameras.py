"""Findings about cameras."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from devices.board import CSI
from devices.finding import Finding

Facts = dict[str, Any]

NO_RIGHT = "sudo usermod -aG video $USER, then log out and in again"


def cameras(facts: Facts) -> Iterator[Finding]:
    """Those that OpenCV can open, and those on the ribbon cable."""
    if "backends" in facts["opencv"]:
        yield Finding("camera back ends", "ok", ", ".join(facts["opencv"]["backends"]))
    there = [node for node in facts["cameras"] if node["kind"] == "camera"]
    for node in there:
        found = f"{node['path']} {node['name']}".strip()
        if node["allowed"]:
            yield Finding("camera", "ok", found)
        else:
            other = (
                f"ls -l {node['path']} shows whose it is: a rule of udev gives it to group video"
            )
            cure = other if "video" in facts["rights"]["groups"] else NO_RIGHT
            yield Finding("camera", "problem", f"{found}: no permission", cure)
    if not there:
        cure = "plug in a USB camera; files and network cameras need none"
        others = len(facts["cameras"])
        found = f"none among {others} nodes /dev/video*" if others else "no /dev/video*"
        yield Finding("camera", "note", found, cure)
    yield from ribbon(facts)


def ribbon(facts: Facts) -> Iterator[Finding]:
    """The camera on the ribbon cable, which libcamera has to read."""
    told = facts["csi"]
    plugged = any(node["kind"] == "csi" for node in facts["cameras"])
    on_a_pi = facts["machine"]["model"].startswith("Raspberry Pi")
    if not (plugged or on_a_pi or told["picamera2"]):
        return
    what = "a camera on the ribbon cable, " if plugged else ""
    if not told["picamera2"]:
        yield Finding("picamera2", "note", f"{what}picamera2 is not there", CSI.cure)
    elif not told["venv_sees_it"]:
        cure = "python3 -m venv --system-site-packages for edgecnn, or a USB camera"
        found = f"{what}picamera2 is there, but edgecnn's environment does not see it"
        yield Finding("picamera2", "note", found, cure)
    else:
        yield Finding("picamera2", "ok", f"{what}picamera2 is there: --source csi")
