"""Which release a board stands on, and how it comes to stand again after a fall.

``current`` is what the service runs, ``good`` what was seen healthy last. While a switch is under
way there is ``trial.json``, which the process that sees to it keeps locked; a lock ends with its
process and with the power. So a trial that nobody holds is one that was cut off:

=====================================  ===========================================================
cut off                                then
=====================================  ===========================================================
before ``trial.json`` has its name     ``current`` is what it was
before or after ``current`` switched   :func:`settle` points it back to ``good``
after ``shadow`` was set               the shadow goes: the camera may not start for it
after ``shadow`` went, for a switch    it stays gone; the rest is as above
after ``good`` followed                the release was healthy: ``trial.json`` goes, it stays
on a first deploy, without a ``good``  the one release there is runs, and is tried at every start
=====================================  ===========================================================

:func:`settle` runs before each start of the service. It takes what is there for what it is: a
damaged ``trial.json`` is one that nobody holds, and where ``current`` leads nowhere, or to a
release that lost files, it goes to another whole one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from devices.onboard import disk, system
from devices.onboard.ground import Place, Refused, say
from devices.onboard.release import Release, ids, load, option, whole
from devices.onboard.unit import command


def led_to(link: Path) -> str | None:
    """The id a link leads to, whether that is there or not."""
    try:
        return Path(os.readlink(link)).name
    except OSError:
        return None


def lead(link: Path, name: str) -> None:
    """Let a link lead to a release."""
    disk.point(link, f"releases/{name}")


def trial(place: Place) -> dict[str, Any] | None:
    """The switch under way, {} where it cannot be read, None without one."""
    try:
        found = json.loads(place.trial.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def history(place: Place) -> list[str]:
    """Ids that were seen healthy, the latest last."""
    try:
        found = json.loads(place.history.read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def best(place: Place, broken: dict[str, Any] | None) -> Release | None:
    """The release to run: the first whole one, those seen healthy before those that were not.

    Args:
        broken: a trial that was cut off; its release comes after those seen healthy, and before
            those that may have failed.
    """
    tried = (broken or {}).get("release")
    names = [led_to(place.current)] if broken is None else []
    names += [led_to(place.good), (broken or {}).get("previous")]
    names += reversed(history(place))
    good = led_to(place.good)
    ordered = [n for n in names if isinstance(n, str) and (n != tried or n == good)]
    ordered += [tried] if isinstance(tried, str) else []
    ordered += reversed(ids(place))
    for name in dict.fromkeys(ordered):
        if found := whole(place, name):
            return found
    return None


def settle(place: Place) -> dict[str, Any]:
    """Take back what was cut off, unless somebody sees to it at this moment.

    Returns:
        ``{"current": id or None, "settled": whether something was changed}``.
    """
    if disk.held(place.trial):
        return {"current": led_to(place.current), "settled": False}
    broken = trial(place)
    before = led_to(place.current)
    if before is None and broken is None and not (led_to(place.good) or history(place)):
        return {"current": None, "settled": False}  # nothing was switched to yet, or it failed
    release = best(place, broken)
    changed = broken is not None
    if release is None:
        say("no whole release is here: deploy again")
        return {"current": before, "settled": False}
    if before != release.id:
        say(f"release {before} was not seen healthy, or is damaged: back to {release.id}")
        lead(place.current, release.id)
        changed = True
    if broken is not None:
        if "shadow" in broken or not broken:
            disk.forget(place.shadow)
        disk.forget(place.trial)
    if changed and system.write_unit(place, release):
        # Only the limit of memory can differ; it holds from the next start on.
        system.systemctl("--no-block", "daemon-reload")
    return {"current": release.id, "settled": changed}


def tidy(place: Place) -> None:
    """:func:`settle`, where a switch was cut off; what is whole was seen at the last start."""
    if trial(place) is not None:
        settle(place)


def run(place: Place) -> None:
    """Become the camera; as the service's user, where nothing can be written.

    Raises:
        Refused: there is no release to run.
    """
    name = led_to(place.current)
    release = load(place, name) if name else None
    release = release or best(place, None)
    if release is None:
        raise Refused("no whole release is here: deploy again")
    folder = place.releases / release.id
    python = str(folder / "venv/bin/python")
    gallery = place.state / "gallery.sqlite"
    if "--gallery" not in release.camera and not gallery.exists() and _of_faces(folder):
        words = [python, "-I", "-m", "devices.selftest", "gallery"]
        words += [str(folder / "bundle"), str(gallery)]
        if key := option(release.camera, "--key-file"):
            words += ["--key-file", key]
        code, said = system.tool(words)
        if code:
            say(f"nobody can be enrolled: {said.strip()[-200:]}")
    os.execv(python, command(place, folder, release))


def _of_faces(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / "bundle/manifest.json").read_text("utf-8"))
        return bool(manifest["task"] == "faces")
    except (OSError, ValueError, KeyError, TypeError):
        return False
