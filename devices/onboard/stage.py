"""Make a release beside those that run: checked, tried out, on the disk, and only then named."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

from devices.onboard import disk, release, system
from devices.onboard.ground import Place, Refused, say
from devices.onboard.release import CONTENTS, MANIFEST, SIGNATURE, Release
from devices.onboard.standing import history, led_to, tidy

SPARE_MB = 64
"""What a disk must have beyond the release, so that the system goes on working."""

COMPILED = 1.6
"""What an environment takes, in sizes of its unpacked wheels: Python's byte code, whole blocks."""

VENV_S, SELF_TEST_S = 1200, 300
"""Installing 200 MB on the card of a Pi Zero; the first run of the models on it."""


def missing(place: Place, text: str) -> dict[str, Any]:
    """What the store lacks to stage a release, and whether it runs, or beside what runs, already.

    Files that do not have the hash they are named by, after a power cut say, are removed.
    """
    wanted = release.parse(text)
    staged = release.whole(place, wanted.id) is not None
    lacking = [] if staged else _lacking(place, wanted, twin(place, wanted))
    current = led_to(place.current)
    good = staged and wanted.id == current == led_to(place.good)
    return {
        "id": wanted.id,
        "staged": staged,
        "runs": good and system.shown("ActiveState")["ActiveState"] == "active",
        "beside": staged and wanted.id == led_to(place.shadow),
        "missing": lacking,
        "current": current,
        "free_mb": disk.free_mb(place),
    }


def _lacking(place: Place, wanted: Release, like: Path | None) -> list[str]:
    hashes = set(wanted.bundle.values())
    if like is None:
        hashes |= set(wanted.wheels.values())
    return sorted(digest for digest in hashes if not _sound(place.store / digest))


def _sound(path: Path) -> bool:
    if not path.is_file():
        return False
    if disk.sha256(path) == path.name:
        return True
    with contextlib.suppress(OSError):
        path.unlink()
    return False


def twin(place: Place, wanted: Release) -> Path | None:
    """A whole release with the same wheels, if there is one: its environment will do."""
    for name in reversed(release.ids(place)):
        other = release.load(place, name)
        alike = other is not None and (other.wheels, other.pip, other.python) == (
            wanted.wheels,
            wanted.pip,
            wanted.python,
        )
        if alike and release.whole(place, name):
            return place.releases / name
    return None


def stage(place: Place, text: str, keep: int = 3) -> dict[str, Any]:
    """Make a release out of the store, try it out, and give it its name.

    Args:
        keep: how many of the releases that are there stay where there is too little space.

    Raises:
        Refused: it is not for this board, not signed, damaged or fails its tests, or there is no
            space. Nothing but what the service runs is left.
    """
    wanted = release.parse(text)
    release.check_machine(wanted)
    with disk.alone(place):
        tidy(place)
        place.releases.mkdir(parents=True, exist_ok=True)
        disk.clear(place.releases)
        if release.whole(place, wanted.id):
            return {"id": wanted.id, "staged": False}
        like = twin(place, wanted)
        if lacking := _lacking(place, wanted, like):
            raise Refused(f"the store lacks {len(lacking)} files of the release: deploy again")
        if disk.free_mb(place) < _needed_mb(place, wanted, like):
            prune(place, keep, wanted)
            like = twin(place, wanted)
            _check_space(place, _needed_mb(place, wanted, like))
        part = place.releases / f".{wanted.id}.part"
        try:
            _make(place, wanted, part, like)
            _name(place, wanted, part)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    return {"id": wanted.id, "staged": True}


def _needed_mb(place: Place, wanted: Release, like: Path | None) -> int:
    need = SPARE_MB
    if like is None:
        for digest in wanted.wheels.values():
            try:
                with zipfile.ZipFile(place.store / digest) as wheel:
                    need += int(sum(m.file_size for m in wheel.infolist()) * COMPILED) >> 20
            except (OSError, zipfile.BadZipFile) as e:
                raise Refused(f"a wheel cannot be read ({e}): deploy again") from e
    return need


def _check_space(place: Place, need: int) -> None:
    free = disk.free_mb(place)
    if free < need:
        raise Refused(
            f"expected {need} MB free for the release under {place.opt}. The disk has {free} MB: "
            "sudo apt-get clean, deploy with a smaller --keep, or use a larger card"
        )


def _make(place: Place, wanted: Release, part: Path, like: Path | None) -> None:
    """The whole content of a release's folder."""
    bundle = part / "bundle"
    bundle.mkdir(parents=True)
    disk.write(part / "release.json", wanted.text)
    for name, digest in wanted.bundle.items():
        os.link(place.store / digest, bundle / name)
        os.chmod(bundle / name, 0o644)
    _check_manifest(wanted, bundle)
    system.verify(place, bundle)
    if like is not None:
        say(f"the environment is that of {like.name}")
        disk.link_all(f"{like}/venv", f"{part}/venv")
        os.link(like / CONTENTS, part / CONTENTS)
    else:
        _install(place, wanted, part)
        disk.write(part / CONTENTS, release.contents(part / "venv"))
    system.make_user(place)
    _try(place, wanted, part)


def _check_manifest(wanted: Release, bundle: Path) -> None:
    """Raise where the bundle has a file that its manifest, which is what is signed, does not name.

    Raises:
        Refused: there is such a file, or another hash.
    """
    try:
        named = dict(json.loads((bundle / MANIFEST).read_text("utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise Refused(f"{MANIFEST} cannot be read ({e}): convert the run again") from e
    found = {n: d for n, d in wanted.bundle.items() if n not in (MANIFEST, SIGNATURE)}
    odd = sorted(name for name in {*named, *found} if named.get(name) != found.get(name))
    if odd:
        raise Refused(f"the manifest and the bundle differ in {odd[0]}: copy the bundle again")


def _install(place: Place, wanted: Release, part: Path) -> None:
    """A fresh environment with exactly the wheels that the release names, without a network."""
    wheels = part / "wheels"
    wheels.mkdir()
    for name, digest in wanted.wheels.items():
        os.link(place.store / digest, wheels / name)
    # picamera2 comes with the system alone; what the release brings itself stands before it.
    seen = ["--system-site-packages"] if source(wanted.camera).startswith("csi") else []
    say("making the environment")
    code, said = system.tool(
        [sys.executable, "-I", "-m", "venv", "--without-pip", *seen, str(part / "venv")], VENV_S
    )
    if code:
        raise Refused(f"no environment ({_last(said)}): sudo apt-get install python3-venv")
    asked = [
        f"{wheels / name} --hash=sha256:{digest}"
        for name, digest in sorted(wanted.wheels.items())
        if name != wanted.pip
    ]
    disk.write(part / "wheels.txt", "\n".join(asked) + "\n")
    words = [str(part / "venv/bin/python"), "-I", str(wheels / wanted.pip / "pip"), "--isolated"]
    words += ["install", "--quiet", "--no-index", "--no-deps", "--require-hashes", "--no-input"]
    words += ["--no-cache-dir", "--disable-pip-version-check", "--root-user-action=ignore"]
    words += ["--ignore-installed"]  # what the system has may change; a release does not
    code, said = system.tool([*words, "--requirement", str(part / "wheels.txt")], VENV_S)
    if code:
        raise Refused(f"the wheels cannot be installed ({_last(said)}): deploy again with --fresh")
    shutil.rmtree(wheels)
    (part / "wheels.txt").unlink()


def source(camera: list[str]) -> str:
    """The camera that a release's arguments name."""
    return release.option(camera, "--source") or "0"


def _try(place: Place, wanted: Release, part: Path) -> None:
    """Compute the bundle's golden answers in the new environment, and look through the camera.

    The camera is left alone while the service has it.
    """
    words = [str(part / "venv/bin/python"), "-I", "-m", "devices.selftest", "bundle"]
    words += [str(part / "bundle")]
    if system.shown("ActiveState")["ActiveState"] in ("inactive", "failed", ""):
        words += ["--source", source(wanted.camera)]
    say("trying it out")
    user = system.as_user(place)
    code, said = system.tool(words, SELF_TEST_S, cwd=str(place.state), **user)
    if code:
        raise Refused(f"the release fails its test: {_last(said)}")


def _last(said: str) -> str:
    """What a program complained of, in one line."""
    line = (said.strip().splitlines() or ["it said nothing"])[-1]
    with contextlib.suppress(ValueError, KeyError, TypeError):
        line = str(json.loads(line)["error"])
    return line[-300:]


def _name(place: Place, wanted: Release, part: Path) -> None:
    """Put it on the disk, and then let it count.

    ``sync`` instead of an ``fsync`` for each of some thousand files, which takes minutes on a card.
    """
    if place.real:
        os.sync()
    final, old = place.releases / wanted.id, place.releases / f".{wanted.id}.old.part"
    if final.exists():  # damaged
        os.rename(final, old)
    os.rename(part, final)
    disk.sync(place.releases)
    shutil.rmtree(old, ignore_errors=True)


def prune(place: Place, keep: int, wanted: Release | None = None) -> list[str]:
    """Remove all but the newest ``keep`` releases and those that links lead to; their ids.

    Files of the store go that neither a release nor ``wanted``, which is to be made or was just
    made, names.
    """
    names = release.ids(place)
    linked = {led_to(link) for link in (place.current, place.good, place.shadow)}
    linked |= {wanted.id} if wanted else set()
    recent = {*history(place)[-keep:]}
    recent |= set([n for n in reversed(names) if n not in recent][: max(0, keep - len(recent))])
    gone = [n for n in names if n not in recent | linked]
    for name in gone:
        part = place.releases / f".{name}.old.part"
        os.rename(place.releases / name, part)
        shutil.rmtree(part, ignore_errors=True)
    _sweep(place, wanted)
    return gone


def _sweep(place: Place, wanted: Release | None) -> None:
    """Remove files of the store that neither a release nor ``wanted`` names, and none that is
    still received: its name begins with a dot."""
    named = {h for n in release.ids(place) if (r := release.load(place, n)) for h in r.hashes}
    if wanted is not None:
        named |= wanted.hashes
    for path in place.store.glob("*") if place.store.is_dir() else []:
        if path.name not in named and path.name[0] != ".":
            with contextlib.suppress(OSError):
                path.unlink()
