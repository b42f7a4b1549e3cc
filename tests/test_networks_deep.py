"""The deep classifiers: as many layers as asked, halved late, and quiet at the beginning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgecnn.errors import DataError
from edgecnn.networks import CLASSIFIERS, build
from edgecnn.networks.stages import blocks_of, spread, strides
from edgecnn.report.layers import depth

pytest.importorskip("tensorflow")

DEEP = ("residual", "separable")


def small(name: str, **options: Any) -> Any:
    options = {"input_shape": (8, 8, 1), "classes": 3, "channels": (4, 6, 8), **options}
    return build(name, **options)


@pytest.mark.parametrize("layers", [8, 30, 44, 100])
@pytest.mark.parametrize("name", DEEP)
def test_as_many_layers_as_asked(name: str, layers: int) -> None:
    assert depth(small(name, depth=layers)) == layers


@pytest.mark.parametrize("layers", [5, 6, 7, 8, 9, 10])
def test_compact_too(layers: int) -> None:
    assert depth(small("compact", depth=layers)) == layers


def test_ordinary_and_deep_by_default() -> None:
    found = {name: depth(small(name, channels=None)) for name in CLASSIFIERS}
    assert found == {"compact": 7, "residual": 32, "separable": 30, "dense": 2}


@pytest.mark.parametrize(
    ("name", "layers", "message"),
    [
        ("residual", 31, "an even depth of 8 to 100 layers. Received: 31"),
        ("residual", 6, "8 to 100"),
        ("separable", 102, "8 to 100"),
        ("compact", 4, "a depth of 5 to 10 layers. Received: 4"),
        ("compact", 11, "5 to 10"),
        ("dense", 3, "the network dense has no depth: leave it out"),
    ],
)
def test_another_depth_is_refused(name: str, layers: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        small(name, depth=layers)


@pytest.mark.parametrize("name", ["compact", *DEEP])
def test_width_is_a_factor_on_every_stage(name: str) -> None:
    half, whole = small(name, width=0.5), small(name, channels=(2, 3, 4))
    assert [w.shape for w in half.weights] == [w.shape for w in whole.weights]
    assert min(w.shape[-1] for w in small(name, width=0.01).weights) == 1
    with pytest.raises(DataError, match="a width above 0"):
        small(name, width=0.0)


# Kernels by hand: stem 3·3·1·4; stage 1, one block; then the halving or widening block and its way
# around; four numbers a normalised filter; 8·3 + 3 logits.
RESIDUAL = 36 + 2 * 144 + (216 + 324 + 24) + (432 + 576 + 48) + 4 * (4 + 8 + 18 + 24) + 27
SEPARABLE = 36 + (36 + 16) + (36 + 24) + (54 + 48) + 4 * (4 + 8 + 10 + 14) + 27


@pytest.mark.parametrize(("name", "parameters"), [("residual", RESIDUAL), ("separable", SEPARABLE)])
def test_parameters_by_hand(name: str, parameters: int) -> None:
    assert small(name, depth=8).count_params() == parameters


def test_layers_are_spread_and_halved() -> None:
    assert spread(14, 3) == [5, 5, 4]
    assert blocks_of(100, 3) == [17, 16, 16]
    assert strides(8, 3) == [1, 1, 1, 2]  # 8 → 4
    assert strides(28, 3) == [1, 1, 2, 2]  # 28 → 7
    assert strides(96, 3) == [2, 2, 2, 2]  # 96 → 6
    assert strides(224, 3) == [2, 2, 2, 2]  # 224 → 14


@pytest.mark.parametrize("name", DEEP)
def test_blocks_begin_as_nothing_added(name: str) -> None:
    """So 100 layers answer, at first, what the few do that change the shape; and can learn."""
    pixels = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 1)).astype(np.float32)
    model = small(name, depth=100)
    first = model.get_layer("stage1_block1_out").output
    last = model.get_layer("stage1_block17_out").output
    import keras

    early, late = keras.Model(model.input, [first, last])(pixels)
    np.testing.assert_array_equal(early, late)
    assert np.isfinite(model(pixels)).all()


@pytest.mark.parametrize("name", ["compact", *DEEP])
def test_a_tiny_picture_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="8×8"):
        small(name, input_shape=(8, 7, 1))
