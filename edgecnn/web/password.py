"""The one password of the page: its Argon2 hash in a file that its owner alone can read."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import Any

from edgecnn.errors import DataError, StorageError, needs
from edgecnn.storage import storing

SHORTEST, LONGEST = 10, 256
"""Characters. NIST SP 800-63B-4 asks for 15 where a password is all there is and for 8 beside
something else; attempts are counted here (:mod:`edgecnn.web.throttle`). The longest bounds what one
attempt can cost."""

HASH: dict[str, Any] = {"time_cost": 2, "memory_cost": 19 * 1024, "parallelism": 1}
"""Argon2id as OWASP's Password Storage Cheat Sheet recommends at least: 19 MiB, two passes. The
library's own choice takes 64 MiB, an eighth of a Pi Zero 2 W's memory."""

FILE = "web-password"


def usual_place() -> Path:
    """Where the hash stands: in the user's folder, not in the bundle, which travels."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "edgecnn" / FILE


class Password:
    """A password that is set once, checked, and changed.

    Args:
        path: of its hash; need not exist.

    Raises:
        StorageError: there is a file that cannot be read, or that is no hash.
    """

    def __init__(self, path: Path):
        with needs("web", "argon2"):
            import argon2
        self.path = path
        self._argon2: Any = argon2
        self._hasher = argon2.PasswordHasher(**HASH)
        # One at a time: many attempts at once would take 19 MiB each.
        self._lock = threading.Lock()
        self._hash = self._read()

    def _read(self) -> str:
        try:
            text = self.path.read_text("ascii").strip()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as e:
            raise StorageError(
                f"{self.path}, the page's password, cannot be read ({e}): remove it, and set "
                "another password at the next start"
            ) from e
        try:
            self._argon2.extract_parameters(text)
        except self._argon2.exceptions.InvalidHashError as e:
            raise StorageError(
                f"expected the hash of the page's password. {self.path} holds none: remove it, "
                "and set another password at the next start"
            ) from e
        return text

    @property
    def is_set(self) -> bool:
        """Whether there is one."""
        return bool(self._hash)

    def set_first(self, text: str) -> None:
        """Set the first password.

        Raises:
            DataError: too short or too long, or there is one already.
            StorageError: it could not be written.
        """
        with self._lock:
            if self.is_set:
                raise DataError("a password is set already: log in with it")
            self._write(text, first=True)

    def change(self, old: str, new: str) -> None:
        """Set another password.

        Raises:
            DataError: ``old`` is not the password, or ``new`` is too short or too long.
            StorageError: it could not be written; the old one holds.
        """
        if not self.check(old):
            raise DataError("the present password is another one: type it again")
        with self._lock:
            self._write(new, first=False)

    def check(self, text: str) -> bool:
        """Whether this is the password; takes its time by design."""
        with self._lock:
            if not self._hash or len(text) > LONGEST:
                return False
            try:
                return bool(self._hasher.verify(self._hash, text))
            except self._argon2.exceptions.VerificationError:
                return False

    def _write(self, text: str, first: bool) -> None:
        if not SHORTEST <= len(text) <= LONGEST:
            raise DataError(
                f"expected a password of {SHORTEST} to {LONGEST} characters. Received: "
                f"{len(text)}: some words in a row are easy to keep in mind"
            )
        hashed = self._hasher.hash(text)
        with storing(self.path):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # mkstemp's files are their owner's alone from the start.
            handle, draft = tempfile.mkstemp(prefix=f".{FILE}-", dir=self.path.parent)
            try:
                with os.fdopen(handle, "w") as f:
                    f.write(f"{hashed}\n")
                    f.flush()
                    os.fsync(f.fileno())
                if first:
                    os.link(draft, self.path)  # fails where another process was quicker
                else:
                    os.replace(draft, self.path)
            finally:
                Path(draft).unlink(missing_ok=True)
        self._hash = hashed
