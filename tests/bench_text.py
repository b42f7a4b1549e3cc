"""Texts on rt-polarity: ``make bench-text``.

Ten-fold accuracy of the network, and what its columns add to models of tables. Writes the tables of
``docs/text.md``. Every number is of rows that nothing which was fitted has seen.
"""

from __future__ import annotations

import math
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn import training
from edgecnn.text import words_of

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "text.md"
DATA = Path(os.environ.get("EDGECNN_SHARED_DATA", ROOT.parent / "shared" / "data")) / "rt-polarity"
FOLDS, OUTER, INNER = 10, 3, 4
"""Folds of the accuracy (Kim 2014, section 3.1); of the comparison, and within each for the
columns."""

KIM = 76.1
"""Accuracy, in percent, of CNN-rand on MR in table 2 of Kim 2014."""

MODELS = ("gradient boosting on looks", "logistic regression on 2,000 words")

Words = npt.NDArray[Any]
Labels = npt.NDArray[np.int64]


def reviews() -> tuple[Words, Labels]:
    """All sentences, and 1 for praise."""
    parts = [
        (DATA / f"rt-polarity.{name}").read_text("latin-1").splitlines() for name in ("neg", "pos")
    ]
    texts = np.array([text for part in parts for text in part], object)
    return texts, np.repeat([0, 1], [len(part) for part in parts])


def looks(texts: Words) -> npt.NDArray[np.float64]:
    """What one sees of a text without reading it: letters, words, their mean length, punctuation,
    digits, and words that deny."""
    rows = []
    for text in texts:
        words = words_of(text)
        rows.append([
            len(text), len(words), np.mean([len(w) for w in words] or [0]),
            *(text.count(sign) for sign in "!?,.-\"();:"), len(re.findall(r"\d", text)),
            sum(w in ("n't", "not", "no", "never") for w in words),
        ])  # fmt: skip
    return np.array(rows, np.float64)


def tell(text: str) -> None:
    print(text, flush=True)


def accuracy(texts: Words, labels: Labels) -> tuple[list[float], int]:
    """Shares right of each of :data:`FOLDS` folds by a network that learnt from the others, and
    bytes of the last table and weights."""
    from edgecnn.training.features import TextFeatures
    from edgecnn.training.text_folds import learn_folds

    settings = TextFeatures().get_params()
    folds = learn_folds(list(texts), labels, 2, FOLDS, settings, lambda k, of: tell(f"{k}/{of}"))
    found = folds.probabilities(list(texts)).argmax(axis=1) == labels
    where = np.array([folds.fold_of(text) for text in texts])
    last = folds.networks[-1]
    size = last.vocabulary.table.nbytes + last.network.count_params()
    return [float(found[where == k].mean()) for k in range(FOLDS)], size


def compared(texts: Words, labels: Labels) -> dict[str, tuple[Labels, Labels]]:
    """By model, whether it is right of each row, without and with the network's column."""
    from sklearn.model_selection import StratifiedKFold

    right = {name: (np.zeros_like(labels), np.zeros_like(labels)) for name in MODELS}
    outer = StratifiedKFold(OUTER, shuffle=True, random_state=0)
    for number, (learn, ask) in enumerate(outer.split(texts, labels), 1):
        found = answers(texts[learn], labels[learn], texts[ask])
        for name, both in found.items():
            for result, said in zip(right[name], both, strict=True):
                result[ask] = said == labels[ask]
        tell(f"comparison {number}/{OUTER}")
    return right


def answers(texts: Words, labels: Labels, asked: Words) -> dict[str, tuple[Labels, Labels]]:
    """By model, what it says of new texts, without and with the network's column."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    from edgecnn.training.features import TextFeatures

    features = TextFeatures([0], folds=INNER)
    columns = features.fit_transform(texts[:, None], labels), features.transform(asked[:, None])
    words = TfidfVectorizer(max_features=2000, tokenizer=words_of, token_pattern=None)
    tables = {
        MODELS[0]: (looks(texts), looks(asked)),
        MODELS[1]: (words.fit_transform(texts).toarray(), words.transform(asked).toarray()),
    }
    models = {
        MODELS[0]: lambda: HistGradientBoostingClassifier(random_state=0),
        MODELS[1]: lambda: LogisticRegression(max_iter=1000),
    }
    found = {}
    for name, table in tables.items():
        wide = tuple(np.hstack(both) for both in zip(table, columns, strict=True))
        found[name] = tuple(
            models[name]().fit(known, labels).predict(unknown) for known, unknown in (table, wide)
        )
    return found


def mcnemar(without: Labels, with_: Labels) -> float:
    """Chance that as many rows or more change sides if neither is better (McNemar 1947, two-sided,
    normal approximation with continuity correction)."""
    better = int(np.sum((with_ == 1) & (without == 0)))
    worse = int(np.sum((with_ == 0) & (without == 1)))
    if better + worse == 0:
        return 1.0
    z = max(0, abs(better - worse) - 1) / math.sqrt(better + worse)
    return math.erfc(z / math.sqrt(2))


def accuracy_lines(folds: list[float], size: int) -> list[str]:
    mean, spread = 100 * float(np.mean(folds)), 100 * float(np.std(folds))
    return [
        f"Ten folds, vectors learnt from nothing but the other folds: **{mean:.2f} %** (standard",
        f"deviation of a fold {spread:.2f}); Kim's CNN-rand has {KIM} %. By fold:",
        ", ".join(f"{100 * f:.1f}" for f in folds)
        + f". {size:,} bytes in int8, words and network.",
    ]


def comparison_lines(right: dict[str, tuple[Labels, Labels]]) -> list[str]:
    rows = []
    for name, (without, with_) in right.items():
        chance = mcnemar(without, with_)
        said = "below 1e-9" if chance < 1e-9 else f"{chance:.2g}"
        rows.append(
            f"| {name} | {100 * without.mean():.2f} % | {100 * with_.mean():.2f} % | {said} |"
        )
    return [
        f"What the new column adds, of {OUTER} folds, in each of which {INNER} make the column:",
        "",
        "| model | without | with the column | chance (McNemar) that it adds nothing |",
        "| --- | ---: | ---: | ---: |",
        *rows,
    ]


def write(what: str, lines: list[str]) -> None:
    """Put what was measured between its marks in the page."""
    begin, end = f"<!-- {what}: make bench-text -->\n", "<!-- end -->"
    before, _, rest = PAGE.read_text("utf-8").partition(begin)
    text = "\n".join(["", *lines, "", ""])
    PAGE.write_text(f"{before}{begin}{text}{end}{rest.partition(end)[2]}", "utf-8")
    tell(text)


def main() -> int:
    training.start_keras()
    texts, labels = reviews()
    write("accuracy", accuracy_lines(*accuracy(texts, labels)))
    write("comparison", comparison_lines(compared(texts, labels)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
