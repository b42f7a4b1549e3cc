"""What a board can install: which wheels fit it, and which of edgecnn's requirements hold there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from devices.board import THIRTY_TWO_BIT
from edgecnn.errors import DeployError, needs

if TYPE_CHECKING:
    from packaging.requirements import Requirement

OLDEST_PYTHON = (3, 10)
LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""Minor version of glibc 2 to the older name of its tag: PEP 600."""

OLDEST_GLIBC = {"x86_64": 5, "i686": 5}
"""Minor version of glibc 2 from which on there are tags for an architecture; else 17: PEP 599."""


@dataclass(frozen=True)
class Target:
    """What decides which wheels fit.

    Attributes:
        architecture: as ``platform.machine()`` names it; of the programs where a 64-bit kernel runs
            a 32-bit system.
        python: ``"3.11"``.
        glibc: ``(2, 36)``.
    """

    architecture: str
    python: str
    glibc: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.architecture}, Python {self.python}, glibc {'.'.join(map(str, self.glibc))}"

    def check(self) -> None:
        """Raise where no release can be made, before anything is fetched.

        Raises:
            DeployError: its Python is too old, or it has no glibc.
        """
        if tuple(map(int, self.python.split("."))) < OLDEST_PYTHON:
            raise DeployError(
                f"expected Python {'.'.join(map(str, OLDEST_PYTHON))} or newer on the board. "
                f"Received: {self.python}: install a newer system, such as Raspberry Pi OS bookworm"
            )
        if self.glibc < (2, OLDEST_GLIBC.get(self.architecture, 17)):
            raise DeployError(
                "expected a system with glibc 2.17 or newer, which wheels are built for. Received: "
                f"{self}: install Debian, Ubuntu or Raspberry Pi OS"
            )

    @property
    def platforms(self) -> list[str]:
        """The tags of wheels that run there, the newest first; pip adds none by itself."""
        oldest = OLDEST_GLIBC.get(self.architecture, 17)
        tags = []
        for minor in range(self.glibc[1], oldest - 1, -1):
            tags.append(f"manylinux_2_{minor}_{self.architecture}")
            if minor in LEGACY:
                tags.append(f"{LEGACY[minor]}_{self.architecture}")
        return [*tags, f"linux_{self.architecture}"]

    @property
    def markers(self) -> dict[str, str]:
        """The environment that the markers of requirements are judged by."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.architecture,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    def cure(self) -> str:
        """What to do where a package has no wheel for it."""
        if self.architecture in ("armv7l", "armv6l", "i686"):
            return THIRTY_TWO_BIT
        return "take a 64-bit system whose Python is 3.10 to 3.14"


def required(target: Target, extras: Iterable[str], lines: Iterable[str]) -> list[Requirement]:
    """The requirements that hold on a board, their markers done with.

    pip judges the markers of what it downloads by the Python that runs it, not by the board's.

    Args:
        extras: of the package whose requirements these are.
        lines: as its metadata has them, ``"tomli>=2; python_version < '3.11'"``.
    """
    with needs("deploy", "packaging"):
        from packaging.requirements import Requirement
    found = []
    for line in lines:
        requirement = Requirement(line)
        environments = [{**target.markers, "extra": extra} for extra in ("", *extras)]
        if requirement.marker is None or any(map(requirement.marker.evaluate, environments)):
            requirement.marker = None
            found.append(requirement)
    return found


def of_edgecnn(target: Target, extras: Iterable[str]) -> list[str]:
    """What edgecnn needs on a board, as pip takes it, sorted.

    Raises:
        DeployError: edgecnn is not installed here, but run as a folder.
    """
    try:
        lines = metadata.requires("edgecnn") or []
    except metadata.PackageNotFoundError as e:
        raise DeployError(
            "edgecnn is run as a folder here, so what it needs is not known: pip install -e ."
        ) from e
    return sorted({str(requirement) for requirement in required(target, extras, lines)})
