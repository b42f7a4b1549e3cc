"""Ask another machine for its facts, through the user's own ssh."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from devices import facts
from devices.hosts import Host
from edgecnn.errors import DeployError

CONNECT_S = 10
ANSWER_S = 180
"""On an emulated board, with a release to try, the facts take half a minute."""

FAULTS = (
    (r"Could not resolve hostname|Name or service not known",
     "no machine of that name is known", "check it, or use the address that the router shows"),
    (r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key .* has changed",
     "its host key is another than before",
     "was the board set up anew? ssh-keygen -R {where}; else somebody may stand between"),
    (r"Host key verification failed",
     "its host key is not known here",
     "log in once by ssh {login} and compare it, or --accept-new"),
    (r"Load key", "the key cannot be read",
     "name another by --identity"),
    (r"Permission denied|Too many authentication failures",
     "it refuses the key",
     "ssh-copy-id {login}, or another --identity; one with a passphrase wants ssh-add first"),
    (r"Connection refused", "nothing answers on that port",
     "start its ssh server (sudo systemctl enable --now ssh there), or name the port: HOST:PORT"),
    (r"timed out|No route to host|Network is unreachable|Host is down",
     "it does not answer", "is it on, and in this network? ping it"),
    (r"Connection (?:to \S+ )?(?:closed|reset)|kex_exchange|Broken pipe|not responding",
     "the connection broke", "try again; look at the board's power"),
)  # fmt: skip
"""What OpenSSH complains (always in English here), what it means, and the cure."""


def facts_of(host: Host, accept_new: bool = False) -> tuple[dict[str, Any], float]:
    """The facts of a machine, and this machine's clock (Unix seconds) when they were gathered.

    Nothing is written there: :mod:`devices.facts` goes through ssh into its Python.

    Raises:
        DeployError: it is not reached, or has no Python; one line with the cure.
    """
    if shutil.which("ssh") is None:
        raise DeployError("expected OpenSSH's client here: sudo apt install openssh-client")
    if host.key and not host.key.is_file():
        raise DeployError(f"expected a private key at {host.key}: name another by --identity")
    trust = ["-o", "StrictHostKeyChecking=accept-new"] if accept_new else []
    command = [
        "ssh", "-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_S}",
        "-o", "ServerAliveInterval=10", *trust, *host.ssh, f"{shlex.quote(host.python)} -",
    ]  # fmt: skip
    script = Path(facts.__file__).read_text("utf-8")
    try:
        done = subprocess.run(
            command, input=script, capture_output=True, text=True, errors="replace",
            timeout=ANSWER_S, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise DeployError(
            f"{host.name} gave no answer in {ANSWER_S} s: look at its load and power"
        ) from None
    now_s = time.time()
    if done.returncode == 255:
        raise DeployError(complaint(host, done.stderr))
    for line in reversed(done.stdout.splitlines()):
        if line.startswith('{"schema": '):
            return dict(json.loads(line)), now_s
    said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    if done.returncode == 127 or "not found" in said:
        raise DeployError(f"{host.name} has no {host.python} ({said}): sudo apt install python3")
    raise DeployError(
        f"{host.python} does not run on {host.name} ({said}): use Python 3.7 or newer"
    )


def complaint(host: Host, said: str) -> str:
    """What ssh said, as one line with the cure.

    >>> complaint(Host("hall", "hall.local"), "ssh: connect to host hall.local port 22: timed out")
    'hall is not reached: it does not answer: is it on, and in this network? ping it'
    """
    where = f"'[{host.address}]:{host.port}'" if host.port not in (None, 22) else host.address
    login = shlex.join(host.ssh)
    for pattern, meaning, cure in FAULTS:
        if re.search(pattern, said):
            cure = cure.format(where=where, login=login)
            return f"{host.name} is not reached: {meaning}: {cure}"
    last = (said.strip().splitlines() or ["it said nothing"])[-1].strip()
    return f"{host.name} is not reached: {last}: try ssh {login}"
