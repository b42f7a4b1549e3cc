"""The network of texts: convolutions of several widths, each filter's strongest answer, logits.

Kim, "Convolutional Neural Networks for Sentence Classification" (EMNLP 2014), section 2. The table
of word vectors is not in it, see :mod:`edgecnn.text`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.errors import DataError, needs

with needs("train", "keras", "tensorflow"):
    from keras import Input, Model, layers

WIDTHS, FILTERS = (3, 4, 5), 100
"""Words that a filter sees, and filters of each width; with ``DROPOUT`` those of section 3.1."""
DROPOUT = 0.5


def text(
    input_shape: tuple[int, int, int] = (40, 1, 64),
    classes: int = 2,
    *,
    widths: Sequence[int] = WIDTHS,
    filters: int = FILTERS,
    dropout: float = DROPOUT,
) -> Any:
    """Filters of each width over the words, their maximum over time, and logits.

    Args:
        input_shape: words, 1, numbers of a word.
        classes: number of logits.
        dropout: share of a word's numbers, and of the filters' answers, that each step of the
            training goes without.

    Input shape: ``(B, length, 1, dim)`` float32 in the range of :func:`edgecnn.images.to_network`.
    Output shape: ``(B, classes)`` logits.

    Raises:
        DataError: a width is not 1 to ``length``, or there are no filters.
    """
    length = input_shape[0]
    if not widths or not 1 <= min(widths) <= max(widths) <= length or filters < 1:
        raise DataError(
            f"expected widths of 1 to {length} words, and a filter at least. Received: "
            f"{list(widths)}, {filters} filters"
        )
    inputs = Input(input_shape, name="words")  # (B, length, 1, dim)
    x = layers.Dropout(dropout, name="word_dropout")(inputs)
    strongest = []
    for width in sorted(set(widths)):
        name = f"width{width}"
        seen = layers.Conv2D(filters, (width, 1), activation="relu", name=name)(x)
        # Over all places, as a pooling layer and not as a reduction: every accelerator has that.
        pool = layers.MaxPooling2D((length - width + 1, 1), name=f"{name}_max")
        strongest.append(pool(seen))  # (B, 1, 1, filters)
    joined = layers.Concatenate(name="joined")(strongest) if len(strongest) > 1 else strongest[0]
    flat = layers.Flatten(name="flat")(joined)  # (B, len(widths) * filters)
    features = layers.Dropout(dropout, name="dropout")(flat)
    return Model(inputs, layers.Dense(classes, name="logits")(features), name="text")
