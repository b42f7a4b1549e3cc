"""int8 against float, sample by sample: by hand, on a page, and over a really converted run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_folder import make_photos
from test_report_page import Balanced

from converters import verify, verify_report
from converters.compare import Comparison
from converters.faults import Finding
from edgecnn.errors import BundleError, ConversionError
from edgecnn.report import pictures
from edgecnn.training.answers import Answers, Vectors

DOTS = [pictures.picture(np.full((2, 2, 1), 40 * i, np.uint8), order="GRAY") for i in range(6)]
TRUTH = "aabbbc"


def answers(said: str, /, **others: Any) -> Answers:
    """Six samples of three classes, answered by one letter each."""
    right = np.array([a == b for a, b in zip(said, TRUTH, strict=True)])
    given: dict[str, Any] = {
        "figures": {"accuracy": float(right.mean()), "other": 1.0},
        "names": [f"{t}/{i}.png" for i, t in enumerate(TRUTH)],
        "groups": [(t,) for t in TRUTH],
        "said": list(said),
        "notes": ["90 %"] * 6,
        "faults": (~right).astype(np.int64),
        "draw": lambda i: DOTS[i],
        "sureness": np.full(6, 0.95, np.float32),
        "hits": right,
    }
    return Answers(**{**given, **others})


@pytest.fixture
def flipped() -> Comparison:
    """Float has 5 of 6 right; int8 loses a sample of a and one of b, and gains c."""
    return Comparison("test", answers("aabbba"), answers("acbbac"))


def test_flips_agreement_and_drop_by_hand(flipped: Comparison) -> None:
    assert flipped.worse.tolist() == [1, 4] and flipped.better.tolist() == [5]
    assert flipped.agreement == pytest.approx(3 / 6)
    assert flipped.drop == pytest.approx(1 / 6) and flipped.headline == "accuracy"
    assert flipped.cosines is None


def test_classes_who_lost_most_first(flipped: Comparison) -> None:
    rows = [(g.name, g.samples, g.before, g.after, g.worse, g.better) for g in flipped.groups]
    assert rows == [
        ("a", 2, 1.0, 0.5, 1, 0),
        ("b", 3, 1.0, pytest.approx(2 / 3), 1, 0),
        ("c", 1, 0.0, 1.0, 0, 1),
    ]


def test_a_single_sample_is_not_the_worst_where_there_are_larger_classes() -> None:
    names = ["large"] * 20 + ["single"]
    many = {
        "names": names, "groups": [(n,) for n in names], "said": names, "notes": names,
        "sureness": None, "hits": None,
    }  # fmt: skip
    wrong = np.array([1] + [0] * 19 + [1])
    found = Comparison(
        "test",
        answers(TRUTH, **many, faults=np.zeros(21, np.int64)),
        answers(TRUTH, **many, faults=wrong),
    )
    assert [g.name for g in found.groups] == ["large", "single"]


def test_a_sample_of_two_people_counts_for_both() -> None:
    pairs = {"groups": [("a", "b"), ("a",), (), (), (), ()]}
    found = Comparison("test", answers("aabbbc", **pairs), answers("cabbbc", **pairs))
    assert [(g.name, g.samples, g.drop) for g in found.groups] == [("b", 1, 1.0), ("a", 2, 0.5)]


def test_more_faults_in_a_picture_are_worse_though_it_never_was_right() -> None:
    before = answers(TRUTH, faults=np.array([0, 1, 3, 0, 2, 0]))
    after = answers(TRUTH, faults=np.array([1, 1, 1, 0, 5, 0]))
    found = Comparison("test", before, after)
    assert found.worse.tolist() == [4, 0] and found.better.tolist() == [2]


def test_calibration_errors_of_both(flipped: Comparison) -> None:
    assert flipped.errors == (pytest.approx(0.95 - 5 / 6), pytest.approx(0.95 - 4 / 6))
    bare = answers(TRUTH, sureness=None, hits=None)
    assert Comparison("test", bare, bare).errors is None


def test_cosines_of_embeddings() -> None:
    def with_vectors(values: list[list[float]]) -> Answers:
        vectors = Vectors(["x", "y"], np.array(values, np.float32), lambda i: DOTS[i])
        return answers(TRUTH, vectors=vectors, sensitive=True)

    found = Comparison("test", with_vectors([[1, 0], [0, 1]]), with_vectors([[1, 0], [0.6, 0.8]]))
    assert found.cosines is not None and found.cosines.tolist() == pytest.approx([1, 0.8])
    assert found.facts()["cosine"] == {
        "mean": pytest.approx(0.9), "percentile_5": pytest.approx(0.81),
        "worst": pytest.approx(0.8),
    }  # fmt: skip


def test_no_samples_at_all() -> None:
    none = answers(
        TRUTH, names=[], groups=[], said=[], notes=[], faults=np.zeros(0, np.int64),
        sureness=np.zeros(0, np.float32), hits=np.zeros(0, bool),
    )  # fmt: skip
    found = Comparison("test", none, none)
    assert (found.agreement, found.groups, found.errors) == (1.0, [], (0.0, 0.0))
    assert found.worse.tolist() == []


# The gate.


@pytest.mark.parametrize(
    ("before", "after", "max_drop", "fails"),
    [
        (0.9, 0.9, 0.0, False),
        (0.9, 0.95, 0.0, False),
        (0.9, 0.89, 0.01, False),
        (0.9, 0.889, 0.01, True),
        (0.9, float("nan"), 1.0, True),
    ],
)
def test_what_drop_is_allowed(before: float, after: float, max_drop: float, fails: bool) -> None:
    figures = {"accuracy": before, "other": 1.0}, {"accuracy": after, "other": 0.0}
    both = Comparison("test", *(answers(TRUTH, figures=f) for f in figures))
    if fails:
        with pytest.raises(ConversionError, match=f"{before:.4f} in float and is {after:.4f}"):
            verify.judge(both, max_drop)
    else:
        verify.judge(both, max_drop)


def test_the_error_names_the_worst_class(flipped: Comparison) -> None:
    with pytest.raises(ConversionError, match=r"worst is a, 1\.0000 in float and 0\.5000 .* of 2:"):
        verify.judge(flipped, 0.01)
    bare = answers("aaaaaa", groups=[()] * 6)
    with pytest.raises(ConversionError, match=r"at most 0\.01 is allowed: see verif"):
        verify.judge(Comparison("test", answers(TRUTH, groups=[()] * 6), bare), 0.01)


@pytest.mark.parametrize(
    ("then", "part", "told"),
    [
        (0.84, "test", False),
        (0.86, "test", True),
        (0.86, "validation", False),
        (None, "test", False),
    ],
)
def test_float_that_does_less_than_when_it_was_trained(
    then: float | None, part: str, told: bool
) -> None:
    class FakeRun:
        metrics = {} if then is None else {"accuracy": then}

    before = answers("aabbba")  # 5 of 6
    found = verify._unlike_training(FakeRun(), before, part)  # type: ignore[arg-type]
    assert [f.kind for f in found] == (["training"] if told else [])
    assert not told or "0.8333 on the test data, but 0.8600 when it was trained" in found[0].text


# What travels and what stays.


def test_what_travels_names_no_file(flipped: Comparison) -> None:
    facts = json.dumps(flipped.facts())
    assert ".png" not in facts and '"name": "a"' in facts
    assert flipped.facts()["worse"] == 2 and flipped.facts()["better"] == 1


def test_of_people_no_name_travels() -> None:
    both = [answers(said, sensitive=True) for said in ("aabbba", "acbbac")]
    facts = Comparison("test", *both).facts()
    assert facts["groups"] == [{"samples": 2, "float": 1.0, "int8": 0.5, "worse": 1, "better": 0}]
    assert ".png" not in json.dumps(facts)


def test_the_run_gets_every_flip_with_its_picture(flipped: Comparison, tmp_path: Path) -> None:
    verify_report.write(tmp_path, "classifier", flipped)
    facts = json.loads((tmp_path / "verification.json").read_text())
    assert facts["schema"] == 1 and facts["model"] == "classifier"
    assert [f["sample"] for f in facts["flips"]["worse"]] == ["a/1.png", "b/4.png"]
    assert facts["flips"]["better"] == [
        {"sample": "c/5.png", "groups": ["c"], "float": "a (90 %)", "int8": "c (90 %)"}
    ]
    html = (tmp_path / "verification.html").read_text("utf-8")
    page = Balanced(html)
    assert page.open == [] and page.images_without_words == 0
    assert html.count("data:image/png") == 3 + 2  # three flips; a drawing for light and for dark
    for words in ("a (90 %) → c (90 %)", "c/5.png", "Nothing doubtful", "Worse in int8 (2)"):
        assert words in html


def test_the_page_shows_both_pictures_where_the_answer_is_in_the_picture(tmp_path: Path) -> None:
    before = answers("aabbbc", sureness=None, hits=None, groups=[()] * 6)
    after = answers("cabbbc", sureness=None, hits=None, groups=[()] * 6, draw=lambda i: DOTS[5])
    found = Comparison("test", before, after, [Finding("dead", "layer x <died>")])
    verify_report.write(tmp_path, "detector", found)
    html = (tmp_path / "verification.html").read_text("utf-8")
    assert "float: a (90 %)" in html and "int8: c (90 %)" in html
    assert html.count("data:image/png") == 2 and "layer x &lt;died&gt;" in html
    assert "By class" not in html and "Nothing doubtful" not in html


def test_facts_of_a_bundle_are_read_again(flipped: Comparison, tmp_path: Path) -> None:
    assert verify_report.read(tmp_path) == {}
    verify_report.write_facts(tmp_path, {"classifier": flipped.facts()})
    assert verify_report.read(tmp_path)["classifier"] == flipped.facts()
    (tmp_path / "verification.json").write_text('{"schema": 2, "models": {"x": {}}}')
    assert verify_report.read(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1}', '{"schema": 1, "models": 3}'])
def test_facts_that_cannot_be_read_are_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "verification.json").write_text(text)
    with pytest.raises(BundleError, match="convert the run again"):
        verify_report.read(tmp_path)


# Over a real run.


@pytest.mark.slow
def test_a_real_run_from_photos_to_the_page(
    tmp_path: Path, edgecnn: Callable[..., tuple[int, str, str]]
) -> None:
    pytest.importorskip("tensorflow")
    from edgecnn.training import images

    data = make_photos(tmp_path / "photos", each=20)
    run = images.train(data, tmp_path / "run", {"epochs": 2, "channels": [4, 8], "seed": 3})
    out_of = ("--out", tmp_path / "bundle", "--max-drop", 1)
    code, out, err = edgecnn("convert", run.path, "--for", "x86-64", *out_of)
    assert code == 0, err
    facts = json.loads((tmp_path / "bundle/verification.json").read_text())["models"]["classifier"]
    assert facts["samples"] == 9 and facts["part"] == "test"
    assert {g["name"] for g in facts["groups"]} == {"ant", "bee", "cat"}
    assert facts["float"]["accuracy"] == run.metrics["accuracy"]
    assert 0 <= facts["calibration_error"]["int8"] <= 1
    assert not any(f["kind"] in ("repeats", "classes", "preprocessing") for f in facts["findings"])
    worst = facts["groups"][0]
    assert f"worst: {worst['name']}" in out and "of 9 on test data" in out
    assert "calibration error" in out and str(run.path / "verification.html") in out
    assert ".png" not in (tmp_path / "bundle/verification.json").read_text()
