"""What the classifiers share: how layers spread over stages, and where the picture is halved."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.errors import DataError

STAGES = (2, 4)
"""Least and most stages of a convolutional classifier."""

SMALLEST_SIDE = 8
"""Pixels; a 3×3 kernel sees hardly more than borders in less."""


def widths_of(channels: Sequence[int], width: float) -> tuple[int, ...]:
    """The filters of each stage, ``width`` times ``channels``, one at least.

    Raises:
        DataError: not two to four counts above 0, or ``width`` is not above 0.
    """
    if not STAGES[0] <= len(channels) <= STAGES[1] or min(channels) < 1:
        raise DataError(f"expected two to four channel counts above 0. Received: {list(channels)}")
    if not width > 0:
        raise DataError(f"expected a width above 0, such as 0.5. Received: {width}")
    return tuple(max(1, round(count * width)) for count in channels)


def check_side(input_shape: Sequence[int]) -> int:
    """The shorter side of a picture.

    Raises:
        DataError: it is under :data:`SMALLEST_SIDE`.
    """
    side = min(input_shape[:2])
    if side < SMALLEST_SIDE:
        raise DataError(f"expected an input of 8×8 pixels at least. Received: {input_shape}")
    return side


def spread(count: int, stages: int) -> list[int]:
    """``count`` layers or blocks over the stages, the earlier ones one more where it is uneven."""
    return [count // stages + (i < count % stages) for i in range(stages)]


def halvings(side: int) -> int:
    """How often a side is halved until a map of 4…7 pixels is left."""
    return max(0, (side // 4).bit_length() - 1)


def strides(side: int, stages: int) -> list[int]:
    """The stride of the stem and of each stage's first block: halved late rather than early, so
    that a small picture is not gone before it was looked at."""
    halved = [*reversed(range(1, stages + 1)), 0][: halvings(side)]
    return [2 if i in halved else 1 for i in range(stages + 1)]


def blocks_of(depth: int, stages: int) -> list[int]:
    """Blocks a stage of a network with ``depth`` weight layers: two a block, the stem, the logits.

    Raises:
        DataError: the depth is odd, above 100, or too small for a block in each stage.
    """
    least = 2 * stages + 2
    if depth % 2 or not least <= depth <= 100:
        raise DataError(f"expected an even depth of {least} to 100 layers. Received: {depth}")
    return spread((depth - 2) // 2, stages)
