"""Have a machine tell its facts: this one in a child process, another over ssh."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from devices import facts as facts_module
from devices.hosts import Host
from edgecnn.errors import DeployError
from edgecnn.runtime.child import environment

TIMEOUT_S = 300
"""A Pi Zero 2 W looks at its packages in about a minute."""

CONNECT_S = 10

CHANGED = (
    "its host key is another than before: where it was set up anew, ssh-keygen -R '{known}'; "
    "otherwise someone may stand between you and it"
)
REFUSALS = (
    ("could not resolve", "no such host: check the name, or give its address"),
    ("host identification has changed", CHANGED),
    ("host key verification failed", "its host key is not known here: {ssh} once, or --accept-new"),
    ("bad permissions", "the private key may be read by others: chmod 600 it"),
    ("permission denied", "it refuses the key: ssh-copy-id {to}, or name another --identity"),
    ("too many authentication", "it refuses so many keys: name one by --identity"),
    ("connection refused", "nothing answers ssh there: sudo systemctl enable --now ssh on it"),
    ("timed out", "it does not answer: is it on, and in this network?"),
    ("no route to host", "it does not answer: is it on, and in this network?"),
    ("network is unreachable", "this machine has no way there: check its network"),
)
"""What OpenSSH says, in small letters, to the cure; the first that fits."""


def here() -> dict[str, Any]:
    """The facts of this machine."""
    command = [sys.executable, "-m", "devices.facts"]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=TIMEOUT_S
    )
    return _answer(done.stdout, done.stderr, "this machine")


def there(host: Host, accept_new: bool = False) -> dict[str, Any]:
    """The facts of another machine; nothing is changed on it.

    Args:
        host: see :func:`devices.hosts.parse`.
        accept_new: take the host key of a machine not known here yet.

    Raises:
        DeployError: it is not reached, or has no Python.
    """
    if host.key and not host.key.is_file():
        raise DeployError(f"expected a private key at {host.key}. There is none: ssh-keygen")
    options = [
        "BatchMode=yes",
        f"ConnectTimeout={CONNECT_S}",
        f"StrictHostKeyChecking={'accept-new' if accept_new else 'yes'}",
    ]
    flags = [word for option in options for word in ("-o", option)]
    command = ["ssh", *flags, *host.ssh, "--", f"{shlex.quote(host.python)} -"]
    script = Path(facts_module.__file__).read_text("utf-8")
    try:
        done = subprocess.run(
            command, input=script, capture_output=True, text=True, timeout=TIMEOUT_S
        )
    except FileNotFoundError:
        raise DeployError("there is no ssh here: sudo apt install openssh-client") from None
    except subprocess.TimeoutExpired:
        raise DeployError(
            f"{host.name} gave no answer in {TIMEOUT_S} s: is it busy? try again"
        ) from None
    if done.returncode == 255:
        raise DeployError(f"{host.name}: {refusal(done.stderr, host)}")
    if done.returncode == 127:
        raise DeployError(f"{host.name} has no {host.python}: sudo apt install python3 on it")
    return _answer(done.stdout, done.stderr, host.name)


def refusal(said: str, host: Host) -> str:
    """Why ssh did not get through, with the cure, in one line.

    Args:
        said: the client's complaints.
    """
    to = " ".join(host.ssh)
    known = f"[{host.address}]:{host.port}" if host.port else host.address
    for sign, cure in REFUSALS:
        if sign in said.lower():
            return cure.format(to=to, ssh=f"ssh {to}", known=known)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return f"ssh does not get through ({lines[-1] if lines else 'it says nothing'}): ssh {to}"


def _answer(output: str, complaints: str, name: str) -> dict[str, Any]:
    """The last line that is a JSON object: what a login shell prints comes before it."""
    for line in reversed(output.splitlines()):
        with suppress(ValueError):
            facts = json.loads(line)
            if isinstance(facts, dict):
                return facts
    said = [line.strip() for line in complaints.splitlines() if line.strip()]
    raise DeployError(
        f"{name} tells nothing of itself ({said[-1] if said else 'no answer'}): it needs a python3 "
        "of 3.7 or newer: sudo apt install python3 on it"
    )
