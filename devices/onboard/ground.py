"""Where everything lies on a board, and how a refusal is told."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

UNIT = "edgecnn-camera.service"
USER = "edgecnn"
ROOT = "EDGECNN_BOARD_ROOT"
"""Environment variable: a folder that stands for ``/``, for tests."""


class Refused(Exception):
    """What was asked cannot be done; one line with the cure, and the board runs what it ran."""


def say(line: str) -> None:
    """Tell how far it is, on the standard error; a connection that is gone does not matter."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Place:
    """The folders and files of a board.

    Attributes:
        root: ``/``, or the folder that stands for it.
    """

    root: Path = Path("/")

    @classmethod
    def here(cls) -> Place:
        """This board, or the folder that :data:`ROOT` names."""
        return cls(Path(os.environ.get(ROOT) or "/"))

    @property
    def real(self) -> bool:
        """Whether this is a board, with users of its own, and no folder of a test."""
        return self.root == Path("/")

    @property
    def opt(self) -> Path:
        """Root's."""
        return self.root / "opt/edgecnn"

    @property
    def half(self) -> Path:
        """This program."""
        return self.opt / "board.py"

    @property
    def store(self) -> Path:
        """Wheels and files of bundles, by their SHA-256."""
        return self.opt / "store"

    @property
    def releases(self) -> Path:
        """What is in it is whole, apart from ``.*.part``."""
        return self.opt / "releases"

    @property
    def current(self) -> Path:
        """Link to the release that the service runs."""
        return self.opt / "current"

    @property
    def good(self) -> Path:
        """Link to the last one that was seen healthy."""
        return self.opt / "good"

    @property
    def shadow(self) -> Path:
        """Link to the one that runs beside, if any."""
        return self.opt / "shadow"

    @property
    def trial(self) -> Path:
        """A switch under way; locked while somebody sees to it."""
        return self.opt / "trial.json"

    @property
    def history(self) -> Path:
        """Ids that were seen healthy, the latest last."""
        return self.opt / "history.json"

    @property
    def owners(self) -> Path:
        """``allowed_signers`` of OpenSSH; where it is there, bundles must be signed."""
        return self.opt / "owners"

    @property
    def unit(self) -> Path:
        """Of systemd."""
        return self.root / "etc/systemd/system" / UNIT

    @property
    def state(self) -> Path:
        """The service's own: gallery, events, password. No deploy touches what is there."""
        return self.root / "var/lib/edgecnn"

    @property
    def status(self) -> Path:
        """How the running camera does."""
        return self.root / "run/edgecnn/status.json"
