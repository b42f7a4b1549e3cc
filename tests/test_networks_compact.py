"""The classifiers' networks: shapes, sizes, and layers that small boards have."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.errors import DataError
from edgecnn.networks import build


def layers_of(model: object, kind: str) -> list[object]:
    return [x for x in model.layers if type(x).__name__ == kind]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("shape", "channels", "last_map"),
    [
        ((8, 8, 1), (4, 8), 4),
        ((28, 28, 1), None, 7),
        ((32, 48, 3), (8, 16), 4),
        ((96, 96, 3), None, 6),
        ((96, 96, 3), (8, 16), 6),
        ((224, 224, 3), (8, 16, 24, 32), 7),
    ],
)
def test_compact_shapes(
    shape: tuple[int, int, int], channels: tuple[int, ...] | None, last_map: int
) -> None:
    model = build("compact", input_shape=shape, classes=5, channels=channels)
    assert model.input_shape == (None, *shape)
    assert model.output_shape == (None, 5)
    relu = layers_of(model, "ReLU")[-1]
    assert min(relu.output.shape[1:3]) == last_map  # type: ignore[attr-defined]
    weights = len(layers_of(model, "Conv2D")) + len(layers_of(model, "Dense"))
    assert 5 <= weights <= 10
    assert np.isfinite(model(np.zeros((2, *shape), np.float32))).all()


def test_compact_parameters_follow_the_channels() -> None:
    def parameters(*channels: int) -> int:
        return int(build("compact", input_shape=(8, 8, 1), classes=10, channels=channels)
                   .count_params())  # fmt: skip

    # 3×3 kernels 1·4, 4·4, 4·6, 6·6; four numbers a filter to normalise; 6·10 + 10 for the logits.
    assert parameters(4, 6) == 9 * (4 + 16 + 24 + 36) + 4 * (4 + 4 + 6 + 6) + 70
    assert parameters(4, 6) < 1000 < parameters(8, 16) < 5000


@pytest.mark.parametrize("channels", [(), (8,), (8, 8, 8, 8, 8), (8, 0)])
def test_compact_refuses_other_channels(channels: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="two to four channel counts"):
        build("compact", input_shape=(8, 8, 1), classes=2, channels=channels)


def test_compact_refuses_a_tiny_picture() -> None:
    with pytest.raises(DataError, match="8×8"):
        build("compact", input_shape=(8, 7, 1), classes=2)


@pytest.mark.parametrize(
    ("channels", "parameters"),
    [
        (None, 64 * 64 + 4 * 64 + 64 * 10 + 10),
        ((16, 8), 64 * 16 + 16 * 8 + 4 * 24 + 90),
    ],
)
def test_dense_parameters(channels: tuple[int, ...] | None, parameters: int) -> None:
    model = build("dense", input_shape=(8, 8, 1), classes=10, channels=channels)
    assert model.output_shape == (None, 10)
    assert model.count_params() == parameters


@pytest.mark.parametrize("channels", [(), (0,), (8, -1)])
def test_dense_refuses_other_channels(channels: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="unit counts"):
        build("dense", input_shape=(8, 8, 1), classes=2, channels=channels)
