"""``edgecnn evaluate BUNDLE PEOPLE --open-set`` on made-up faces, and --strangers elsewhere."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click
import cv2
import face_doubles
import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgecnn.bundle import COHORT, Bundle, OperatingPoint
from edgecnn.cli.evaluate import command
from edgecnn.cli.options import Rate
from edgecnn.data import aligned
from edgecnn.errors import DataError
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.embed import fingerprint, unit
from edgecnn.storage import sha256_of
from edgecnn.training import open_set_run


def texture(person: int) -> np.ndarray:
    return np.random.default_rng(person).integers(0, 255, (7, 7, 3), np.uint8)


def embed(picture: np.ndarray) -> np.ndarray:
    """A texture's 7×7×3 numbers, less their mean."""
    small = cv2.resize(picture, (7, 7), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    return unit(small - small.mean())


class Embedder:
    @classmethod
    def of(cls, bundle: Bundle, threads: int | None) -> Embedder:
        return cls()

    def __call__(self, face_bgr: np.ndarray, mirror: bool = False) -> np.ndarray:
        return embed(face_bgr)


def add_people(path: Path, people: int, each: int) -> Path:
    """Pictures of noise, a texture for each person."""
    for person in range(people):
        face = cv2.resize(texture(person), (112, 112), interpolation=cv2.INTER_NEAREST)
        for k in range(each):
            noise = np.random.default_rng(1000 * person + k).normal(0, 30, face.shape)
            picture = np.clip(face + noise, 0, 255).astype(np.uint8)
            face_doubles.save(path / f"p{person:02d}" / f"{k}.png", picture)
    return path


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add_people(tmp_path_factory.mktemp("people"), 24, 2)


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """One with a cohort of 200 textures."""
    monkeypatch.setattr(open_set_run, "Embedder", Embedder)
    bare = face_doubles.bundle(tmp_path / "bundle", monkeypatch)
    faces = np.stack([embed(texture(1000 + i)) for i in range(200)])
    Cohort(faces, np.arange(200), np.full(200, ""), fingerprint(bare)).save(bare.path / COHORT)
    return changed(bare, files={**bare.manifest.files, COHORT: sha256_of(bare.path / COHORT)})


def changed(bundle: Bundle, **facts: Any) -> Bundle:
    manifest = dataclasses.replace(bundle.manifest, **facts)
    (bundle.path / "manifest.json").write_text(manifest.to_json())
    return Bundle(bundle.path)


def run(*args: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in args], catch_exceptions=False)


def test_figures_for_people_and_for_programs(bundle: Bundle, people: Path) -> None:
    told = run(bundle.path, people, "--open-set", "--strangers", "1/100").output
    assert "12 people enrolled at once, in 2 galleries; 24 trials of strangers" in told
    assert "not known: 300 trials of strangers are needed, there are 24" in told
    assert "asked for 1 in 100 strangers" in told
    found = json.loads(
        run(
            bundle.path, people, "--open-set", "--strangers", "1%", "--enrolled", 1, "--json"
        ).stdout
    )
    assert (found["galleries"], found["stranger_trials"], found["rate_asked"]) == (24, 552, 0.01)
    assert found["fnir"][0]["fnir"] == 0 and found["fnir"][0]["threshold"] < 0.6
    assert found["fnir"][1] == {"fpir": 0.001, "fnir": None, "trials": 552, "trials_needed": 3000}
    assert found["strangers_named"]["rate"] < 0.05 and found["enrolled_missed"] == 0
    assert {p["named"] for p in found["confused"]} <= {True, False} and found["groups"] == []


def test_the_page_shows_the_plot_and_the_pairs(
    bundle: Bundle, people: Path, tmp_path: Path
) -> None:
    told = run(bundle.path, people, "--open-set", "--out", tmp_path / "a" / "report").output
    page = (tmp_path / "a" / "report" / "open-set.html").read_text("utf-8")
    assert str(tmp_path / "a" / "report" / "open-set.html") in told
    assert page.count("data:image/png;base64,") >= 4
    for said in ("Will it name strangers?", "Most easily confused", "Wrong names in 1,000 visits"):
        assert said in page


def test_the_rate_of_the_bundle_is_the_default(bundle: Bundle, people: Path) -> None:
    point = OperatingPoint(0.5, 0.01, "textures", 100, 0.02, 10)
    bundle = changed(bundle, operating_point=point)
    assert "asked for 1 in 50 strangers" in run(bundle.path, people, "--open-set").output


def test_without_a_cohort_the_one_threshold_stands(bundle: Bundle, people: Path) -> None:
    files = {k: v for k, v in bundle.manifest.files.items() if k != COHORT}
    bare = changed(bundle, files=files)
    found = json.loads(run(bare.path, people, "--open-set", "--json").stdout)
    assert found["threshold"] == pytest.approx(face_doubles.THRESHOLD)
    assert "has no cohort" in found["notes"][0]


def test_of_the_faces_that_trained_only_those_held_out_for_reports_count(
    bundle: Bundle, tmp_path: Path
) -> None:
    folder = add_people(tmp_path / "many", 80, 2)
    index = aligned.index(folder)
    facts = {"data_sha256": aligned.fingerprint(index), "seed": 0}
    expected = aligned.strangers(aligned.split(index, 0), 0)["report"]
    assert 4 <= len(set(expected.values())) < 40
    found = json.loads(
        run(changed(bundle, cohort=facts).path, folder, "--open-set", "--json").stdout
    )
    assert found["people"] == len(set(expected.values())) and found["faces"] == len(expected)
    assert f"only {len(expected)} of 160" in found["notes"][0]


def test_groups_come_from_the_index(bundle: Bundle, people: Path, tmp_path: Path) -> None:
    folder = tmp_path / "labelled"
    lines = ["file,person,age,sex"]
    for person in range(24):
        for k in range(2):
            target = folder / "old" / f"{person}-{k}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((people / f"p{person:02d}" / f"{k}.png").read_bytes())
            known = "" if person >= 20 else f"person {person}"
            lines.append(f"old/{person}-{k}.png,{known},{10 * (person % 8)},female")
    (folder / "index.csv").write_text("\n".join(lines) + "\n")
    found = json.loads(run(bundle.path, folder, "--open-set", "--enrolled", 2, "--json").stdout)
    groups = {g["group"]: g for g in found["groups"]}
    ages = ["age 0 to 12", "age 13 to 19", "age 20 to 39", "age 40 to 59", "age 60 to 120"]
    assert list(groups) == [*(a for a in ages if a != "age 13 to 19"), "female"]
    assert groups["female"]["people"] == 28  # twenty, and eight pictures of nobody known
    assert groups["female"]["within_the_group"] is None
    assert found["people"] == 20 and any(
        "8 pictures without an identity" in n for n in found["notes"]
    )
    told = run(bundle.path, folder, "--open-set", "--enrolled", 2, "--out", tmp_path / "r").output
    assert "group       old, female, 28 people" in told
    assert "By group" in (tmp_path / "r" / "open-set.html").read_text("utf-8")


@pytest.mark.parametrize(
    "args",
    [
        ["--open-set"],
        ["bundle", "--open-set"],
        ["bundle", "people", "--open-set", "--lfw", "lfw"],
        ["bundle", "people", "--lfw", "lfw"],
        ["bundle", "--lfw", "lfw", "--enrolled", "2"],
        ["bundle", "--lfw", "lfw", "--strangers", "1/9"],
        ["bundle", "people", "--open-set", "--strangers", "2"],
    ],
)
def test_what_does_not_go_together(args: list[str]) -> None:
    found = CliRunner().invoke(command, args)
    assert found.exit_code == 2 and "Error: " in found.output


def test_a_rate_that_cannot_be_known_is_refused(bundle: Bundle, people: Path) -> None:
    with pytest.raises(DataError, match="cannot be known from 200 impostors"):
        run(bundle.path, people, "--open-set", "--strangers", "1/10000")


@pytest.mark.parametrize(
    ("text", "rate"), [("1/1000", 0.001), ("0.1%", 0.001), (" 0.001 ", 0.001), ("2/4", 0.5)]
)
def test_rates_as_people_write_them(text: str, rate: float) -> None:
    assert Rate().convert(text, None, None) == pytest.approx(rate)


@pytest.mark.parametrize(
    "text", ["", "0", "1", "1/1", "1/0", "-1/9", "nan", "a/b", "50%/2", "100%"]
)
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(click.BadParameter, match="such as 1/1000"):
        Rate().convert(text, None, None)
