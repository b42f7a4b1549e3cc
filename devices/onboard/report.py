"""How a board does, and how it is rid of edgecnn."""

from __future__ import annotations

import json
import os
import shutil
import time
from typing import Any

from devices.onboard import disk, release, system
from devices.onboard.activate import read_status
from devices.onboard.ground import UNIT, USER, Place, Refused
from devices.onboard.standing import led_to, trial


def status(place: Place) -> dict[str, Any]:
    """Everything there is to say; nothing is changed."""
    current = led_to(place.current)
    found = release.load(place, current) if current else None
    unit = system.shown("ActiveState", "ActiveEnterTimestampMonotonic", "NRestarts")
    since = unit["ActiveEnterTimestampMonotonic"]
    active = unit["ActiveState"] == "active" and since.isdecimal()
    return {
        "releases": release.ids(place),
        "current": current,
        "good": led_to(place.good),
        "shadow": led_to(place.shadow),
        "trial": trial(place),
        "service": unit["ActiveState"] or "unknown",
        "since_s": round(time.monotonic() - int(since) / 1e6, 1) if active else None,
        "restarts": int(unit["NRestarts"]) if unit["NRestarts"].isdecimal() else None,
        "status": read_status(place) or None,
        "free_mb": disk.free_mb(place),
        "edgecnn": found.edgecnn if found else None,
        "bundle": found.bundle["manifest.json"] if found else None,
        "temperature_c": _temperature(place),
    }


def _temperature(place: Place) -> float | None:
    """Of the hottest zone that the kernel tells of."""
    found = []
    for path in (place.root / "sys/class/thermal").glob("thermal_zone*/temp"):
        try:
            found.append(int(path.read_text("ascii")) / 1000)
        except (OSError, ValueError):
            continue
    return max(found, default=None)


def uninstall(place: Place, people: bool) -> dict[str, Any]:
    """Remove service, user and releases; what was learned of people only where that is asked for.

    What can start the camera goes first: cut off anywhere, it does not run, and asked once more
    this goes on.
    """
    with disk.alone(place):
        if place.unit.exists():
            code, said = system.systemctl("disable", "--now", UNIT)
            if code:
                raise Refused(f"the service cannot be stopped ({said.strip()}): stop it by hand")
            disk.forget(place.unit)
            system.systemctl("daemon-reload")
        # The number of the user may be given to somebody else.
        for path in [place.state, *place.state.rglob("*")] if place.state.is_dir() else []:
            if place.real:
                os.chown(path, 0, 0, follow_symlinks=False)
        if place.real and system.user_id():
            system.tool(["userdel", USER])
        if people:
            shutil.rmtree(place.state, ignore_errors=True)
        for path in sorted(place.opt.iterdir(), key=lambda p: p.name == place.half.name):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        place.opt.rmdir()
        disk.sync(place.opt.parent)
    return {"removed": True, "people": str(place.state) if place.state.exists() else None}


def as_line(answer: dict[str, Any]) -> str:
    """The one line of JSON that ends what is printed."""
    return json.dumps(answer, sort_keys=True)
