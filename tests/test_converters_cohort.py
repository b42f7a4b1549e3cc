"""The cohort on its way into bundles: made with its embedder, carried along with it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from test_converters_export import files, people_run, runs

from converters import export
from edgecnn.bundle import CARD, COHORT, Bundle
from edgecnn.data.aligned import AlignedFaces, fingerprint
from edgecnn.errors import BundleError, DataError
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.threshold import STRANGERS
from edgecnn.training.run import Run

pytest.importorskip("tensorflow")
__all__ = ["files", "runs"]  # fixtures

PEOPLE = {"choose": 120, "report": 60}


def held_out(people: int, seed: int) -> AlignedFaces:
    """Two faces of each: a colour, and a little noise."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(30, 220, (people, 1, 4, 4, 3))
    faces = np.repeat(colours, 2, axis=1) + rng.integers(-20, 20, (people, 2, 4, 4, 3))
    pixels = np.clip(faces, 0, 255).astype(np.uint8).reshape(-1, 4, 4, 3)
    pixels = pixels.repeat(28, axis=1).repeat(28, axis=2)
    names = [f"set/{i}.png" for i in range(2 * people)]
    return AlignedFaces(names, pixels, np.repeat(np.arange(people), 2))


@pytest.fixture
def embedder(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run of an embedder that has people held out."""
    data = runs / "faces"
    data.mkdir()
    (data / "index.csv").write_text("file,person\na,1\nb,2\nc,\n")
    run = Run(runs / "embedder")
    run.facts["settings"] |= {"data": str(data), "seed": 4}
    run.note()
    monkeypatch.setattr(
        sys.modules["stub_embedder"],
        "strangers",
        lambda run: {name: held_out(n, i) for i, (name, n) in enumerate(PEOPLE.items())},
        raising=False,
    )
    return run.path


def convert(run: Path, out: Path, **options: Any) -> Bundle:
    return export.export(run, "x86-64", out, max_drop=1, **options)


def test_an_embedder_brings_its_cohort(runs: Path, embedder: Path) -> None:
    bundle = convert(embedder, runs / "e", strangers=0.01)
    cohort, point = Cohort.load(bundle), bundle.manifest.operating_point
    assert cohort is not None and (cohort.people, len(cohort)) == (120, 240)
    assert cohort.sha256 == bundle.manifest.files["face-embedder.tflite"]
    assert COHORT in bundle.manifest.files and set(cohort.groups) == {"set"}
    assert point is not None and (point.strangers, point.people) == (0.01, 1)
    assert point.trials == 60 * 59 and "faces by whom it was not chosen" in point.measured_on
    facts = bundle.manifest.cohort
    assert (facts["people"], facts["faces"], facts["groups"]) == (120, 240, {"set": 120})
    assert facts["data_sha256"] == fingerprint({"a": "1", "b": "2", "c": ""})
    assert (facts["data"], facts["seed"]) == ("faces", 4)
    assert "1 held-out pictures without an identity" in facts["left_out"]
    card = (bundle.path / CARD).read_text("utf-8")
    assert "chosen so that 1 in 100 strangers gets a name" in card and "120 of set" in card


def test_the_embeddings_are_those_of_the_int8_file(runs: Path, embedder: Path) -> None:
    from edgecnn.faces.embed import unit

    bundle = convert(embedder, runs / "e")
    model, faces = bundle.model("embedder"), held_out(120, 0)
    cohort = Cohort.load(bundle)
    assert cohort is not None and bundle.manifest.operating_point is not None
    assert bundle.manifest.operating_point.strangers == STRANGERS
    for i in (0, 1, 100):
        exact = unit(model(faces.pixels[i])[0][0])
        assert float(cohort.embeddings[i] @ exact) > 0.999


def test_too_few_people_leave_the_threshold_to_pairs(
    runs: Path, embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PEOPLE, "choose", 99)
    bundle = convert(embedder, runs / "e")
    point = bundle.manifest.operating_point
    assert point is not None and (point.threshold, point.strangers) == (0.4, None)
    assert Cohort.load(bundle) is not None
    with pytest.raises(DataError, match="at least 100 impostors"):
        convert(embedder, runs / "f", strangers=0.01)
    assert not (runs / "f").exists()


def test_the_cohort_stays_with_its_embedder(runs: Path, embedder: Path) -> None:
    detector = convert(runs / "detector", runs / "d")
    assert Cohort.load(convert(embedder, runs / "f", parts=detector)) is not None
    again = convert(runs / "detector", runs / "g", parts=Bundle(runs / "f"))
    assert again.manifest.task == "faces" and Cohort.load(again) is not None
    assert again.manifest.cohort == Bundle(runs / "f").manifest.cohort
    assert again.manifest.operating_point == Bundle(runs / "f").manifest.operating_point


def test_people_take_the_cohort_along_and_may_ask_for_another_rate(
    runs: Path, embedder: Path
) -> None:
    detector = convert(runs / "detector", runs / "d")
    both = convert(embedder, runs / "f", parts=detector, strangers=0.01)
    people = people_run(runs / "people", both)
    same = convert(people, runs / "p").manifest.operating_point
    assert same == both.manifest.operating_point and same is not None
    other = convert(people, runs / "q", strangers=0.05).manifest.operating_point
    assert other is not None and (other.strangers, other.people) == (0.05, 1)
    assert other.threshold < same.threshold
    found = Cohort.load(Bundle(runs / "q"))
    assert found is not None and found.people == 120


def test_no_rate_without_a_cohort_or_for_pictures(runs: Path) -> None:
    detector = convert(runs / "detector", runs / "d")
    both = convert(runs / "embedder", runs / "f", parts=detector)
    people = people_run(runs / "people", both)
    with pytest.raises(BundleError, match=r"expected a bundle with a cohort.*has none"):
        convert(people, runs / "p", strangers=0.01)
    for task in ("images", "detector"):
        with pytest.raises(DataError, match=f"is of task {task}: leave --strangers out"):
            convert(runs / task, runs / "p", strangers=0.01)
    assert not (runs / "p").exists()


def test_the_command_says_what_the_threshold_is_for(runs: Path, embedder: Path) -> None:
    from edgecnn.cli.convert import command

    args = [embedder, "--for", "x86-64", "--out", runs / "e", "--max-drop", 1]
    told = CliRunner().invoke(
        command, [*map(str, args), "--strangers", "1/50"], catch_exceptions=False
    )
    assert "for 1 in 50 strangers with one person enrolled" in told.output
    args[4] = runs / "j"
    told = CliRunner().invoke(command, [*map(str, args), "--json"], catch_exceptions=False)
    assert json.loads(told.stdout)["operating_point"]["strangers"] == STRANGERS


def test_a_manifest_from_before_there_were_cohorts_is_read(runs: Path) -> None:
    bundle = convert(runs / "embedder", runs / "e")
    facts = json.loads((bundle.path / "manifest.json").read_text())
    del facts["cohort"]
    for name in ("strangers", "people"):
        del facts["operating_point"][name]
    (bundle.path / "manifest.json").write_text(json.dumps(facts))
    found = Bundle(bundle.path)
    assert found.manifest.cohort == {} and Cohort.load(found) is None
    assert found.manifest.operating_point == bundle.manifest.operating_point
