"""``edgecnn enroll`` and ``edgecnn people`` as they are typed."""

import json
import os

import face_doubles as fake
import pytest
from face_doubles import ANN, BOB, face, scene

from edgecnn.faces.embed import fingerprint
from edgecnn.faces.gallery import Gallery


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    return fake.bundle(tmp_path / "bundle", monkeypatch)


@pytest.fixture
def photos(tmp_path):
    return {
        name: [fake.save(tmp_path / name / f"{i}.png", fake.portrait(t, i)) for i in range(2)]
        for name, t in (("Ann", ANN), ("Bob", BOB))
    }


def test_enroll_and_list(edgecnn, bundle, photos, tmp_path):
    empty = fake.save(tmp_path / "empty.png", scene())
    code, out, _ = edgecnn("enroll", bundle.path, "Ann", *photos["Ann"], empty)
    assert code == 0
    lines = out.splitlines()
    assert lines[:3] == ["0.png: used", "1.png: used", "empty.png: no face: none was found"]
    assert lines[3].startswith("Ann: 2 of 3 photos used")
    edgecnn("enroll", bundle.path, "Bob", *photos["Bob"])
    code, out, _ = edgecnn("people", "list", bundle.path)
    assert code == 0
    assert [line.partition(",")[0] for line in out.splitlines()] == [
        "Ann: 2 photos",
        "Bob: 2 photos",
    ]
    listed = json.loads(edgecnn("people", "list", bundle.path, "--json")[1])
    assert [p["name"] for p in listed] == ["Ann", "Bob"]
    assert set(listed[0]) == {"name", "embeddings", "quality", "since", "negatives"}


def test_no_usable_photo_writes_nothing_and_exits_2(edgecnn, bundle, tmp_path):
    empty = fake.save(tmp_path / "empty.png", scene())
    code, out, err = edgecnn("enroll", bundle.path, "Ann", empty, tmp_path / "missing.png")
    assert code == 2 and "missing.png: unreadable" in out
    assert err.count("\n") == 1 and "nothing was written" in err
    assert not bundle.gallery.exists()


def test_another_spelling_of_somebody_is_told_as_such(edgecnn, bundle, photos):
    edgecnn("enroll", bundle.path, "Ann", photos["Ann"][0])
    code, _, err = edgecnn("enroll", bundle.path, "ann", photos["Ann"][1])
    assert code == 2 and "'ann' is the same but for its case" in err and err.count("\n") == 1
    code, out, err = edgecnn("enroll", bundle.path, "Eve", photos["Ann"][1])
    assert code == 2 and "looks like Ann" in out and "--force" in err
    with Gallery(bundle.gallery) as gallery:
        assert [p.name for p in gallery.people()] == ["Ann"]


def test_a_photo_whose_name_cannot_be_written_down(edgecnn, bundle, tmp_path):
    odd = tmp_path / os.fsdecode(b"caf\xe9.png")
    fake.save(tmp_path / "a.png", fake.portrait(ANN)).rename(odd)
    with Gallery(bundle.gallery, fingerprint(bundle), create=True) as gallery:
        gallery.add("Bob", fake.embed_photo(face(BOB)))
    for words in (("enroll", bundle.path, "Ann"), ("teach", bundle.path, "--not", "Bob")):
        code, _, err = edgecnn(*words, odd)
        assert code == 2 and "rename it" in err and err.count("\n") == 1


def test_rename_and_forget(edgecnn, bundle, photos):
    for name, files in photos.items():
        edgecnn("enroll", bundle.path, name, *files)
    assert edgecnn("people", "rename", bundle.path, "Ann", "Zoe")[0] == 0
    code, _, err = edgecnn("people", "rename", bundle.path, "Zoe", "Bob")
    assert code == 2 and "Bob is enrolled already" in err
    code, out, _ = edgecnn("people", "forget", bundle.path, "Zoe", "Bob")
    assert code == 0 and out.startswith("forgotten: Zoe, Bob (4 embeddings)\n")
    code, _, err = edgecnn("people", "forget", bundle.path, "Zoe")
    assert code == 2 and "nobody called 'Zoe'" in err
    assert edgecnn("people", "list", bundle.path)[1].startswith("nobody is enrolled")


def test_export_and_import(edgecnn, bundle, photos, tmp_path):
    edgecnn("enroll", bundle.path, "Ann", *photos["Ann"])
    file = tmp_path / "people.json"
    assert edgecnn("people", "export", bundle.path, file)[0] == 0
    bundle.gallery.unlink()
    (tmp_path / "none.json").write_text("{}")
    code, _, err = edgecnn("people", "import", bundle.path, tmp_path / "none.json")
    assert code == 2 and "is not a file of edgecnn people export" in err
    assert not bundle.gallery.exists()
    code, out, _ = edgecnn("people", "import", bundle.path, file)
    assert code == 0 and out.startswith("2 embeddings are new")
    assert edgecnn("people", "import", bundle.path, file)[1].startswith("0 embeddings")


def test_the_gallery_by_option_by_environment_and_by_itself(
    edgecnn, bundle, photos, tmp_path, monkeypatch
):
    elsewhere = tmp_path / "elsewhere.sqlite"
    edgecnn("enroll", bundle.path, "Ann", *photos["Ann"], "--gallery", elsewhere)
    assert not bundle.gallery.exists()
    assert json.loads(edgecnn("people", "list", bundle.path, "--json")[1]) == []
    assert edgecnn("people", "list", elsewhere)[1].startswith("Ann: 2 photos")
    monkeypatch.setenv("EDGECNN_GALLERY", str(elsewhere))
    assert edgecnn("people", "list", bundle.path)[1].startswith("Ann: 2 photos")
    other = tmp_path / "other.sqlite"
    edgecnn("enroll", bundle.path, "Bob", *photos["Bob"], "--gallery", other)
    assert edgecnn("people", "forget", other, "Bob")[0] == 0
    assert edgecnn("people", "list", other)[1].startswith("nobody")
    code, _, err = edgecnn("people", "list", other, "--gallery", elsewhere)
    assert code == 2 and "leave one out" in err


def test_a_gallery_that_is_not_there_and_one_of_another_embedder(edgecnn, bundle, tmp_path):
    code, _, err = edgecnn("people", "list", bundle.path, "--gallery", tmp_path / "none")
    assert code == 2 and "there is no gallery" in err
    with Gallery(bundle.gallery, "00" * 32, create=True):
        pass
    code, _, err = edgecnn("people", "list", bundle.path)
    assert code == 2 and err.count("\n") == 1
    assert "000000000000" in err and fingerprint(bundle)[:12] in err


def test_a_bundle_that_is_none(edgecnn, tmp_path):
    code, _, err = edgecnn("people", "list", tmp_path)
    assert code == 2 and "expected a bundle" in err


@pytest.mark.parametrize("name", [(), *[(c,) for c in ("list", "rename", "forget", "export")]])
def test_help_ends_in_an_example(edgecnn, name):
    code, out, _ = edgecnn("people", *name, "--help")
    assert code == 0 and "Example:" in out
