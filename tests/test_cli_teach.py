"""``edgecnn teach`` as it is typed: taught, listed, exported, taken back, forgotten."""

import json

import face_doubles as fake
import pytest
from face_doubles import ANN

from edgecnn.faces.gallery import Gallery


@pytest.fixture
def bundle(tmp_path, monkeypatch, edgecnn):
    """Ann is enrolled with two photos."""
    made = fake.bundle(tmp_path / "bundle", monkeypatch)
    photos = [fake.save(tmp_path / f"{i}.png", fake.portrait(ANN, i)) for i in range(2)]
    assert edgecnn("enroll", made.path, "Ann", *photos)[0] == 0
    return made


@pytest.fixture
def twin(tmp_path):
    return fake.save(tmp_path / "elsewhere" / "twin.png", fake.portrait(ANN, 5))


def test_taught_listed_and_taken_back(edgecnn, bundle, twin):
    code, out, _ = edgecnn("teach", bundle.path, "--not", "Ann", twin)
    assert code == 0 and out.startswith("twin.png is not Ann from now on (0.")
    assert edgecnn("people", "list", bundle.path)[1].endswith("; not twin.png\n")
    (ann,) = json.loads(edgecnn("people", "list", bundle.path, "--json")[1])
    assert ann["negatives"] == ["twin.png"]
    code, out, _ = edgecnn("teach", bundle.path, "--not", "Ann", "twin.png", "--remove")
    assert (code, out) == (0, "twin.png is no longer taught as not Ann\n")
    assert "not twin.png" not in edgecnn("people", "list", bundle.path)[1]
    code, _, err = edgecnn("teach", bundle.path, "--not", "Ann", "twin.png", "--remove")
    assert code == 2 and err.count("\n") == 1 and "was taught as not Ann" in err


def test_exported_imported_and_forgotten(edgecnn, bundle, twin, tmp_path):
    edgecnn("teach", bundle.path, "--not", "Ann", twin)
    assert edgecnn("people", "export", bundle.path, tmp_path / "people.json")[0] == 0
    assert edgecnn("people", "forget", bundle.path, "Ann")[0] == 0
    assert b"twin" not in bundle.gallery.read_bytes()
    assert edgecnn("people", "import", bundle.path, tmp_path / "people.json")[0] == 0
    with Gallery(bundle.gallery) as gallery:
        assert [(n.name, n.source) for n in gallery.negatives()] == [("Ann", "twin.png")]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--not", "Bob", "twin.png"), "nobody called 'Bob'"),
        (("--not", "Ann", "none.png"), "unreadable"),
        (("--not", "Ann", "0.png"), "is one that Ann is enrolled with"),
        (("twin.png",), "--not"),
    ],
    ids=["unknown", "no photo", "own", "whose"],
)
def test_one_line_and_exit_code_2(edgecnn, bundle, twin, tmp_path, monkeypatch, args, words):
    monkeypatch.chdir(tmp_path)
    twin.rename(tmp_path / "twin.png")
    before = bundle.gallery.read_bytes()
    code, out, err = edgecnn("teach", bundle.path, *args)
    assert code == 2 and out == "" and words in err
    assert err.startswith("Usage") or err.count("\n") == 1
    assert bundle.gallery.read_bytes() == before


def test_help_ends_in_an_example(edgecnn):
    code, out, _ = edgecnn("teach", "--help")
    assert code == 0 and "edgecnn teach my-bundle --not Ann" in out.partition("Example:")[2]
