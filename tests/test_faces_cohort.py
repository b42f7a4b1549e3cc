"""The cohort's file, its scores, and whose embedder it belongs to."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import face_doubles
import numpy as np
import pytest

from edgecnn.bundle import COHORT, Bundle
from edgecnn.errors import BundleError, DataError
from edgecnn.faces.cohort import LARGEST_BYTES, Cohort
from edgecnn.faces.embed import fingerprint, unit
from edgecnn.faces.match import Index
from edgecnn.storage import sha256_of


def cohort(people: int = 200, dimension: int = 64, sha256: str = "0" * 64) -> Cohort:
    rng = np.random.default_rng(0)
    faces = unit(rng.normal(size=(people + 20, dimension)))
    persons = np.concatenate([np.arange(people), np.arange(20)])
    groups = np.where(persons % 2 == 0, "even", "odd")
    return Cohort(faces, persons, groups, sha256)


def add_to(bundle: Bundle, made: Cohort) -> Bundle:
    made.save(bundle.path / COHORT)
    files = {**bundle.manifest.files, COHORT: sha256_of(bundle.path / COHORT)}
    text = dataclasses.replace(bundle.manifest, files=files).to_json()
    (bundle.path / "manifest.json").write_text(text)
    return Bundle(bundle.path)


def test_a_file_brings_back_the_same_within_int8(tmp_path: Path) -> None:
    made = cohort()
    made.save(tmp_path / COHORT)
    found = Cohort.read(tmp_path / COHORT)
    # Half a step of 127 steps to the largest of 64 numbers: the angle is below a degree.
    assert np.min(np.sum(found.embeddings * made.embeddings, axis=1)) > 0.9999
    assert np.linalg.norm(found.embeddings, axis=1) == pytest.approx(1, abs=1e-6)
    assert found.embeddings.dtype == np.float32 and found.persons.tolist() == made.persons.tolist()
    assert found.groups.tolist() == made.groups.tolist() and found.sha256 == made.sha256
    assert (len(found), found.people) == (220, 200)


def test_a_zero_embedding_is_no_accident(tmp_path: Path) -> None:
    zero = Cohort(np.zeros((1, 4), np.float32), np.zeros(1, np.int64), np.array([""]), "a")
    zero.save(tmp_path / COHORT)
    assert Cohort.read(tmp_path / COHORT).embeddings.tolist() == [[0, 0, 0, 0]]


def test_it_stays_small(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="at most 524,288 bytes"):
        cohort(4400, 128).save(tmp_path / COHORT)
    assert list(tmp_path.iterdir()) == []
    cohort(3900, 128).save(tmp_path / COHORT)
    assert (tmp_path / COHORT).stat().st_size <= LARGEST_BYTES


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a zip file",
        {"embeddings": np.zeros((2, 3), np.int8), "persons": np.zeros(2, np.int32)},
        {"embeddings": np.zeros((2, 3), np.float32)},
        {"embeddings": np.zeros(2, np.int8)},
        {"persons": np.zeros(3, np.int32)},
    ],
)
def test_what_is_no_cohort(tmp_path: Path, content: bytes | dict[str, np.ndarray]) -> None:
    whole = {
        "embeddings": np.zeros((2, 3), np.int8),
        "persons": np.zeros(2, np.int32),
        "groups": np.array(["", ""]),
        "embedder_sha256": np.array("a"),
    }
    if isinstance(content, bytes):
        (tmp_path / COHORT).write_bytes(content)
    else:
        if len(content) == 2:
            whole.pop("groups")
        np.savez(tmp_path / COHORT, **{**whole, **content})
    with pytest.raises(BundleError, match="cannot be read"):
        Cohort.read(tmp_path / COHORT)


def test_a_bundle_has_its_own_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = face_doubles.bundle(tmp_path / "bundle", monkeypatch)
    assert Cohort.load(bundle) is None
    bundle = add_to(bundle, cohort(sha256=fingerprint(bundle)))
    found = Cohort.load(bundle)
    assert found is not None and found.people == 200


def test_the_cohort_of_another_embedder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = add_to(face_doubles.bundle(tmp_path / "bundle", monkeypatch), cohort(sha256="ab" * 32))
    mine = fingerprint(bundle)[:12]
    with pytest.raises(BundleError, match=f"of the embedder {mine}.*has one of abababababab"):
        Cohort.load(bundle)


def test_a_changed_cohort_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = face_doubles.bundle(tmp_path / "bundle", monkeypatch)
    bundle = add_to(bundle, cohort(sha256=fingerprint(bundle)))
    cohort(90).save(bundle.path / COHORT)
    with pytest.raises(BundleError, match="sha256 differs"):
        Bundle(bundle.path)


def test_scores_are_cosines_to_each_person() -> None:
    made = cohort()
    people = unit(np.random.default_rng(1).normal(size=(3, 64)))
    scores = made.scores(people)
    assert scores.shape == (220, 3) and scores.dtype == np.float32
    assert scores[7, 2] == pytest.approx(float(made.embeddings[7] @ people[2]), abs=1e-6)
    assert made.scores(np.zeros((0, 64), np.float32)).shape == (220, 0)


def test_scores_go_through_an_index_where_there_is_one() -> None:
    made = cohort()
    people = unit(np.random.default_rng(1).normal(size=(3, 64)))
    index = Index(["a", "b", "c"], people)
    assert made.scores(index) == pytest.approx(made.scores(people), abs=1e-6)
    # A look-alike who was taught as not b is less like b than before.
    nearest = int(made.scores(index)[:, 1].argmax())
    taught = Index(["a", "b", "c"], people, (["b"], made.embeddings[[nearest]]))
    assert made.scores(taught)[nearest, 1] < made.scores(index)[nearest, 1]


def test_more_people_mean_a_higher_threshold() -> None:
    made = cohort()
    people = unit(np.random.default_rng(1).normal(size=(50, 64)))
    values = [made.threshold_for(0.01, people[:n]).value for n in (1, 5, 50)]
    assert values == sorted(values) and values[2] > values[0] + 0.05


def test_nobody_enrolled_has_no_threshold() -> None:
    with pytest.raises(DataError, match="Nobody is"):
        cohort().threshold_for(0.01, np.zeros((0, 64), np.float32))
    with pytest.raises(DataError, match="Nobody is"):
        cohort().threshold_for(0.01, Index([], np.zeros((0, 64), np.float32)))
