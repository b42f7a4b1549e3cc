"""Switch to a release, see that it becomes healthy, and go back where it does not."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from devices.onboard import disk, release, system
from devices.onboard.ground import ROOT, UNIT, Place, Refused, say
from devices.onboard.release import MANIFEST, Release
from devices.onboard.stage import prune
from devices.onboard.standing import best, history, lead, led_to, tidy

HEALTH_S = 60.0
STEADY_S = 5.0
"""As long as frames have to be seen coming: two writings of the status at least."""

LOOK_S = 0.5
SWITCH_MB = 8
"""Links and small files: with them at hand, going back never fails for want of space."""
FALLS = 3
"""So many starts that failed are enough: the rest of the time would bring more of them."""


def outlive(words: list[str]) -> int | None:
    """Go on as a service of systemd, which no lost connection ends; its exit code.

    None where systemd is not there: then the caller goes on in a session of its own.
    """
    if shutil.which("systemd-run") is None:
        return None
    ask = ["systemd-run", "--quiet", "--collect", "--wait", "--pipe", "--service-type=exec"]
    if os.environ.get(ROOT):
        ask.append(f"--setenv={ROOT}={os.environ[ROOT]}")
    ask += [sys.executable, "-I", str(Place.here().half), *words, "--here"]
    return os.spawnvp(os.P_WAIT, ask[0], ask)


def activate(
    place: Place, name: str, health_s: float = HEALTH_S, steady_s: float = STEADY_S, keep: int = 3
) -> dict[str, Any]:
    """Let the service run a release; on trial until it is seen healthy.

    Raises:
        Refused: there is no such release, or it did not become healthy and the one before runs.
    """
    with disk.alone(place):
        tidy(place)
        wanted = _there(place, name)
        _switch(place, wanted, health_s, steady_s)
        _note(place, [n for n in history(place) if n != name] + [name])
        gone = prune(place, keep)
    return {"id": name, "healthy": True, "pruned": gone}


def rollback(
    place: Place, name: str | None, health_s: float = HEALTH_S, steady_s: float = STEADY_S
) -> dict[str, Any]:
    """Back to the release that was healthy before the current one, or to the one that is named.

    Raises:
        Refused: there is none, or it does not become healthy and the current one runs on.
    """
    with disk.alone(place):
        tidy(place)
        current, known = led_to(place.current), history(place)
        earlier = known[: known.index(current)] if current in known else known
        if name is None:
            fine = [n for n in reversed(earlier) if n != current and release.whole(place, n)]
            if not fine:
                raise Refused("no earlier release that was healthy is here: deploy one")
            name = fine[0]
        wanted = _there(place, name)
        _switch(place, wanted, health_s, steady_s)
        kept = known[: known.index(name)] if name in known else earlier
        _note(place, [*kept, name])
    return {"id": name, "healthy": True, "from": current}


def shadow(
    place: Place,
    name: str | None,
    health_s: float = HEALTH_S,
    steady_s: float = STEADY_S,
    keep: int = 3,
) -> dict[str, Any]:
    """Let a release's bundle run beside the current one, or none.

    That is a trial, too: a shadow of another task, say, keeps the camera from starting.

    Raises:
        Refused: there is no such release, nothing runs that it could be beside, or the camera is
            not healthy with it, and runs without.
    """
    with disk.alone(place):
        tidy(place)
        if name is None:
            if led_to(place.shadow) is not None:
                disk.forget(place.shadow)
                system.systemctl("restart", UNIT)
            return {"shadow": None}
        _there(place, name)
        current = release.whole(place, led_to(place.current))
        if current is None:
            raise Refused("no release runs here that another could run beside: deploy one")
        fd = _begin(place, current.id, current.id, shadow=name)
        try:
            lead(place.shadow, name)
            system.systemctl("restart", "--no-block", UNIT)
            why = unhealthy(place, current, health_s, steady_s)
            if why:
                disk.forget(place.shadow)
            disk.forget(place.trial)
        finally:
            os.close(fd)
        if why:
            system.systemctl("restart", "--no-block", UNIT)
            raise Refused(f"the camera is not healthy with it ({why}): it runs without a shadow")
        gone = prune(place, keep)
    return {"shadow": name, "pruned": gone}


def _there(place: Place, name: str) -> Release:
    found = release.whole(place, name)
    if found is None:
        here = ", ".join(release.ids(place)) or "none"
        raise Refused(
            f"expected a whole release of this board ({here}). Received: {name}: stage it"
        )
    return found


def _note(place: Place, names: list[str]) -> None:
    disk.write(place.history, json.dumps([n for n in names if release.load(place, n)]))


def _switch(place: Place, wanted: Release, health_s: float, steady_s: float) -> None:
    """Let the service run another release; what ran beside the one before ends with that one."""
    previous = led_to(place.current)
    beside = led_to(place.shadow) if wanted.id != previous else None
    fd = _begin(place, wanted.id, previous)
    try:
        try:
            system.make_user(place)
            system.enable(place, wanted)
            if beside is not None:
                disk.forget(place.shadow)
            lead(place.current, wanted.id)
            say(f"release {wanted.id} starts")
            system.systemctl("reset-failed", UNIT)
            system.systemctl("restart", "--no-block", UNIT)
            why = unhealthy(place, wanted, health_s, steady_s)
        except (OSError, Refused) as e:
            why = str(e)
        if why:
            if beside is not None and wanted.id != led_to(place.good):
                lead(place.shadow, beside)
            raise Refused(_back(place, wanted, previous, why))
        lead(place.good, wanted.id)
        disk.forget(place.trial)
    finally:
        os.close(fd)


def _begin(place: Place, name: str, previous: str | None, **more: str) -> int:
    """Write down what is tried; the trial is held until what is returned is closed.

    Raises:
        Refused: there is too little space; nothing was changed.
    """
    if (free := disk.free_mb(place)) < SWITCH_MB:
        raise Refused(
            f"expected {SWITCH_MB} MB free to switch and to go back. The disk has {free} MB: "
            "sudo apt-get clean, or remove what else fills it"
        )
    facts = {"release": name, "previous": previous, "boot_id": _boot_id(), **more}
    text = json.dumps({**facts, "started_s": round(time.time(), 3)})
    fd = disk.write(place.trial, text, hold=True)
    assert fd is not None
    return fd


def _boot_id() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""


def unhealthy(place: Place, wanted: Release, health_s: float, steady_s: float) -> str:
    """Wait for the service to be healthy; '' once it is, else what it lacks.

    Healthy is: systemd calls it active, and for ``steady_s`` one run of it, with the bundle of the
    release, has been seen to have looked at more and more frames.
    """
    end = time.monotonic() + health_s
    began, first, seen = 0.0, None, -1.0
    falls = _falls()
    why = "it did not start"
    while time.monotonic() < end:
        time.sleep(LOOK_S if steady_s >= LOOK_S else steady_s / 2)
        state = system.shown("ActiveState")["ActiveState"]
        fallen = _falls()
        falls = min(falls, fallen)  # a start by hand counts from 0 again
        if state == "failed" or fallen - falls >= FALLS:
            return f"it ends again and again: {system.last_lines()}"
        status = read_status(place)
        mine = bool(status) and status.get("bundle") == wanted.bundle[MANIFEST]
        if state != "active" or not mine:
            why, first = f"the camera is {state or 'unknown to systemd'}", None
            continue
        frames = _number(status.get("frames")) + _number(status.get("passed_over"))
        if first != status.get("started_s"):
            first, began, seen = status.get("started_s"), time.monotonic(), frames
            why = "its frames do not grow"
        elif frames > seen and time.monotonic() - began >= steady_s:
            return ""
    return f"{why} within {health_s:.0f} s: {system.last_lines()}"


def _falls() -> int:
    found = system.shown("NRestarts")["NRestarts"]
    return int(found) if found.isdecimal() else 0


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def read_status(place: Place) -> dict[str, Any]:
    """What the running camera says of itself; {} where it says nothing."""
    try:
        found = json.loads(place.status.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _back(place: Place, wanted: Release, previous: str | None, why: str) -> str:
    """Run again what ran before; what to say of it."""
    if wanted.id == led_to(place.good):
        # Its camera may be unplugged: it goes on trying, and so it does after the next boot.
        disk.forget(place.trial)
        return f"release {wanted.id} was healthy before, is not now, and goes on trying: {why}"
    found = best(place, {"release": wanted.id, "previous": previous})
    if found is None or found.id == wanted.id:
        system.systemctl("disable", "--now", UNIT)
        disk.forget(place.current)
        disk.forget(place.trial)
        return f"release {wanted.id} is not healthy, and there is none before: {why}"
    lead(place.current, found.id)
    system.enable(place, found)
    system.systemctl("reset-failed", UNIT)
    system.systemctl("restart", "--no-block", UNIT)
    disk.forget(place.trial)
    return f"release {wanted.id} is not healthy, so {found.id} runs again: {why}"
