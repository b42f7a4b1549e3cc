"""``edgecnn camera --strangers``: what is said of the rate, and the rates that are refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import face_doubles
import numpy as np
import pytest
from camera_tools import make_folder
from test_cli_camera import make_bundle, run

from edgecnn.bundle import COHORT, Bundle
from edgecnn.camera import app, pipeline
from edgecnn.errors import DataError
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.embed import fingerprint, unit
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.types import Recognition
from edgecnn.storage import sha256_of


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """One that knows Ann, 400 strangers, and names nobody."""
    asked: list[Any] = []

    def load(*args: Any) -> Any:
        asked.append(args)

        def nobody(image_bgr: Any, time_s: float) -> Sequence[Recognition]:
            return []

        return nobody

    monkeypatch.setattr(app, "load", load)
    bare = face_doubles.bundle(tmp_path / "bundle", monkeypatch)
    rows = unit(np.random.default_rng(0).normal(size=(400, 16)))
    Cohort(rows, np.arange(400), np.full(400, ""), fingerprint(bare)).save(bare.path / COHORT)
    files = {**bare.manifest.files, COHORT: sha256_of(bare.path / COHORT)}
    text = dataclasses.replace(bare.manifest, files=files).to_json()
    (bare.path / "manifest.json").write_text(text)
    with Gallery(bare.gallery, fingerprint(bare), create=True) as gallery:
        gallery.add("Ann", unit(np.ones(16)), 0.9, "a.jpg")
    found = Bundle(bare.path)
    found.asked = asked  # type: ignore[attr-defined]
    return found


def watched(bundle: Bundle, tmp_path: Path, *args: object) -> int:
    source = make_folder(tmp_path / "pictures", 1)
    return run(bundle.path, "--source", source, *args)


def test_the_rate_is_told_for_the_people_who_are_enrolled(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert watched(bundle, tmp_path, "--strangers", "1/100") == 0
    said = capsys.readouterr().err
    with Gallery(bundle.gallery) as gallery:
        cohort = Cohort.load(bundle)
        assert cohort is not None
        value = cohort.threshold_for(0.01, gallery.index()).value
    assert f"1 in 100 strangers, 1 enrolled: a single look would take {value:.3f}" in said
    assert "by 400 impostors, between 1 in" in said
    assert bundle.asked[0][3] == pytest.approx(0.01)  # type: ignore[attr-defined]


def test_nothing_is_said_unless_asked(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert watched(bundle, tmp_path) == 0
    assert "strangers" not in capsys.readouterr().err


def test_a_rate_beyond_the_cohort_is_a_warning_and_far_beyond_a_refusal(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert watched(bundle, tmp_path, "--strangers", "1/2000") == 0
    assert "1 in 2,000 is extrapolated: the cohort has 400 people" in capsys.readouterr().err
    assert run(bundle.path, "--source", tmp_path / "pictures", "--strangers", "1/5000") == 2
    said = capsys.readouterr().err
    assert said == (
        "edgecnn: a rate of 1 in 5,000 strangers cannot be known from 400 impostors: ask for "
        "1 in 4,000 or more\n"
    )


def test_without_a_cohort_the_rate_is_a_guess(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {k: v for k, v in bundle.manifest.files.items() if k != COHORT}
    text = dataclasses.replace(bundle.manifest, files=files).to_json()
    (bundle.path / "manifest.json").write_text(text)
    assert watched(bundle, tmp_path, "--strangers", "1/100") == 0
    assert "has no cohort, so that 1 in 100 strangers is a guess" in capsys.readouterr().err


def test_an_empty_gallery_names_nobody(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Gallery(bundle.gallery) as gallery:
        gallery.forget("Ann")
    assert watched(bundle, tmp_path, "--strangers", "1/100") == 0
    assert "nobody is enrolled" in capsys.readouterr().err


def test_pictures_know_no_strangers(tmp_path: Path) -> None:
    images = Bundle(make_bundle(tmp_path / "images", "images"))
    with pytest.raises(DataError, match="expected a bundle for faces"):
        pipeline.load(images, strangers=0.01)
