"""A text classifier from a table to a sentence's class on the board."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from text_table import BAD, GOOD, reviews, write

from converters.export import export
from converters.verify import float_predict
from edgecnn.bundle import Bundle
from edgecnn.classify import TextClassifier
from edgecnn.errors import BundleError, DataError
from edgecnn.images import ZERO_BYTE
from edgecnn.text import VOCABULARY, Vocabulary
from edgecnn.training import text, text_learner
from edgecnn.training.run import Run

SMALL: dict[str, Any] = {"epochs": 6, "batch_size": 20, "dim": 8, "filters": 8, "widths": [1, 2],
                         "learning_rate": 0.01}  # fmt: skip
Edgecnn = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts, labels = reviews(240)
    folder = tmp_path_factory.mktemp("table")
    return write(folder / "reviews.csv", {"review": texts, "stars": labels})


@pytest.fixture(scope="module")
def run(table: Path) -> Run:
    settings = {**SMALL, "text": "review", "label": "stars"}
    return text.train(table, table.parent / "run", settings)


@pytest.fixture(scope="module")
def bundle(run: Run) -> Bundle:
    return export(run.path, "raspberry-pi-5", run.path.parent / "bundle")


def test_it_learns_what_the_words_say(run: Run) -> None:
    assert run.metrics["accuracy"] > 0.9
    assert run.facts["labels"] == ["bad", "good"]
    assert (run.path / "report.html").stat().st_size > 1000
    rows = [name for part in ("train", "validation", "test") for name in run.split[part]]
    assert len(set(rows)) == len(rows) == 240


def test_bytes_and_network_are_what_was_measured(run: Run) -> None:
    predict = float_predict(run.load_model())
    measured = text.score(run, predict, "test")
    assert measured["accuracy"] == pytest.approx(run.metrics["accuracy"])
    pixels, targets = text.samples(run, "train", 10)
    assert pixels.shape[1:] == text._input(run).shape and pixels.dtype == np.uint8
    assert np.bincount(targets).tolist() == [5, 5]
    assert text.operating_point(run, predict) == run.metrics["operating_point"]


def test_the_table_in_bytes_says_what_the_learnt_one_said() -> None:
    texts, labels = reviews(60)
    targets = np.array([label == "good" for label in labels], np.int64)
    settings = {**text.DEFAULTS, **SMALL, "length": 8}
    learner = text_learner.Learner(texts, targets, 2, settings)
    learner.model.fit(learner.ids(texts), targets, epochs=2, verbose=0)
    before = learner.logits(learner.ids(texts))
    vocabulary = learner.vocabulary()
    assert (vocabulary.table[0] == ZERO_BYTE).all()
    (after,) = float_predict(learner.network)(vocabulary(texts, 8))
    np.testing.assert_allclose(after, before, atol=0.03 * np.abs(before).max())


def test_log_count_ratios_by_hand() -> None:
    ids = np.array([[1, 1, 0], [1, 2, 0], [2, 0, 0]], np.int32)
    ratios = text_learner.log_count_ratios(ids, np.array([0, 0, 1]), 2, 2)
    # With 1 added: word 0 in 3 and 2 texts, word 1 in 3 and 1, word 2 in 2 and 2; 8 and 5 in all.
    expected = np.log([(3 / 8) / (2 / 5), (3 / 8) / (1 / 5), (2 / 8) / (2 / 5)])
    np.testing.assert_allclose(ratios, np.stack([expected, -expected], axis=1), rtol=1e-5)


def test_given_vectors_are_begun_with(tmp_path: Path) -> None:
    vectors = tmp_path / "v.txt"
    vectors.write_text(f"{GOOD[0]} 1 2 3\n{BAD[0]} -1 0 1\n", "utf-8")
    texts, labels = reviews(40)
    targets = np.array([label == "good" for label in labels], np.int64)
    settings = {**text.DEFAULTS, **SMALL, "vectors": str(vectors)}
    learner = text_learner.Learner(texts, targets, 2, settings)
    assert learner.dim == 3
    (table,) = learner._table.get_weights()
    number = learner.words.index(GOOD[0]) + 1
    assert table[number].tolist() == [1, 2, 3]


def test_resuming_comes_to_the_same(
    table: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**SMALL, "text": "review", "label": "stars"}
    done = 0

    def stop(stage: str, batch: int, of: int, figures: dict[str, float]) -> None:
        nonlocal done
        done += batch == of
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        text.train(table, tmp_path / "run", settings, progress=stop)
    resumed = text.train(table, tmp_path / "run", settings, resume=True)
    here, there = (Vocabulary.load(r.path / VOCABULARY).table for r in (resumed, run))
    np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize(
    ("columns", "settings", "message"),
    [
        ({"text": ["a"] * 6, "label": ["x"] * 6}, {}, "two labels or more"),
        ({"text": ["a", "b", "A!", "c", "d", "e"], "label": list("xxyyyy")}, {}, "'x' has 2"),
        ({"text": list("abcdef"), "label": list("xxxyyy")}, {"dim": 0}, "dim above 0"),
        ({"text": list("abcdef"), "label": list("xxxyyy")}, {"widths": [9], "length": 3}, "widths"),
        ({"text": list("abcdef"), "label": list("xxxyyy")}, {}, "words that occur 2 times"),
        ({"texts": ["a"], "label": ["x"]}, {}, "one column 'text'"),
    ],
)
def test_bad_tables_and_settings_leave_nothing(
    columns: dict[str, list[str]], settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    table = write(tmp_path / "t.csv", columns)
    with pytest.raises(DataError, match=message):
        text.train(table, tmp_path / "run", settings)
    assert not (tmp_path / "run").exists()


def test_words_of_other_alphabets(tmp_path: Path) -> None:
    texts, labels = reviews(30)
    table = write(tmp_path / "t.csv", {"text": [f"Größe {t} слово" for t in texts],
                                       "label": labels})  # fmt: skip
    run = text.train(table, tmp_path / "run", {**SMALL, "epochs": 1})
    assert {"größe", "слово"} <= {*Vocabulary.load(run.path / VOCABULARY).words}
    assert sum(len(run.split[part]) for part in ("train", "validation", "test")) == 30


def test_another_table_is_noticed(tmp_path: Path) -> None:
    texts, labels = reviews(30)
    table = write(tmp_path / "t.csv", {"text": texts, "label": labels})
    run = text.train(table, tmp_path / "run", {**SMALL, "epochs": 1})
    write(table, {"text": texts[1:], "label": labels[1:]})
    with pytest.raises(DataError, match="is not the table that the training began with"):
        text.samples(run, "train", 4)


def test_the_bundle_is_whole_and_as_good(bundle: Bundle, run: Run) -> None:
    assert bundle.manifest.task == "text" and VOCABULARY in bundle.manifest.files
    entry = bundle.entry("text-classifier")
    assert entry.metrics["int8"]["accuracy"] >= entry.metrics["float"]["accuracy"] - 0.01
    assert bundle.self_test() == {"text-classifier": 0}
    golden = bundle.golden()["text-classifier.output0"]
    assert len({row.tobytes() for row in golden}) > 1


def test_a_sentence_gets_its_class_or_none(bundle: Bundle) -> None:
    classify = TextClassifier(bundle)
    label, probability = classify("A superb, witty and honest word1")
    assert label == "good" and probability >= bundle.threshold
    assert classify("dull, clumsy and stale")[0] == "bad"
    assert classify.probabilities("").sum() == pytest.approx(1, abs=1e-5)
    classify.threshold = 1.01
    assert classify("superb")[0] is None


def test_the_command_answers_texts_and_lines(bundle: Bundle, edgecnn: Edgecnn) -> None:
    code, out, _ = edgecnn("classify", bundle.path, "superb witty honest", "dull stale hollow")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == ["good", "bad"]
    code = (
        "import sys; from edgecnn.cli import main; main(sys.argv[1:]); "
        "print(sorted({'tensorflow', 'keras', 'pyarrow', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "classify", str(bundle.path), "--json"],
        input="witty and fresh\nloud\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    *lines, loaded = done.stdout.splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["witty and fresh", "loud"]
    assert loaded == "[]"


def test_evaluate_measures_a_table(bundle: Bundle, table: Path, edgecnn: Edgecnn) -> None:
    code, out, _ = edgecnn("evaluate", bundle.path, "--data", table, "--json")
    figures = json.loads(out)
    assert code == 0 and figures["texts"] == 240 and figures["right_of_answered"] > 90
    strange = write(table.parent / "strange.csv", {"review": ["a"], "stars": ["so-so"]})
    code, _, err = edgecnn("evaluate", bundle.path, "--data", strange)
    assert code == 2 and "named after the bundle's classes (bad, good)" in err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("deploy", "{}", "pi@board"), "use edgecnn classify there"),
        (("camera", "{}"), "expected a bundle with a detector"),
        (("bench", "{}"), "edgecnn bench --model"),
        (("enroll", "{}", "Ann", "photos"), "expected a bundle"),
    ],
)
def test_what_is_for_pictures_refuses_it(
    bundle: Bundle, edgecnn: Edgecnn, command: tuple[str, ...], message: str
) -> None:
    code, _, err = edgecnn(*(word.format(bundle.path) for word in command))
    assert code == 2 and message in err and err.count("\n") == 1


def test_a_text_model_is_not_asked_of_pictures(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="expected a model of pictures"):
        _ = bundle.entry("text-classifier").picture


def test_a_bundle_without_its_words(bundle: Bundle, tmp_path: Path) -> None:
    manifest = json.loads((bundle.path / "manifest.json").read_text("utf-8"))
    del manifest["files"][VOCABULARY]
    for file in bundle.path.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"has no vocabulary\.npz: convert the run again"):
        TextClassifier(Bundle(tmp_path))
