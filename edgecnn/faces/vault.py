"""What stands in a gallery's cells: the values themselves, or sealed by a key.

A key is a file of 32 random bytes or a passphrase (scrypt, RFC 7914). Each gallery has a salt of
its own; HKDF-SHA256 makes two keys of key and salt, one to seal with ChaCha20-Poly1305 (RFC 8439),
which boards without AES instructions compute fast as well, and one for HMAC-SHA256, by which a name
is found again without being readable. A sealed cell carries its place (table, column, row, person)
as associated data: cells that were swapped, or rows given to another person, do not open.

This needs the package ``cryptography``, which is imported only where a key is used.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import sqlite3
import stat
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from edgecnn.errors import GalleryError, StorageError, needs
from edgecnn.storage import sync_folder

FILE, PASSPHRASE = "file", "passphrase"

KEY_BYTES = SALT_BYTES = 32
NONCE_BYTES = 12

SCRYPT = {"n": 1 << 15, "r": 8, "p": 3}
"""OWASP's Password Storage Cheat Sheet, the choice of 32 MB: a board has that to spare."""

MOST_SCRYPT = {"n": 1 << 20, "r": 16, "p": 16}
"""More than this in a file is no choice of ours, but an attack on the board's memory."""

SHORTEST_PASSPHRASE = 12
"""Characters; whoever holds a copy of the file can try as many as they like."""

CHECK = b"edgecnn-gallery"


@dataclass(frozen=True)
class Key:
    """What opens an encrypted gallery: of :data:`KEY_BYTES`, or what somebody remembers."""

    kind: str
    secret: bytes = field(repr=False)


def read_key(path: str | Path) -> Key:
    """A key file: one line, base64 of 32 bytes, as :func:`new_key` and ``openssl rand`` write it.

    Raises:
        GalleryError: there is none, it is none, or others than its owner may read it.
    """
    try:
        with open(path, "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(1000)
    except OSError as e:
        raise GalleryError(
            f"the key file {path} cannot be read ({e.strerror}): check the path"
        ) from e
    if mode & 0o077:
        raise GalleryError(
            f"expected a key file that its owner alone can read. {path} has mode {mode:o}: "
            f"chmod 600 {path}"
        )
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise GalleryError(
            f"expected a key file of one line, base64 of {KEY_BYTES} bytes. {path} holds something "
            "else: name the file that edgecnn people encrypt made, or openssl rand -base64 32"
        )
    return Key(FILE, secret)


def new_key(path: str | Path) -> Key:
    """Make a key file, readable by its owner alone.

    Raises:
        StorageError: it exists, or cannot be written.
    """
    key = Key(FILE, os.urandom(KEY_BYTES))
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(handle, "wb") as file:
            file.write(base64.b64encode(key.secret) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(Path(path).parent)  # what it encrypts must not be there without it
    except OSError as e:
        raise StorageError(
            f"could not make the key file {path} ({e.strerror}): choose another place"
        ) from e
    return key


def passphrase(text: str) -> Key:
    """A passphrase as a key; accents in one form, so that any keyboard types the same."""
    return Key(PASSPHRASE, unicodedata.normalize("NFC", text).encode())


class Vault(Protocol):
    """How values become cells and back.

    ``place`` says which cell of which row it is, and whatever else of the row must not be changed.
    """

    def seal(self, value: bytes, *place: object) -> bytes:
        """Bytes as a cell."""

    def open(self, cell: Any, *place: object) -> bytes:
        """A cell of :meth:`seal`."""

    def seal_text(self, value: str, *place: object) -> str | bytes:
        """A text as a cell."""

    def open_text(self, cell: Any, *place: object) -> str:
        """A cell of :meth:`seal_text`."""

    def mark(self, text: str) -> str:
        """The same for the same text: to look it up by."""


class Plain:
    """Cells are the values."""

    def seal(self, value: bytes, *place: object) -> bytes:
        """The bytes themselves."""
        return value

    def open(self, cell: Any, *place: object) -> bytes:
        """The cell itself."""
        return bytes(cell)

    def seal_text(self, value: str, *place: object) -> str:
        """The text itself."""
        return value

    def open_text(self, cell: Any, *place: object) -> str:
        """The cell itself."""
        return str(cell)

    def mark(self, text: str) -> str:
        """The text itself."""
        return text


class Sealed:
    """Cells are 12 bytes of nonce, the ciphertext and 16 bytes of tag.

    Args:
        seal_key, mark_key: 32 bytes each.

    Raises:
        MissingExtra: the package ``cryptography`` is not installed.
        sqlite3.DatabaseError: from ``open`` and ``open_text``: another key, place or value.
    """

    def __init__(self, seal_key: bytes, mark_key: bytes):
        with needs("encrypt", "cryptography"):
            from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
        self._aead, self._mark_key = ChaCha20Poly1305(seal_key), mark_key

    def seal(self, value: bytes, *place: object) -> bytes:
        """The bytes sealed under a nonce of their own."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, value, _place(place))

    def open(self, cell: Any, *place: object) -> bytes:
        """What was sealed there."""
        from cryptography.exceptions import InvalidTag

        sealed = cell if isinstance(cell, bytes) else b""
        try:
            return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _place(place))
        except (InvalidTag, ValueError) as e:
            raise sqlite3.DatabaseError(
                f"the {place[1]} of a row in {place[0]} was not written there with this key"
            ) from e

    def seal_text(self, value: str, *place: object) -> bytes:
        """The text as UTF-8, sealed."""
        return self.seal(value.encode(), *place)

    def open_text(self, cell: Any, *place: object) -> str:
        """What was sealed there."""
        return self.open(cell, *place).decode()

    def mark(self, text: str) -> str:
        """HMAC-SHA256 under a key of its own, hexadecimal."""
        return hmac.new(self._mark_key, text.encode(), "sha256").hexdigest()


def _place(place: tuple[object, ...]) -> bytes:
    return json.dumps(place).encode()  # quoted, so that no two places read alike


def lock(key: Key, embedder_sha256: str) -> str:
    """For the table ``meta`` of a gallery that is encrypted from now on: how to open it.

    Raises:
        GalleryError: the key is a passphrase that is too short.
        MissingExtra: the package ``cryptography`` is not installed.
    """
    if key.kind == PASSPHRASE and len(key.secret.decode()) < SHORTEST_PASSPHRASE:
        raise GalleryError(
            f"expected a passphrase of {SHORTEST_PASSPHRASE} characters or more: whoever copies "
            "the file can try short ones; take five words at random"
        )
    facts: dict[str, Any] = {
        "cipher": "chacha20-poly1305",
        "key": key.kind,
        **({"scrypt": SCRYPT} if key.kind == PASSPHRASE else {}),
        "salt": os.urandom(SALT_BYTES).hex(),
    }
    check = _derive(key, json.dumps(facts)).seal(CHECK, "meta", "check", embedder_sha256, facts)
    return json.dumps({**facts, "check": check.hex()})


def unlock(path: Path, cipher: str | None, key: Key | None, embedder_sha256: str) -> Vault:
    """The vault of a gallery.

    Args:
        path: for messages.
        cipher: what stands in ``meta``, None in a plain gallery.

    Raises:
        GalleryError: no key for an encrypted gallery or one for a plain one, or not the right key.
        MissingExtra: the package ``cryptography`` is not installed.
        sqlite3.DatabaseError: ``cipher`` is damaged.
    """
    if cipher is None:
        if key is not None:
            raise GalleryError(
                f"a key was given, and {path} is not encrypted: leave the key out, or encrypt it "
                "with edgecnn people encrypt"
            )
        return Plain()
    try:
        facts = json.loads(cipher)
        check = bytes.fromhex(facts.pop("check"))
        kind, cost = facts["key"], facts.get("scrypt", SCRYPT)
        known = facts["cipher"] == "chacha20-poly1305" and kind in (FILE, PASSPHRASE)
        if not known or any(not 1 <= cost[k] <= most for k, most in MOST_SCRYPT.items()):
            raise ValueError
        if cost["n"] == 1 or cost["n"] & (cost["n"] - 1):
            raise ValueError("scrypt's n is a power of two, and more than one")
        bytes.fromhex(facts["salt"])
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise sqlite3.DatabaseError("how it is encrypted cannot be read") from e
    option = {FILE: "--key-file", PASSPHRASE: "--ask-passphrase"}
    if key is None:
        raise GalleryError(f"{path} is encrypted: give its key by {option[kind]}")
    if key.kind != kind:
        raise GalleryError(
            f"{path} is encrypted with a {kind}, {option[key.kind]} gives another kind of key: "
            f"use {option[kind]}"
        )
    vault = _derive(key, json.dumps(facts))
    try:
        vault.open(check, "meta", "check", embedder_sha256, facts)
    except sqlite3.DatabaseError as e:
        raise GalleryError(
            f"this {'key file' if kind == FILE else kind} does not open {path}: give the one that "
            "it was encrypted with; without it, enroll everybody again from photos"
        ) from e
    return vault


@lru_cache(maxsize=4)  # scrypt is meant to be slow, and a command opens a gallery twice
def _derive(key: Key, facts: str) -> Sealed:
    with needs("encrypt", "cryptography"):
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    known = json.loads(facts)
    salt, master = bytes.fromhex(known["salt"]), key.secret
    if key.kind == PASSPHRASE:
        master = Scrypt(salt, KEY_BYTES, **known["scrypt"]).derive(master)
    both = HKDF(SHA256(), 2 * KEY_BYTES, salt, b"edgecnn gallery").derive(master)
    return Sealed(both[:KEY_BYTES], both[KEY_BYTES:])
