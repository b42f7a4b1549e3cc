"""``edgecnn people encrypt``, ``decrypt`` and ``rekey``, and every command behind a key."""

import io
import json
import sqlite3
import stat

import camera_tools
import face_doubles as fake
import pytest
from camera_tools import make_video
from face_doubles import ANN, BOB

from edgecnn.camera import app
from edgecnn.faces.gallery import Gallery

WORDS = "correct horse battery staple"


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    return fake.bundle(tmp_path / "bundle", monkeypatch)


@pytest.fixture
def photo(tmp_path):
    return fake.save(tmp_path / "Ann.png", fake.portrait(ANN, 0))


@pytest.fixture
def key(tmp_path):
    return tmp_path / "household.key"


def one_line(result, *says):
    code, _, err = result
    assert code == 2 and err.count("\n") == 1, err
    for text in says:
        assert text in err
    return True


def typed(monkeypatch, text):
    """What comes on the standard input, which is no terminal."""
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_encrypt_makes_the_key_file_and_commands_take_it(edgecnn, bundle, photo, key, tmp_path):
    edgecnn("enroll", bundle.path, "Ann", photo)
    code, out, _ = edgecnn("people", "encrypt", bundle.path, "--key-file", key)
    assert code == 0 and f"made {key}: keep a copy of it" in out and "is encrypted" in out
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert b"Ann" not in bundle.gallery.read_bytes()
    other = fake.save(tmp_path / "other.png", fake.portrait(BOB, 1))
    with_key = ("--key-file", key)
    assert edgecnn("people", "list", bundle.path, *with_key)[1].startswith("Ann: 1 photo")
    assert edgecnn("enroll", bundle.path, "Bob", other, *with_key)[0] == 0
    assert edgecnn("people", "rename", bundle.path, "Bob", "Cid", *with_key)[0] == 0
    sister = fake.save(tmp_path / "sister.png", fake.portrait(BOB, 5))
    assert edgecnn("teach", bundle.path, "--not", "Ann", sister, *with_key)[0] == 0
    assert edgecnn("teach", bundle.path, "--not", "Ann", sister, "--remove", *with_key)[0] == 0
    code, out, _ = edgecnn("people", "export", bundle.path, tmp_path / "p.json", *with_key)
    assert code == 0 and "which is not encrypted" in out
    assert stat.S_IMODE((tmp_path / "p.json").stat().st_mode) == 0o600
    assert edgecnn("people", "import", bundle.path, tmp_path / "p.json", *with_key)[0] == 0
    assert edgecnn("people", "forget", bundle.path, "Cid", *with_key)[0] == 0
    assert edgecnn("people", "decrypt", bundle.path, *with_key)[0] == 0
    assert b"Ann" in bundle.gallery.read_bytes()


def test_the_environment_names_the_key_file(edgecnn, bundle, photo, key, monkeypatch):
    monkeypatch.setenv("EDGECNN_KEY_FILE", str(key))
    edgecnn("enroll", bundle.path, "Ann", photo)  # there is no such key file yet
    assert not bundle.gallery.exists()
    monkeypatch.delenv("EDGECNN_KEY_FILE")
    edgecnn("enroll", bundle.path, "Ann", photo)
    monkeypatch.setenv("EDGECNN_KEY_FILE", str(key))
    assert edgecnn("people", "encrypt", bundle.path)[0] == 0
    assert edgecnn("people", "list", bundle.path)[1].startswith("Ann: 1 photo")


def test_a_gallery_that_enroll_makes_with_a_key_is_encrypted(edgecnn, bundle, photo, key):
    from edgecnn.faces.vault import new_key

    new_key(key)
    assert edgecnn("enroll", bundle.path, "Ann", photo, "--key-file", key)[0] == 0
    assert b"Ann" not in bundle.gallery.read_bytes()
    assert one_line(edgecnn("people", "list", bundle.path), "is encrypted: give its key")


def test_a_passphrase_is_read_from_the_standard_input(edgecnn, bundle, photo, monkeypatch):
    edgecnn("enroll", bundle.path, "Ann", photo)
    typed(monkeypatch, f"{WORDS}\n")
    assert edgecnn("people", "encrypt", bundle.path, "--ask-passphrase")[0] == 0
    typed(monkeypatch, f"{WORDS}\n")
    code, out, _ = edgecnn("people", "list", bundle.path, "--ask-passphrase")
    assert code == 0 and out.startswith("Ann: 1 photo")
    typed(monkeypatch, "another one altogether\n")
    assert one_line(
        edgecnn("people", "list", bundle.path, "--ask-passphrase"), "this passphrase does not open"
    )
    typed(monkeypatch, f"{WORDS}\nsix new words at random today\n")
    rekey = ("people", "rekey", bundle.path, "--ask-passphrase", "--ask-new-passphrase")
    assert edgecnn(*rekey)[0] == 0
    typed(monkeypatch, "six new words at random today\n")
    assert edgecnn("people", "list", bundle.path, "--ask-passphrase")[0] == 0


def test_a_short_passphrase(edgecnn, bundle, photo, monkeypatch):
    edgecnn("enroll", bundle.path, "Ann", photo)
    typed(monkeypatch, "\n")
    assert one_line(
        edgecnn("people", "encrypt", bundle.path, "--ask-passphrase"), "of 12 characters or more"
    )
    assert edgecnn("people", "list", bundle.path)[1].startswith("Ann: 1 photo")


def test_rekey(edgecnn, bundle, photo, key, tmp_path):
    edgecnn("enroll", bundle.path, "Ann", photo)
    edgecnn("people", "encrypt", bundle.path, "--key-file", key)
    new = tmp_path / "next.key"
    wrong = fake_key(tmp_path / "wrong.key")
    change = ("people", "rekey", bundle.path, "--new-key-file", new, "--key-file")
    assert one_line(edgecnn(*change, wrong), "this key file does not open")
    assert not new.exists()
    assert edgecnn(*change, key)[0] == 0
    assert one_line(edgecnn("people", "list", bundle.path, "--key-file", key), "does not open")
    assert edgecnn("people", "list", bundle.path, "--key-file", new)[0] == 0


def fake_key(path):
    from edgecnn.faces.vault import new_key

    new_key(path)
    return path


def test_what_is_wrong_with_a_key_is_one_line_and_exit_2(edgecnn, bundle, photo, key, tmp_path):
    edgecnn("enroll", bundle.path, "Ann", photo)
    people = ("people", "list", bundle.path)
    assert one_line(edgecnn(*people, "--key-file", fake_key(key)), "is not encrypted")
    assert one_line(edgecnn("people", "decrypt", bundle.path), "is not encrypted")
    rekey = ("people", "rekey", bundle.path, "--new-key-file", tmp_path / "b")
    assert one_line(edgecnn(*rekey), "is not encrypted")
    assert one_line(edgecnn("people", "encrypt", bundle.path), "expected one key")
    edgecnn("people", "encrypt", bundle.path, "--key-file", key)
    assert one_line(edgecnn("people", "encrypt", bundle.path, "--key-file", key), "already")
    assert one_line(edgecnn(*people), "is encrypted", "--key-file")
    assert one_line(edgecnn(*people, "--key-file", tmp_path / "none"), "cannot be read")
    assert one_line(edgecnn(*people, "--key-file", fake_key(tmp_path / "c")), "does not open")
    assert one_line(edgecnn(*people, "--key-file", key, "--ask-passphrase"), "expected one key")
    key.chmod(0o644)
    assert one_line(edgecnn(*people, "--key-file", key), "chmod 600")
    key.chmod(0o600)
    db = sqlite3.connect(bundle.gallery)
    with db:
        db.execute("UPDATE embeddings SET quality = 1")
    db.close()
    assert one_line(edgecnn(*people, "--key-file", key), "was not written there with this key")


def test_a_camera_takes_the_key(edgecnn, bundle, photo, key, tmp_path, monkeypatch):
    edgecnn("enroll", bundle.path, "Ann", photo)
    edgecnn("people", "encrypt", bundle.path, "--key-file", key)
    clip, seen = make_video(tmp_path / "clip.mp4", 3), []

    def load(checked, gallery, threads, strangers, missed, key, note):
        with Gallery(gallery or checked.gallery, key=key) as people:
            seen.extend(p.name for p in people.people())
        return lambda image_bgr, time_s: [camera_tools.face("Ann")]

    monkeypatch.setattr(app, "load", load)
    camera = ("camera", bundle.path, "--source", clip, "--events", "-")
    assert one_line(edgecnn(*camera), "is encrypted: give its key by --key-file")
    code, out, _ = edgecnn(*camera, "--key-file", key)
    assert code == 0 and seen == ["Ann"]
    assert {json.loads(line)["name"] for line in out.splitlines()} == {"Ann"}


@pytest.mark.parametrize("name", ["encrypt", "decrypt", "rekey", "forget", "traces"])
def test_no_option_takes_a_secret(edgecnn, name):
    code, out, _ = edgecnn("people", name, "--help")
    assert code == 0 and "Example:" in out
    assert "passphrase TEXT" not in out and "--key TEXT" not in out
