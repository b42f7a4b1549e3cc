"""The system's own tools: systemd, users, signatures."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from devices.onboard import disk
from devices.onboard.ground import UNIT, USER, Place, Refused
from devices.onboard.release import Release
from devices.onboard.unit import GROUPS, unit_text

NAMESPACE = "edgecnn-bundle"
"""What ``ssh-keygen -Y`` signs for: a signature made for something else does not count."""

TOOL_S = 120


def tool(words: Sequence[str], timeout_s: float = TOOL_S, **more: Any) -> tuple[int, str]:
    """Run a program; its exit code and what it said.

    Raises:
        Refused: it is not there, or does not come to an end.
    """
    try:
        more = {"stdin": subprocess.DEVNULL, **more}
        done = subprocess.run(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
            **more,
        )
    except FileNotFoundError:
        raise Refused(f"{words[0]} is not here: install the package that has it") from None
    except subprocess.TimeoutExpired:
        raise Refused(f"{Path(words[0]).name} did not end within {timeout_s:.0f} s") from None
    return done.returncode, done.stdout.decode("utf-8", "replace")


def systemctl(*words: str) -> tuple[int, str]:
    """Ask systemd for something."""
    return tool(["systemctl", *words])


def shown(*names: str) -> dict[str, str]:
    """Properties of the unit; '' for what systemd does not tell."""
    try:
        said = systemctl("show", UNIT, *[f"--property={name}" for name in names])[1]
    except Refused:
        said = ""
    found = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    return {name: found.get(name, "") for name in names}


def last_lines(count: int = 5) -> str:
    """What the service said last, in one line."""
    with contextlib.suppress(Refused):
        words = ["journalctl", "--unit", UNIT, "--lines", str(count), "--output", "cat"]
        said = tool([*words, "--no-pager", "_TRANSPORT=stdout"], 20)[1]  # not systemd's own
        return " | ".join(line.strip() for line in said.splitlines() if line.strip())
    return ""


def user_id() -> pwd.struct_passwd | None:
    """The service's user, if there is one."""
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        return None


def make_user(place: Place) -> None:
    """Make the service's user and its folder, where they are not there.

    Raises:
        Refused: the system does not want to.
    """
    if place.real and user_id() is None:
        words = ["useradd", "--system", "--user-group", "--no-create-home"]
        words += ["--home-dir", str(place.state), "--shell", "/usr/sbin/nologin", USER]
        code, said = tool(words)
        if code:
            raise Refused(f"the user {USER} cannot be made ({said.strip()}): make it by hand")
    place.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    user = user_id() if place.real else None
    if user and place.state.stat().st_uid != user.pw_uid:
        for path in [place.state, *place.state.rglob("*")]:
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def as_user(place: Place) -> dict[str, Any]:
    """Arguments of :func:`tool` that run a program as the service's user, in its groups."""
    user = user_id() if place.real and os.geteuid() == 0 else None
    if user is None:
        return {}
    groups = os.getgrouplist(USER, user.pw_gid)
    import grp

    for name in GROUPS:
        with contextlib.suppress(KeyError):
            groups.append(grp.getgrnam(name).gr_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": sorted({*groups})}


def write_unit(place: Place, release: Release) -> bool:
    """Bring the unit up to date; whether it changed. systemd is not told."""
    text = unit_text(place, release)
    with contextlib.suppress(OSError):
        if place.unit.read_text("utf-8") == text:
            return False
    place.unit.parent.mkdir(parents=True, exist_ok=True)
    disk.write(place.unit, text)
    return True


def enable(place: Place, release: Release) -> None:
    """Have the service started at every boot.

    Raises:
        Refused: systemd does not take the unit.
    """
    if write_unit(place, release):
        systemctl("daemon-reload")
    if systemctl("is-enabled", "--quiet", UNIT)[0]:
        code, said = systemctl("enable", UNIT)
        if code:
            raise Refused(f"systemd does not take the unit ({said.strip()}): see systemctl status")
        disk.sync(place.unit.parent)
        wants = place.unit.parent / "multi-user.target.wants"
        if wants.is_dir():
            disk.sync(wants)


def verify(place: Place, bundle: Path) -> None:
    """Raise where a bundle is not signed by an owner of the board, if it has one.

    Raises:
        Refused: no signature, a wrong one, or somebody else's.
    """
    if not place.owners.exists():
        return
    signature = bundle / "manifest.json.sig"
    cure = "sign it with edgecnn sign and the key of an owner"
    if not signature.exists():
        raise Refused(f"this board takes only signed bundles, and this one is not: {cure}")
    if shutil.which("ssh-keygen") is None:
        raise Refused("ssh-keygen, which checks signatures, is not here: install openssh-client")
    common = ["-f", str(place.owners), "-n", NAMESPACE, "-s", str(signature)]
    find = ["ssh-keygen", "-Y", "find-principals", "-s", str(signature), "-f", str(place.owners)]
    code, said = tool(find)
    who = said.splitlines()[0].strip() if not code and said.strip() else ""
    if not who:
        raise Refused(f"the bundle is signed by nobody that {place.owners} names: {cure}")
    with open(bundle / "manifest.json", "rb") as manifest:
        code, said = tool(["ssh-keygen", "-Y", "verify", "-I", who, *common], stdin=manifest)
    if code:
        raise Refused(f"the signature is not of this bundle ({said.strip()[:120]}): {cure}")
