"""An encrypted gallery: what stands in its file, what opens it, and what does not."""

import base64
import hashlib
import hmac
import json
import sqlite3
import stat
import sys

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from edgecnn.errors import GalleryError, MissingExtra, StorageError
from edgecnn.faces import vault
from edgecnn.faces.adapt import Adaptation
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.types import Sample
from edgecnn.faces.vault import FILE, Key, new_key, passphrase, read_key

SHA = "ab" * 32
KEY, OTHER = Key(FILE, bytes(range(32))), Key(FILE, bytes(32))
WORDS = passphrase("correct horse battery staple")


def embedding(seed, dimension=32):
    vector = np.random.default_rng(seed).normal(size=dimension).astype(np.float32)
    return vector / np.linalg.norm(vector)


def fill(gallery):
    """Zoë with two photos and a look-alike, Bob with one, and an adaptation."""
    gallery.add("Zoë Quux", embedding(1), 0.9, "zoë-one.jpg")
    gallery.add("Zoë Quux", embedding(2), 0.8, "zoë-two.jpg")
    gallery.add("Bob", embedding(3), 0.7, "bob.jpg")
    gallery.teach(Sample("Zoë Quux", embedding(4), 0.6, "sister.jpg"))
    gallery.adapt(Adaptation(matrix(), 0.01, {"photos": 3}))


def matrix():
    return np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)


TRACES = [
    b"Quux", b"quux", "Zoë".encode(), "zoë".encode(), b"Bob", b"bob", b"sister", b"photos",
    *(embedding(i).tobytes()[j : j + 16] for i in (1, 2, 3, 4) for j in range(0, 128, 16)),
    *(matrix().tobytes()[j : j + 16] for j in range(0, 4096, 16)),
]  # fmt: skip


def traces_in(folder):
    everything = b"".join(p.read_bytes() for p in folder.iterdir())
    return [t for t in TRACES if t in everything]


def state(gallery):
    """All that a gallery says."""
    samples = [
        (s.name, s.embedding.tobytes(), s.quality, s.source, s.created)
        for s in (*gallery.samples(), *gallery.negatives())
    ]
    adaptation = gallery.adaptation()
    return (
        samples,
        gallery.people(),
        (adaptation.matrix.tobytes(), adaptation.shift, adaptation.facts),
    )


@pytest.fixture
def plain(tmp_path):
    """A filled gallery that is not encrypted."""
    with Gallery(tmp_path / "gallery.sqlite", SHA, create=True) as gallery:
        fill(gallery)
    return tmp_path / "gallery.sqlite"


@pytest.fixture
def sealed(plain):
    with Gallery(plain, SHA) as gallery:
        gallery.relock(KEY)
    return plain


def test_nothing_of_anybody_stands_in_the_file(plain, tmp_path):
    assert len(traces_in(tmp_path)) >= len(TRACES) - 2  # a map runs over the edge of a page
    with Gallery(plain, SHA) as gallery:
        before = state(gallery)
        gallery.relock(KEY)
        assert gallery.encrypted and state(gallery) == before
    assert traces_in(tmp_path) == [] and [p.name for p in tmp_path.iterdir()] == [plain.name]
    with Gallery(plain, SHA, key=KEY) as again:
        assert state(again) == before
        assert again.index().best(embedding(3))[0] == "Bob"


def test_decrypted_it_is_what_it_was(plain):
    with Gallery(plain, SHA) as gallery:
        before = state(gallery)
        gallery.relock(KEY)
        gallery.relock(None)
    with Gallery(plain, SHA) as again:
        assert not again.encrypted and state(again) == before


def test_a_new_gallery_is_sealed_from_its_first_byte(tmp_path):
    with Gallery(tmp_path / "new.sqlite", SHA, create=True, key=KEY) as gallery:
        fill(gallery)
        assert gallery.encrypted
    assert traces_in(tmp_path) == []
    assert stat.S_IMODE((tmp_path / "new.sqlite").stat().st_mode) == 0o600


def test_everything_works_behind_a_key(sealed, tmp_path):
    with Gallery(sealed, SHA, key=KEY) as gallery:
        with pytest.raises(GalleryError, match="did you mean 'Bob'"):
            gallery.check("BOB")
        with pytest.raises(GalleryError, match="same but for its case"):
            gallery.add("bob", embedding(9))
        with pytest.raises(GalleryError, match="Bob is enrolled already"):
            gallery.rename("Zoë Quux", "BOB")
        assert gallery.add_all([Sample("Bob", embedding(3))]) == 0  # there already, to the bit
        with pytest.raises(GalleryError, match=r"is enrolled with \(bob\.jpg\)"):
            gallery.teach(Sample("Bob", embedding(3), source="again.jpg"))
        assert gallery.unteach("Zoë Quux", "sister.jpg") == 1
        gallery.rename("Bob", "Cid")
        assert gallery.forget("Zoë Quux") == 2
        assert [p.name for p in gallery.people()] == ["Cid"]
    assert traces_in(tmp_path) == []


def test_who_has_it_open_goes_on_with_the_key_and_ends_without(plain):
    with (
        Gallery(plain, SHA) as keyless,
        Gallery(plain, SHA) as at_work,
        Gallery(plain, SHA, key=OTHER) as early,
    ):
        assert keyless.index().people == ["Bob", "Zoë Quux"] and not keyless.changed()
        with pytest.raises(GalleryError, match=r"a key was given, and .* is not encrypted"):
            early.people()
        at_work.relock(OTHER)
        assert keyless.changed()
        with pytest.raises(GalleryError, match=r"is encrypted: give its key by --key-file"):
            keyless.index()
        with pytest.raises(GalleryError, match="is encrypted"):
            keyless.add("Eve", embedding(9))
        assert [p.name for p in early.people()] == ["Bob", "Zoë Quux"]
        at_work.add("Cid", embedding(8))
        assert early.index().people == ["Bob", "Cid", "Zoë Quux"]


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (None, "give its key by --key-file"),
        (OTHER, "this key file does not open"),
        (WORDS, "encrypted with a file, --ask-passphrase gives another kind"),
    ],
)
def test_the_wrong_key_is_one_line_and_changes_nothing(sealed, key, says):
    before = sealed.read_bytes()
    with Gallery(sealed, SHA, key=key) as gallery:
        for attempt in (
            gallery.people, gallery.index, lambda: gallery.check("Bob"),
            lambda: gallery.add("Eve", embedding(9)), lambda: gallery.forget("Bob"),
            lambda: gallery.relock(None), lambda: gallery.relock(OTHER),
        ):  # fmt: skip
            with pytest.raises(GalleryError, match=says) as e:
                attempt()
            assert "\n" not in str(e.value)
    assert sealed.read_bytes() == before


def test_a_passphrase(plain):
    with Gallery(plain, SHA) as gallery:
        before = state(gallery)
        gallery.relock(WORDS)
    with Gallery(plain, SHA, key=passphrase("correct horse battery staple")) as gallery:
        assert state(gallery) == before
    with (
        Gallery(plain, SHA, key=passphrase("correct horse battery stable")) as gallery,
        pytest.raises(GalleryError, match="this passphrase does not open"),
    ):
        gallery.people()
    assert passphrase("Zoe\u0308") == passphrase("Zoë")


def test_a_short_passphrase_is_refused_and_the_gallery_stays_plain(plain):
    with Gallery(plain, SHA) as gallery:
        before = state(gallery)
        with pytest.raises(GalleryError, match="expected a passphrase of 12 characters or more"):
            gallery.relock(passphrase("hunter2"))
        assert not gallery.encrypted and state(gallery) == before


@pytest.mark.parametrize(
    ("pragma", "says"), [("max_page_count=1", "free some space"), ("query_only=ON", "permissions")]
)
def test_a_change_of_key_that_cannot_be_written_changes_nothing(plain, tmp_path, pragma, says):
    with Gallery(plain, SHA) as gallery:
        gallery.add_all([Sample("Many", embedding(100 + i)) for i in range(100)])  # it has to grow
        gallery.adapt(Adaptation(matrix()))
        known, before = state(gallery), plain.read_bytes()
        gallery._file.do(f"PRAGMA {pragma}")  # as a full disk and a read-only one say it
        with pytest.raises(StorageError, match=says):
            gallery.relock(KEY)
        assert not gallery.encrypted and state(gallery) == known
    assert plain.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [plain.name]
    with Gallery(plain, SHA) as again:
        assert state(again) == known


def test_an_old_key_opens_no_more(sealed):
    with Gallery(sealed, SHA, key=KEY) as gallery:
        before = state(gallery)
        gallery.relock(OTHER)
        assert state(gallery) == before
    with Gallery(sealed, SHA, key=OTHER) as gallery:
        assert state(gallery) == before
    with (
        Gallery(sealed, SHA, key=KEY) as gallery,
        pytest.raises(GalleryError, match="does not open"),
    ):
        gallery.people()


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE embeddings SET vector = (SELECT vector FROM embeddings WHERE id = 3) WHERE id = 1",
        "UPDATE embeddings SET person = 2 WHERE id = 1",
        "UPDATE embeddings SET quality = 1 WHERE id = 3",
        "UPDATE embeddings SET created = '2020-01-01T00:00:00Z' WHERE id = 3",
        "UPDATE embeddings SET id = 9 WHERE id = 3",
        "UPDATE embeddings SET source = vector WHERE id = 1",
        "UPDATE embeddings SET vector = zeroblob(128) WHERE id = 1",
        "UPDATE embeddings SET vector = x'' WHERE id = 1",
        "UPDATE negatives SET vector = (SELECT vector FROM embeddings WHERE id = 1)",
        "INSERT INTO embeddings SELECT 9, 1, vector, quality, source, created FROM negatives",
        "UPDATE people SET name = 'Mallory' WHERE id = 1",
        "UPDATE people SET id = 3 WHERE id = 2",
        "UPDATE people SET folded = 'mallory' WHERE id = 1",
        "UPDATE adaptation SET shift = 0.5",
        "UPDATE adaptation SET facts = map",
    ],
)
def test_rows_that_somebody_else_changed_do_not_open(sealed, attack):
    db = sqlite3.connect(sealed)
    with db:
        assert db.execute(attack).rowcount
    db.close()
    with Gallery(sealed, SHA, key=KEY) as gallery, pytest.raises(GalleryError) as e:
        gallery.index()
    assert "was not written there with this key" in str(e.value) and "\n" not in str(e.value)


def _cipher(path, change):
    db = sqlite3.connect(path)
    with db:
        (text,) = db.execute("SELECT value FROM meta WHERE key = 'cipher'").fetchone()
        db.execute("UPDATE meta SET value = ? WHERE key = 'cipher'", (change(text),))
    db.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "{",
        lambda text: "[]",
        lambda text: json.dumps({**json.loads(text), "cipher": "rot13"}),
        lambda text: json.dumps({**json.loads(text), "salt": 5}),
        lambda text: json.dumps(
            {**json.loads(text), "key": "passphrase", "scrypt": {"n": 1 << 40, "r": 8, "p": 1}}
        ),
        lambda text: json.dumps(
            {**json.loads(text), "key": "passphrase", "scrypt": {"n": 3, "r": 8, "p": 1}}
        ),
    ],
)
def test_a_spoilt_cipher_is_one_line_and_takes_no_memory(sealed, change):
    _cipher(sealed, change)
    with (
        Gallery(sealed, SHA, key=KEY) as gallery,
        pytest.raises(GalleryError, match="how it is encrypted cannot be read"),
    ):
        gallery.people()


def test_a_gallery_made_plain_by_somebody_else_is_noticed(sealed):
    # Whoever can write to the file can put another in its place; with a key that is told.
    db = sqlite3.connect(sealed)
    with db:
        db.execute("DELETE FROM meta WHERE key = 'cipher'")
    db.close()
    with (
        Gallery(sealed, SHA, key=KEY) as gallery,
        pytest.raises(GalleryError, match="is not encrypted"),
    ):
        gallery.people()


def test_embeddings_of_nobody_are_damage(plain):
    db = sqlite3.connect(plain)
    with db:
        db.execute("DELETE FROM people WHERE id = 2")
    db.close()
    with Gallery(plain, SHA) as gallery, pytest.raises(GalleryError, match="of nobody"):
        gallery.index()


def test_an_older_edgecnn_refuses_it_by_its_schema(sealed):
    db = sqlite3.connect(sealed)
    assert db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() == ("3",)
    db.close()


def _derived(master, salt, length=64):
    """HKDF-SHA256 by RFC 5869, with the standard library alone."""
    extracted = hmac.new(salt, master, "sha256").digest()
    out = block = b""
    for i in range(1, length // 32 + 1):
        block = hmac.new(extracted, block + b"edgecnn gallery" + bytes([i]), "sha256").digest()
        out += block
    return out[:32], out[32:]


@pytest.mark.parametrize("key", [KEY, WORDS], ids=["file", "passphrase"])
def test_another_program_can_read_it_by_the_documents(plain, key):
    """docs/formats.md, followed with other means than ours."""
    with Gallery(plain, SHA) as gallery:
        gallery.relock(key)
    db = sqlite3.connect(plain)
    facts = json.loads(db.execute("SELECT value FROM meta WHERE key = 'cipher'").fetchone()[0])
    salt, master = bytes.fromhex(facts["salt"]), key.secret
    if facts["key"] == "passphrase":
        cost = facts["scrypt"]
        master = hashlib.scrypt(master, salt=salt, dklen=32, maxmem=1 << 27, **cost)
    seal_key, mark_key = _derived(master, salt)

    def opened(cell, *place):
        place = json.dumps(place).encode()
        return ChaCha20Poly1305(seal_key).decrypt(cell[:12], cell[12:], place)

    number, name, mark = db.execute("SELECT id, name, folded FROM people WHERE id = 1").fetchone()
    assert opened(name, "people", "name", number, mark).decode() == "Zoë Quux"
    assert mark == hmac.new(mark_key, "zoë quux".encode(), "sha256").hexdigest()
    cell, *row = db.execute(
        "SELECT vector, id, person, quality, created FROM embeddings WHERE id = 3"
    ).fetchone()
    assert opened(cell, "embeddings", "vector", *row) == embedding(3).tobytes()
    db.close()


def test_key_files(tmp_path):
    path = tmp_path / "household.key"
    key = new_key(path)
    assert read_key(path) == key and len(key.secret) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert base64.b64decode(path.read_bytes()) == key.secret
    assert key.secret.hex() not in repr(key) and str(key.secret) not in repr(key)
    with pytest.raises(StorageError, match="could not make the key file"):
        new_key(path)
    for mode in (0o640, 0o604, 0o666):
        path.chmod(mode)
        with pytest.raises(GalleryError, match=f"has mode {mode:o}: chmod 600"):
            read_key(path)


@pytest.mark.parametrize("content", [b"", b"\n", b"correct horse", b"AAAA", bytes(range(200, 232))])
def test_files_that_hold_no_key(tmp_path, content):
    path = tmp_path / "a.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(GalleryError, match="expected a key file of one line"):
        read_key(path)
    with pytest.raises(GalleryError, match="check the path"):
        read_key(tmp_path / "none")


def test_without_the_package_plain_galleries_work_and_encrypted_ones_say_what_to_install(
    sealed, tmp_path, monkeypatch
):
    for name in [n for n in sys.modules if n.partition(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)

    class Absent:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == "cryptography":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    vault._derive.cache_clear()
    with Gallery(tmp_path / "plain.sqlite", SHA, create=True) as gallery:
        fill(gallery)
        assert gallery.index().people == ["Bob", "Zoë Quux"]
        with pytest.raises(MissingExtra, match=r"pip install 'edgecnn\[encrypt\]'"):
            gallery.relock(KEY)
        assert gallery.index().people == ["Bob", "Zoë Quux"]
    with (
        Gallery(sealed, SHA, key=KEY) as gallery,
        pytest.raises(MissingExtra, match=r"pip install 'edgecnn\[encrypt\]'"),
    ):
        gallery.people()
