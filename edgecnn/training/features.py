"""Columns of numbers made from columns of text, for any model that takes tables.

Each row is asked of a network that never saw its text, see :mod:`edgecnn.training.text_folds`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.text import PARQUET, column, kind_of, read_table, refuse_empty, write_table
from edgecnn.errors import DataError, StorageError, needs
from edgecnn.storage import whole_folder, write_json
from edgecnn.training.text import DEFAULTS, check
from edgecnn.training.text_folds import Folds, Tell, learn_folds

with needs("train", "keras", "sklearn"):
    from sklearn.base import BaseEstimator, TransformerMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

FEATURES, SCHEMA = "features.json", 1


class TextFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Columns of text to probabilities of classes, as a scikit-learn transformer.

    ``fit_transform`` asks each row of a network that never saw its text, and so does ``transform``
    of a text that was in the training; any other gets the mean of all networks. Columns without
    text are passed over: a ``ColumnTransformer`` takes them along.

    Args:
        columns: names or numbers of the columns; None for all that hold strings.
        folds: into which the rows are dealt, and networks a column.
        length, dim, least_count, vectors, widths, filters, dropout, epochs, batch_size,
            learning_rate, patience, seed: as the settings of :mod:`edgecnn.training.text`.

    Attributes:
        classes_: ``(K,)`` in the order of the probabilities.
        columns_: numbers of the columns.
        folds_: a :class:`Folds` each.

    Output: ``(N, columns × K)`` float64, 0…1, of two classes the second's alone, so ``(N,
    columns)``.

    >>> features = TextFeatures(["review"], folds=5)
    >>> features.fit_transform(table, table["label"])  # doctest: +SKIP
    """

    def __init__(
        self,
        columns: Sequence[str | int] | None = None,
        *,
        folds: int = 5,
        length: int | None = None,
        dim: int = DEFAULTS["dim"],
        least_count: int = DEFAULTS["least_count"],
        vectors: str | None = None,
        widths: Sequence[int] = tuple(DEFAULTS["widths"]),
        filters: int = DEFAULTS["filters"],
        dropout: float = DEFAULTS["dropout"],
        epochs: int = DEFAULTS["epochs"],
        batch_size: int = DEFAULTS["batch_size"],
        learning_rate: float = DEFAULTS["learning_rate"],
        patience: int = DEFAULTS["patience"],
        seed: int = 0,
    ):
        self.columns = columns
        self.folds = folds
        self.length = length
        self.dim = dim
        self.least_count = least_count
        self.vectors = vectors
        self.widths = widths
        self.filters = filters
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.patience = patience
        self.seed = seed

    def fit(self, X: Any, y: Any, tell: Tell = lambda done, of: None) -> TextFeatures:
        """Train ``folds`` networks for each column.

        Args:
            X: ``(N, columns)``; what is missing is an empty text.
            y: ``(N,)`` classes.

        Raises:
            DataError: no column holds text, there are fewer different texts than folds, or
                one class alone.
        """
        X, y = validate_data(self, X, y, dtype=None, ensure_all_finite=False)
        check_classification_targets(y)
        settings = self.get_params()
        if self.folds < 2:
            raise DataError(f"expected 2 folds or more. Received: {self.folds}")
        check(settings)
        self.classes_, targets = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError("expected labels of two classes or more. Received: 1 class")
        self.columns_ = self._chosen(X)
        self.folds_ = []
        for number, j in enumerate(self.columns_):
            self.folds_.append(
                learn_folds(
                    _texts(X[:, j]), targets, len(self.classes_), self.folds, settings,
                    _later(tell, number, len(self.columns_)),
                )
            )  # fmt: skip
        return self

    def fit_transform(self, X: Any, y: Any, **options: Any) -> Any:
        """:meth:`fit`, and each row's features by networks that never saw its texts."""
        return self.fit(X, y, **options).transform(X)

    def transform(self, X: Any) -> npt.NDArray[np.float64]:
        """``(N, columns)`` to probabilities, see the class."""
        check_is_fitted(self)
        return self._of(validate_data(self, X, reset=False, dtype=None, ensure_all_finite=False))

    def _of(self, X: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        parts = [
            folds.probabilities(_texts(X[:, j]))[:, self._shown]
            for j, folds in zip(self.columns_, self.folds_, strict=True)
        ]
        return np.concatenate(parts, axis=1).astype(np.float64)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[Any]:
        """``column_class`` for each."""
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        return np.array(
            [f"{names[j]}_{label}" for j in self.columns_ for label in self.classes_[self._shown]],
            dtype=object,
        )

    @property
    def _shown(self) -> slice:
        return slice(1 if len(self.classes_) == 2 else 0, None)

    def _chosen(self, X: npt.NDArray[Any]) -> list[int]:
        if self.columns is None:
            found = [j for j in range(X.shape[1]) if any(isinstance(v, str) for v in X[:, j])]
            if not found:
                raise DataError("expected a column of text. Received none: name it by columns")
            return found
        names = list(getattr(self, "feature_names_in_", range(X.shape[1])))
        try:
            return [c if isinstance(c, int) else names.index(c) for c in self.columns]
        except ValueError as e:
            raise DataError(
                f"expected columns out of {names}. Received: {list(self.columns)}"
            ) from e

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags

    def save(self, path: str | Path) -> None:
        """Write all networks and what they need into a folder, to be read by :func:`load_features`.

        It holds a digest of each text, by which it is known again, and no text; but of the words,
        all that occur ``least_count`` times.

        Raises:
            StorageError: it exists, or cannot be written.
        """
        check_is_fitted(self)
        with whole_folder(path) as draft:
            for i, folds in enumerate(self.folds_):
                folds.save(draft, str(i))
            write_json(draft / FEATURES, {
                "schema": SCHEMA, "settings": self.get_params(),
                "classes": self.classes_.tolist(), "columns": self.columns_,
                "names": list(getattr(self, "feature_names_in_", [])),
                "count": int(self.n_features_in_),
            })  # fmt: skip


def load_features(path: str | Path) -> TextFeatures:
    """The inverse of :meth:`TextFeatures.save`.

    Raises:
        DataError: there is none, or it is damaged.
    """
    path = Path(path)
    try:
        facts = json.loads((path / FEATURES).read_text("utf-8"))
        if facts["schema"] != SCHEMA:
            raise ValueError(f"schema {facts['schema']}, expected {SCHEMA}")
        features = TextFeatures(**facts["settings"])
        features.classes_, features.columns_ = np.array(facts["classes"]), facts["columns"]
        features.n_features_in_ = facts["count"]
        if facts["names"]:
            features.feature_names_in_ = np.array(facts["names"], object)
        columns = range(len(features.columns_))
        features.folds_ = [Folds.load(path, str(i), features.folds) for i in columns]
        return features
    except (OSError, ValueError, KeyError, TypeError) as e:
        if isinstance(e, DataError):
            raise
        raise DataError(
            f"expected a folder that edgecnn features --model wrote. {path} cannot be read ({e}): "
            "name another"
        ) from e


def of_table(
    data: str | Path, out: str | Path, *, texts: Sequence[str], label: str, folds: int,
    settings: Mapping[str, Any], model: str | Path | None = None,
    tell: Tell = lambda done, of: None,
) -> list[str]:  # fmt: skip
    """Write a table with its new columns, each row's by networks that never saw its texts.

    Args:
        texts, label: columns of ``data``.
        settings: of :class:`TextFeatures`.
        model: a folder for the networks, for :func:`of_more`.

    Returns:
        Names of the new columns.

    Raises:
        DataError: a table, a column or a setting is not as expected.
        StorageError: ``out`` or ``model`` cannot be written.
    """
    kind_of(out)  # before an hour's work
    if model is not None and Path(model).exists():
        raise StorageError(f"{model} exists already: choose another --model, or remove it")
    table = _carried(data, out, (*texts, label))
    labels = column(table, label)
    if None in labels or "" in labels:
        raise DataError(
            f"expected a label in each row of {data}. Column {label!r} has gaps: fill them in"
        )
    _refuse_taken(table, [f"{text}_{found}" for text in texts for found in {*labels}])
    features = TextFeatures(**settings, folds=folds)
    features.fit(_frame(table, texts), np.array(labels), tell)
    features.feature_names_in_ = np.array(texts, object)
    names = _write(features, table, texts, out)
    if model is not None:
        features.save(model)
    return names


def of_more(data: str | Path, out: str | Path, model: str | Path) -> list[str]:
    """The same columns for another table, by the networks in a folder; as :func:`of_table`."""
    features = load_features(model)
    names = [str(name) for name in features.feature_names_in_]
    table = _carried(data, out, names)
    _refuse_taken(table, features.get_feature_names_out())
    return _write(features, table, names, out)


def _carried(data: str | Path, out: str | Path, strings: Sequence[str]) -> Any:
    """A table whose other columns ``out`` will have as they are; Parquet alone has types."""
    table = read_table(data, strings if kind_of(out) == PARQUET else None)
    refuse_empty(table, data)
    return table


def _refuse_taken(table: Any, names: Iterable[str]) -> None:
    if taken := sorted(set(names) & set(table.column_names)):
        raise DataError(f"the table has a column {taken[0]!r} already: rename that")


def _write(features: TextFeatures, table: Any, texts: Sequence[str], out: str | Path) -> list[str]:
    import pyarrow

    values = features._of(_frame(table, texts))
    names = [str(name) for name in features.get_feature_names_out()]
    for name, numbers in zip(names, values.T, strict=True):
        table = table.append_column(name, pyarrow.array(numbers))
    write_table(table, out)
    return names


def _frame(table: Any, texts: Sequence[str]) -> npt.NDArray[Any]:
    """Columns of a table as ``(N, columns)`` objects."""
    return np.array([column(table, name) for name in texts], object).T


def _later(tell: Tell, column: int, columns: int) -> Tell:
    """``tell`` for a column among others."""
    return lambda done, of: tell(column * of + done, columns * of)


def _texts(values: npt.NDArray[Any]) -> list[str]:
    """Cells as texts; None and what is no number is an empty one."""
    return ["" if value is None or value != value else str(value) for value in values]
