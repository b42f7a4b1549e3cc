"""An autopsy in words, as a page and as JSON, and ``edgecnn autopsy`` as it is typed."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from converter_tools import TINY, TINY_FLOAT, finished_run, install_tasks, pixels_of

from converters import autopsy, autopsy_advice, autopsy_report, int8
from converters.autopsy import Autopsy, LayerError
from converters.autopsy_measure import Activations, Histogram, Weights
from edgecnn.training.run import METRICS

BARS = Histogram(-1.0, 1.0, (1,) * 64)
SEEN = Activations(-1.0, 1.0, -1.0, 1.0, 0.0, 0.9, (100.0,) * 8, BARS)
WEIGHTS = Weights(8, 45.0, 8, 4, 0, 0, 2.0, 2.0, BARS)
ROW = LayerError(
    name="a", layers=("a",), kind="CONV_2D", tensor="n/a/convolution", sqnr_db=10.0, cosine=0.95,
    own_sqnr_db=12.0, output_sqnr_db=11.0, share=0.6, from_weights=0.1, from_clipping=0.0,
    from_shift=0.1, activations=SEEN, weights=WEIGHTS,
)  # fmt: skip


def row(**changes: Any) -> LayerError:
    """A layer; keys of its activations as ``seen_KEY``, of its weights as ``weights_KEY``."""
    parts: dict[str, dict[str, Any]] = {"seen": {}, "weights": {}, "": {}}
    for name, value in changes.items():
        part, _, key = name.partition("_")
        where, key = (part, key) if part in ("seen", "weights") and key else ("", name)
        parts[where][key] = value
    changed = dataclasses.replace(ROW, activations=dataclasses.replace(SEEN, **parts["seen"]))
    if parts["weights"]:
        held = dataclasses.replace(WEIGHTS, **parts["weights"])
        changed = dataclasses.replace(changed, weights=held)
    return dataclasses.replace(changed, **parts[""])


@pytest.mark.parametrize(
    ("layer", "cure", "words"),
    [
        (row(from_clipping=0.8, seen_clipped=0.031, seen_seen_high=9.0), "calibration",
         "3.1 % of its values lie outside the range that calibration gave it, -1 to 1; the "
         "furthest is 9"),
        (row(from_weights=0.9, weights_scales=1, weights_narrow_outputs=3,
             weights_spread_outputs=40.0), "equalisation",
         "3 of 8 channels have weights up to 40 times smaller than the largest, and one scale"),
        (row(from_weights=0.9, weights_narrow_inputs=2, weights_spread_inputs=60.0),
         "equalisation", "its weights for 2 of 4 input channels are up to 60 times smaller"),
        (row(from_weights=0.9, from_shift=0.7), "bias", "moves each channel by the same"),
        (row(from_weights=0.9), "training", "its weights lose most, at 45 dB"),
        (row(kind="LOGISTIC", weights=None), "float", "the range of LOGISTIC is fixed"),
        (row(seen_middle=0.05), "percentile",
         "its range is set by 0.1 % of the values: the others lie in 5 % of it"),
        (row(seen_steps=(2.0, 3.0, *(100.0,) * 6)), "equalisation",
         "2 of 8 channels take fewer than 8 of its 256 steps"),
        (row(seen_steps=(2.0,) * 8, weights=None, kind="ADD"), "training", "too coarse"),
        (row(from_shift=0.7), "bias", "its values are off by the same in all pictures"),
        (row(), "training", "256 steps are too coarse"),
    ],
)  # fmt: skip
def test_what_hurts_in_words(layer: LayerError, cure: str, words: str) -> None:
    advice = autopsy_advice.about(layer)
    assert (advice.layer, advice.cure) == ("a", cure)
    assert advice.text.startswith("60 % of the error at the outputs; ") and words in advice.text
    assert str(advice).endswith(f"{autopsy_advice.CURES[cure]} helps")


def test_only_layers_that_hurt_are_spoken_of_and_none_where_all_is_fine() -> None:
    rows = tuple(row(name=n, share=s) for n, s in (("a", 0.1), ("b", 0.05), ("c", 0.6)))
    ill = Autopsy(rows, 12.0, 0.95, 4)
    assert [a.layer for a in autopsy_advice.advise(ill)] == ["c", "a"]
    assert autopsy_advice.advise(dataclasses.replace(ill, sqnr_db=30.0)) == []
    assert "nothing needs a cure" in autopsy_advice.summary(dataclasses.replace(ill, sqnr_db=31))[2]
    even = Autopsy(tuple(row(name=str(i), share=1 / 20) for i in range(20)), 12.0, 0.95, 4)
    assert autopsy_advice.advise(even) == []


def test_the_worst_has_the_largest_share_whatever_its_own_ratio() -> None:
    rows = [row(name="a", share=0.2, own_sqnr_db=3.0), row(name="b", share=0.7, own_sqnr_db=40.0),
            row(name="c", share=0.2, own_sqnr_db=2.0)]  # fmt: skip
    assert autopsy.worst(rows).name == "b"
    assert [r.name for r in autopsy.ranked(rows)] == ["b", "c", "a"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A finished run of a classifier, and a converter that is quick."""
    pytest.importorskip("tensorflow")

    def quick(network: Path, calibration: Path, out: Path, float_out: Path) -> None:
        assert len(np.load(calibration)) == 12
        shutil.copyfile(TINY, out)
        shutil.copyfile(TINY_FLOAT, float_out)

    install_tasks(monkeypatch)
    monkeypatch.setattr(int8, "convert", quick)
    yield finished_run(tmp_path / "run", "images").path


Edgecnn = Callable[..., tuple[int, str, str]]


def test_the_command_leaves_a_page_and_json_beside_the_run(edgecnn: Edgecnn, run: Path) -> None:
    expected = autopsy.compare(TINY_FLOAT, TINY, pixels_of((8, 8, 3), 24, 2000)).layers
    first, second, third = (layer.name for layer in autopsy.ranked(expected))
    code, out, _ = edgecnn("autopsy", run, "--calibration", 12, "--pictures", 24)
    assert code == 0
    marked = [line for line in out.splitlines() if line.endswith("<- worst")]
    assert len(marked) == 1 and marked[0].startswith(f"{first} ")
    assert "over 24 pictures of the test data" in out and "autopsy.html" in out
    found = json.loads((run / "autopsy.json").read_text())
    assert found["worst"] == first and found["pictures"] == 24
    assert [layer["name"] for layer in found["layers"]] == ["conv2d", "depthwise_conv2d", "dense"]
    assert found["layers"][1]["weights"]["outputs"] == 4
    page = (run / "autopsy.html").read_text()
    assert page.count("<section>") == 4 + 3 and page.count("<picture>") == 1 + 3
    places = [page.index(f"{i}. {n} (") for i, n in enumerate((first, second, third), 1)]
    assert places == sorted(places) and places[-1] < page.index("All layers")


def test_json_is_what_the_file_says_and_goes_where_one_wants(
    edgecnn: Edgecnn, run: Path, tmp_path: Path
) -> None:
    there = tmp_path / "new" / "place"
    code, out, _ = edgecnn("autopsy", run, "--calibration", 12, "--out", there, "--json")
    printed = json.loads(out)
    assert code == 0 and printed.pop("report") == str(there / "autopsy.html")
    assert printed == json.loads((there / "autopsy.json").read_text())
    assert not (run / "autopsy.json").exists()


def test_what_has_no_autopsy(edgecnn: Edgecnn, run: Path, tmp_path: Path) -> None:
    people = finished_run(tmp_path / "people", "images")
    people.note(task="faces")
    silent = finished_run(tmp_path / "silent", "images")
    silent.note(input=None)
    unfinished = finished_run(tmp_path / "unfinished", "images").path
    (unfinished / METRICS).unlink()
    for path, words in (
        (tmp_path / "nowhere", "expected a run folder"),
        (unfinished, "the training did not end"),
        (people.path, "takes its networks from a bundle"),
        (silent.path, "does not say its input"),
    ):
        code, out, err = edgecnn("autopsy", path, "--calibration", 12)
        assert (code, out) == (2, "") and err.count("\n") == 1 and words in err
        assert not (path / "autopsy.json").exists()


def test_numbers_in_json_are_short_and_finite() -> None:
    found = autopsy.compare(TINY_FLOAT, TINY, pixels_of((8, 8, 3), 2))
    text = json.dumps(autopsy_report.facts(found), allow_nan=False)
    assert max(len(n) for n in re.findall(r"\d\.\d+", text)) <= 9
