"""The network of texts: what it computes, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgecnn.errors import DataError
from edgecnn.networks import build


def test_it_computes_what_the_paper_says() -> None:
    network = build("text", input_shape=(7, 1, 3), classes=2, widths=(1, 3), filters=4)
    assert network.input_shape == (None, 7, 1, 3) and network.output_shape == (None, 2)
    x = np.random.default_rng(0).normal(size=(5, 7, 1, 3)).astype(np.float32)
    strongest = []
    for width in (1, 3):
        kernel, bias = network.get_layer(f"width{width}").get_weights()  # (width, 1, 3, 4)
        places = [
            np.einsum("nwd,wdf->nf", x[:, i : i + width, 0], kernel[:, 0]) + bias
            for i in range(7 - width + 1)
        ]
        strongest.append(np.maximum(places, 0).max(axis=0))
    weights, bias = network.get_layer("logits").get_weights()
    expected = np.concatenate(strongest, axis=1) @ weights + bias
    np.testing.assert_allclose(network(x), expected, rtol=1e-4, atol=1e-5)


def test_as_large_as_in_the_paper() -> None:
    network = build("text", input_shape=(50, 1, 300), classes=2)
    # Filters of 3, 4 and 5 words, 100 each, with a bias; 300 features to two logits.
    assert network.count_params() == 100 * (300 * (3 + 4 + 5) + 3) + 2 * 301


@pytest.mark.parametrize(
    "options",
    [{"widths": ()}, {"widths": (0, 2)}, {"widths": (2, 9)}, {"filters": 0}],
)
def test_it_refuses(options: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="expected widths of 1 to 8 words, and a filter"):
        build("text", input_shape=(8, 1, 4), classes=2, **options)
