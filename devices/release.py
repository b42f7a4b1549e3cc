"""What a board is told to be: a release, named by what is in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devices.onboard.stage import source
from devices.target import Target
from edgecnn import __version__
from edgecnn.bundle import MANIFEST, SIGNATURE, Bundle
from edgecnn.errors import BundleError
from edgecnn.storage import sha256_of

SCHEMA = 1
MEMORY_SHARE = 0.75
"""Of a board's memory that the camera may take before the system ends it."""

EXTRAS = {"--mqtt": "mqtt", "--metrics": "metrics", "--key-file": "encrypt"}
"""Arguments of ``edgecnn camera`` to the extra of edgecnn that they need."""


@dataclass(frozen=True)
class Release:
    """A release, and where on the workstation its files are.

    Attributes:
        facts: what ``release.json`` says, see ``docs/formats.md``.
        files: SHA-256 to file, of wheels and bundle.
    """

    facts: Mapping[str, Any]
    files: Mapping[str, Path]

    @property
    def text(self) -> str:
        """``release.json``: sorted keys, no blanks, one line."""
        return json.dumps(self.facts, sort_keys=True, separators=(",", ":"))

    @property
    def id(self) -> str:
        """The first 12 hexadecimal digits of its SHA-256: the same content has the same name."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]


def extras_for(camera: Sequence[str]) -> tuple[str, ...]:
    """The extras of edgecnn that a camera with these arguments needs; the web page unless it is
    turned off."""
    given = {word.partition("=")[0] for word in camera}
    extras = {extra for option, extra in EXTRAS.items() if option in given}
    extras |= {"csi"} if source(list(camera)).startswith("csi") else set()
    return tuple(sorted(extras | (set() if "--no-web" in given else {"web"})))


def bundle_files(path: Path) -> dict[str, Path]:
    """What of a bundle travels, by name: what the manifest names, and its signature.

    Raises:
        BundleError: it is not whole, or the camera has no use for it.
    """
    bundle = Bundle(path)
    if bundle.manifest.task == "text":
        raise BundleError(
            f"expected a bundle for pictures, which the camera runs. {path} is for task text: copy "
            "the folder to the board, and use edgecnn classify there"
        )
    names = [MANIFEST, *bundle.manifest.files]
    names += [SIGNATURE] if (path / SIGNATURE).is_file() else []
    return {name: path / name for name in sorted(set(names))}


def make(
    target: Target,
    wheels: Mapping[str, Path],
    bundle: Mapping[str, Path],
    camera: Sequence[str],
    memory_mb: int,
) -> Release:
    """The release of a bundle for a board.

    Args:
        wheels: by file name, as :func:`devices.wheelhouse.gather` gives them.
        bundle: by name, as :func:`bundle_files` gives them.
        camera: arguments of ``edgecnn camera`` after the bundle.
        memory_mb: of the board.
    """
    digests = {path: sha256_of(path) for path in {*wheels.values(), *bundle.values()}}
    facts = {
        "schema": SCHEMA,
        "edgecnn": __version__,
        "python": target.python,
        "architecture": target.architecture,
        "wheels": {name: digests[path] for name, path in wheels.items()},
        "pip": next(name for name in wheels if name.startswith("pip-")),
        "bundle": {name: digests[path] for name, path in bundle.items()},
        "camera": list(camera),
        "memory_max_mb": int(memory_mb * MEMORY_SHARE),
    }
    return Release(facts, {digest: path for path, digest in digests.items()})
