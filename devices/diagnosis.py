"""The doctor's whole visit: have a machine tell its facts, and judge them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from devices import doctor, examine, hosts
from devices.finding import DEPLOY, RECOGNITION, Finding, works


@dataclass(frozen=True)
class Diagnosis:
    """What came of it.

    Attributes:
        host: the machine as it was named; '' for this one.
        board: name of the board that it is, None where it is none we know.
        findings: see :mod:`devices.doctor`.
    """

    host: str
    board: str | None
    findings: list[Finding]

    @property
    def works(self) -> bool:
        """Whether recognition works there as it is."""
        return works(self.findings, RECOGNITION)

    @property
    def deploys(self) -> bool:
        """Whether a deploy to it would work."""
        return works(self.findings, DEPLOY)

    @property
    def well(self) -> bool:
        """What the exit code says."""
        return self.deploys if self.host else self.works

    @property
    def verdict(self) -> str:
        """In a sentence."""
        if self.host:
            return f"A deploy to {self.host} would{'' if self.deploys else ' not'} work."
        return f"Recognition {'works' if self.works else 'does not work'} on this machine."


def diagnose(
    host: str | None = None, identity: Path | None = None, accept_new: bool = False
) -> Diagnosis:
    """Look at a machine.

    Args:
        host: ``[user@]host[:port]``; None: this machine.
        identity: private key for ssh.
        accept_new: take the host key of a machine not known here yet.

    Raises:
        DataError: ``host`` is not of that form.
        DeployError: it is not reached.
    """
    if host is None:
        facts, now_s = examine.here(), None
    else:
        at = hosts.parse(host)
        at = replace(at, key=identity.expanduser()) if identity else at
        facts, now_s = examine.there(at, accept_new), time.time()
    board, findings = doctor.board_of(facts), doctor.judge(facts, now_s)
    if host is None:
        # What only a deploy needs is no problem of a machine that one sits at.
        findings = [replace(f, state="note") if f.stops == (DEPLOY,) else f for f in findings]
    return Diagnosis(host or "", board.name if board else None, findings)
