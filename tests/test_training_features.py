"""Columns of features: out of fold, by scikit-learn's rules, as a command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bench_text
import numpy as np
import pytest
from text_table import reviews, write

from edgecnn.data.text import column, read_table
from edgecnn.errors import DataError, StorageError
from edgecnn.training import start_keras

start_keras()

from sklearn.base import clone  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from edgecnn.training.features import (  # noqa: E402
    TextFeatures,
    load_features,
    of_more,
    of_table,
)
from edgecnn.training.text_folds import learn_folds  # noqa: E402

TINY = TextFeatures([0], folds=2, epochs=1, dim=2, length=4, least_count=1, widths=(1,), filters=2)
"""As small as can be, since the checks train it some hundred times."""

SETTINGS: dict[str, Any] = {"epochs": 8, "batch_size": 20, "dim": 8, "filters": 8,
                            "widths": (1, 2), "learning_rate": 0.01}  # fmt: skip
Edgecnn = Callable[..., tuple[int, str, str]]


@pytest.mark.filterwarnings("ignore:SCIPY_ARRAY_API")
@parametrize_with_checks([TINY])  # type: ignore[untyped-decorator]
def test_as_scikit_learn_wants_it(estimator: Any, check: Any) -> None:
    if getattr(check, "func", check).__name__ == "check_array_api_input":
        return  # it takes texts, which no other array library has
    check(estimator)


@pytest.fixture(scope="module")
def memorised() -> tuple[list[str], np.ndarray[Any, Any], Any]:
    """Texts whose labels were shuffled, and networks that had time to learn them by heart."""
    texts, labels = reviews(300)
    targets = np.random.default_rng(1).permutation([label == "good" for label in labels])
    settings = {**TextFeatures(**SETTINGS, least_count=1, dropout=0.0).get_params(),
                "epochs": 12, "patience": 12}  # fmt: skip
    return texts, targets.astype(int), learn_folds(texts, targets.astype(int), 2, 3, settings)


def test_shuffled_labels_give_chance(memorised: Any) -> None:
    texts, targets, folds = memorised
    right = folds.probabilities(texts).argmax(axis=1) == targets
    # Four standard deviations of 300 coins.
    assert abs(right.mean() - 0.5) < 4 * np.sqrt(0.25 / len(texts))


def test_each_row_is_asked_of_the_network_that_never_saw_it(memorised: Any) -> None:
    texts, _, folds = memorised
    where = np.array([folds.fold_of(text) for text in texts])
    assert np.bincount(where).tolist() == [100] * 3
    asked = folds.probabilities(texts)
    for k, network in enumerate(folds.networks):
        alone = network.probabilities(texts)
        np.testing.assert_allclose(asked[where == k], alone[where == k], atol=1e-6)
    new = ["word1 superb unseen", "word2 dull unheard"]
    mean = np.mean([network.probabilities(new) for network in folds.networks], axis=0)
    np.testing.assert_allclose(folds.probabilities(new), mean, atol=1e-6)


def test_equal_texts_are_in_one_fold() -> None:
    texts, labels = reviews(30)
    targets = np.array([label == "good" for label in labels], np.int64)
    twice = [*texts, *(text.upper() + " ..." for text in texts)]
    folds = learn_folds(
        twice, np.concatenate([targets, targets]), 2, 3,
        {**TextFeatures(**SETTINGS).get_params(), "epochs": 1},
    )  # fmt: skip
    assert len(folds.known) == 30
    assert {folds.fold_of(a) for a in texts} == {0, 1, 2}
    assert all(folds.fold_of(a) == folds.fold_of(b) for a, b in zip(texts, twice[30:], strict=True))


def test_too_few_texts_or_labels() -> None:
    table = np.array([["a a"], ["a a"], ["b b"]], object)
    with pytest.raises(DataError, match="expected 3 different texts"):
        TextFeatures(folds=3).fit(table, [0, 1, 0])
    with pytest.raises(DataError, match="2 rows outside of each fold"):
        TextFeatures(folds=2).fit(table[1:], [0, 1])
    with pytest.raises(DataError, match="1 class"):
        TextFeatures(folds=2).fit(table, [1, 1, 1])
    with pytest.raises(DataError, match="a column of text"):
        TextFeatures(folds=2).fit(np.ones((4, 2)), [0, 1, 0, 1])
    with pytest.raises(DataError, match="columns out of"):
        TextFeatures(["review"], folds=2).fit(table, [0, 1, 0])
    with pytest.raises(DataError, match="2 folds or more"):
        TextFeatures(folds=1).fit(table, [0, 1, 0])


def test_a_table_of_texts_and_other_columns() -> None:
    pandas = pytest.importorskip("pandas")
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    texts, labels = reviews(120)
    stars = ["three" if label == "good" else "two" for label in labels]
    table = pandas.DataFrame(
        {"title": ["A film", None] * 30 + texts[60:], "price": range(120), "review": texts}
    )
    few = {**SETTINGS, "epochs": 6, "learning_rate": 0.03}
    model = make_pipeline(
        ColumnTransformer([
            ("text", TextFeatures(folds=2, **few), ["title", "review"]),
            ("number", StandardScaler(), ["price"]),
        ]),
        LogisticRegression(),
    )  # fmt: skip
    model.fit(table[:90], stars[:90])
    assert model.score(table[90:], stars[90:]) > 0.8
    # Of two labels, the second's.
    assert [*model[0].get_feature_names_out()] == ["text__title_two", "text__review_two",
                                                   "number__price"]  # fmt: skip


def test_three_classes_give_three_columns() -> None:
    texts, _ = reviews(36)
    labels = np.arange(36) % 3
    features = TextFeatures(folds=2, **{**SETTINGS, "epochs": 1})
    new = features.fit_transform(np.array(texts, object)[:, None], labels)
    np.testing.assert_allclose(new.sum(axis=1), 1, atol=1e-5)
    assert features.get_feature_names_out().tolist() == ["x0_0", "x0_1", "x0_2"]


def test_the_command_and_its_networks(tmp_path: Path, edgecnn: Edgecnn) -> None:
    texts, labels = reviews(60)
    data = write(tmp_path / "t.csv", {"id": [f"{i:03}" for i in range(60)], "text": texts,
                                      "label": labels})  # fmt: skip
    out, kept = tmp_path / "out.parquet", tmp_path / "networks"
    code, said, _ = edgecnn("features", data, "--folds", 2, "--out", out, "--model", kept,
                            "--epochs", 1)  # fmt: skip
    assert code == 0 and "text_good" in said
    table = read_table(out)
    assert table.column_names == ["id", "text", "label", "text_good"] and len(table) == 60
    code, _, err = edgecnn("features", data, "--folds", 2, "--out", out, "--model", kept)
    assert code == 2 and "exists already" in err
    again = tmp_path / "again.csv"
    assert edgecnn("features", data, "--with", kept, "--out", again)[0] == 0
    assert column(read_table(again, None), "id") == [f"{i:03}" for i in range(60)]
    first, second = (np.array(column(t, "text_good"), float) for t in (table, read_table(again)))
    np.testing.assert_allclose(second, first, atol=1e-6)
    for option in (("--epochs", 3), ("--label", "label"), ("--text", "text"), ("--seed", 1)):
        code, _, err = edgecnn("features", data, "--with", kept, "--out", again, *option)
        assert code == 2 and f"leave {option[0]} out" in err
    features = load_features(kept)
    new = write(tmp_path / "new.csv", {"text": ["never read before", ""]})
    assert of_more(new, tmp_path / "new.parquet", kept) == ["text_good"]
    mean = np.mean(
        [n.probabilities(["never read before", ""])[:, 1] for n in features.folds_[0].networks],
        axis=0,
    )
    found = np.array(column(read_table(tmp_path / "new.parquet"), "text_good"), float)
    np.testing.assert_allclose(found, mean, atol=1e-6)
    assert clone(features).get_params()["folds"] == 2


@pytest.mark.data
def test_models_of_tables_get_better_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # A sixth of what make bench-text compares, so that it takes seconds.
    monkeypatch.setattr(bench_text, "INNER", 3)
    texts, labels = bench_text.reviews()
    rows = np.random.default_rng(0).permutation(len(texts))[:2400]
    learn, ask = rows[:1600], rows[1600:]
    found = bench_text.answers(texts[learn], labels[learn], texts[ask])
    right = {n: [float(np.mean(said == labels[ask])) for said in both] for n, both in found.items()}
    looks, words = (right[name] for name in bench_text.MODELS)
    # Three standard deviations of 800 coins are 0.05; beside the words it adds less than that here.
    assert looks[1] > looks[0] + 0.05, right
    assert words[1] > words[0] - 0.05, right


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"texts": ["a"], "label": ["x"]}, "one column 'text'"),
        ({"text": ["a", "b"], "label": ["x", ""]}, "Column 'label' has gaps"),
        ({"text": list("abcd"), "label": list("xyxy"), "text_y": list("1234")}, "text_y"),
    ],
)
def test_bad_tables(columns: dict[str, list[str]], message: str, tmp_path: Path) -> None:
    data = write(tmp_path / "t.csv", columns)
    with pytest.raises(DataError, match=message):
        of_table(data, tmp_path / "o.csv", texts=["text"], label="label", folds=2,
                 settings={**SETTINGS, "epochs": 1, "least_count": 1})  # fmt: skip
    assert not (tmp_path / "o.csv").exists()


def test_no_networks_and_networks_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="edgecnn features --model wrote"):
        load_features(tmp_path)
    data = write(tmp_path / "t.csv", {"text": list("ab"), "label": list("xy")})
    with pytest.raises(StorageError, match="exists already"):
        of_table(data, tmp_path / "o.csv", texts=["text"], label="label", folds=2, settings={},
                 model=tmp_path)  # fmt: skip
