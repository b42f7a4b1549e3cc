"""The classic faults of a calibration set, each told by what it leaves in the pictures.

A set with which no good int8 file can come out is refused; one that is merely doubtful gives a
:class:`Finding`, which the verification carries on. All of them have been met in the field: a
generator that yields its first sample over and over, pictures that calibration and serving prepare
differently, classes that were never calibrated on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from edgecnn.errors import ConversionError
from edgecnn.images import ZERO_BYTE, Floats, Image

REPEATED = (0.1, 0.5)
"""Share of pictures that are copies of others: above the first doubtful, above the second refused.
A folder of photos holds a few copies, a video of a still scene many."""

COMPARED = 32
"""Photos that are prepared again to compare: enough, since each is compared byte by byte."""

OTHERWISE: dict[str, Callable[[Image], npt.NDArray[np.uint8]]] = {
    "the channels stand in the other order": lambda p: p[..., ::-1],
    "the range is 0 to 1, not 0 to 255": lambda p: np.rint(p / 255).astype(np.uint8),
    "the range is 0 to 1, cut to whole numbers": lambda p: p // 255,
    "the range is halved": lambda p: p // 2,
    "the mean is taken off twice": lambda p: p ^ np.uint8(ZERO_BYTE),
    "black and white are exchanged": lambda p: 255 - p,
}
"""What goes wrong between calibration and serving, and how it turns the right bytes into others."""


@dataclass(frozen=True)
class Finding:
    """Something doubtful.

    Attributes:
        kind: ``repeats``, ``classes``, ``preprocessing``, ``saturated``, ``dead``, ``training`` or
            ``report``.
        text: what was found, what is usual, and what to do. It names no photo and nobody.
    """

    kind: str
    text: str


def repeats(pixels: Image) -> list[Finding]:
    """Copies, by content, among ``(N, ...)`` uint8 pictures.

    Raises:
        ConversionError: more than half of them are copies, as from a generator that always yields
            the same picture.
    """
    distinct = _distinct(pixels)
    copies = (len(pixels) - distinct) / max(1, len(pixels))
    said = f"{len(pixels)} calibration pictures of which {distinct} are different"
    cure = "remove copies from the training pictures, or mend what hands out the samples"
    if copies > REPEATED[1]:
        raise ConversionError(f"expected pictures that differ. Received: {said}: {cure}")
    return [Finding("repeats", f"{said}: {cure}")] if copies > REPEATED[0] else []


def missing_classes(targets: npt.NDArray[np.int64], labels: Sequence[str]) -> list[Finding]:
    """Classes without a picture.

    Args:
        targets: ``(N,)`` class number of each calibration picture.
        labels: the classes, by number.

    Raises:
        ConversionError: a class has none although there are enough pictures for all.
    """
    seen = Counter(targets.tolist())
    lacking = [label for i, label in enumerate(labels) if not seen[i]]
    if not lacking:
        return []
    few = ", ".join(lacking[:3]) + (f" and {len(lacking) - 3} more" if len(lacking) > 3 else "")
    said = f"of {len(labels)} classes {len(lacking)} have no calibration picture ({few})"
    if len(targets) < len(labels):
        text = f"{said}: use --calibration {len(labels)} or more"
        return [Finding("classes", text)]
    raise ConversionError(
        f"expected calibration pictures of every class. Received: {len(targets)} pictures, but "
        f"{said}: are the training pictures of these classes still in place?"
    )


def other_preprocessing(pixels: Image, expected: Iterable[Image]) -> list[Finding]:
    """Whether calibration saw the bytes that the board will see.

    Args:
        pixels: ``(N, H, W, C)`` uint8, what calibration gets.
        expected: photos that are among them, ``(H, W, C)`` uint8 each, put through the
            preprocessing that stands in the manifest.

    Raises:
        ConversionError: range, mean or channel order differ.
    """
    wanted = list(expected)
    if not wanted:
        return []
    if wanted[0].shape != pixels.shape[1:]:
        raise ConversionError(
            f"expected calibration pictures of shape {wanted[0].shape}, as the manifest says. "
            f"Received: {pixels.shape[1:]}: prepare them with the run's own Preprocess"
        )
    seen = {one.tobytes() for one in np.ascontiguousarray(pixels)}
    if _share(wanted, seen) > 0.5:
        return []
    both = (
        f"{_statistics(pixels)}; the same photos as the board prepares them: {_statistics(wanted)}"
    )
    cure = "prepare both with the run's own Preprocess"
    for name, change in OTHERWISE.items():
        if _share([change(one) for one in wanted], seen) > 0.5:
            raise ConversionError(
                f"calibration and board prepare pictures differently: {name}. "
                f"Calibration: {both}: {cure}"
            )
    if _distinct(pixels) < (1 - REPEATED[1]) * len(pixels):
        return []  # copies of one picture differ from most photos: repeats() tells that better
    if difference := _differs(pixels, np.stack(wanted)):
        raise ConversionError(
            f"calibration and board prepare pictures differently: {difference}. "
            f"Calibration: {both}: {cure}"
        )
    return [
        Finding(
            "preprocessing",
            f"none of {len(wanted)} photos comes out for the board as calibration has it, though "
            f"range and mean agree ({both}): another fit or interpolation? {cure}",
        )
    ]


def _distinct(pixels: Image) -> int:
    return len({sha256(one.tobytes()).digest() for one in np.ascontiguousarray(pixels)})


def _share(wanted: Sequence[Image], seen: set[bytes]) -> float:
    return float(np.mean([np.ascontiguousarray(one).tobytes() in seen for one in wanted]))


def _differs(pixels: Image, wanted: Image) -> str | None:
    """What separates two sets of pictures whose bytes have nothing in common.

    The two may show other crops of the same photos, so a difference counts only where it is
    larger than what photos of one set differ by: a quarter of their spread in the mean, a factor
    of two in the spread.
    """
    here, there = (_by_channel(p) for p in (pixels, wanted))
    apart = np.abs(here[0] - there[0]).max()
    if len(here[0]) > 1:
        turned = np.abs(here[0] - there[0][::-1]).max()
        if apart > 4 and turned < apart / 2:
            return "the channels stand in the other order"
    ratio = float((here[1].mean() + 1e-6) / (there[1].mean() + 1e-6))
    if not 0.5 < ratio < 2:
        return "the range differs"
    return "the mean differs" if apart > max(8.0, 0.25 * float(there[1].mean())) else None


def _by_channel(pictures: Image) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each channel."""
    flat = pictures.reshape(-1, pictures.shape[-1]).astype(np.float32)
    return flat.mean(axis=0), flat.std(axis=0)


def _statistics(pictures: Sequence[Image] | Image) -> str:
    stacked = np.asarray(pictures)
    means = ", ".join(f"{m:.1f}" for m in _by_channel(stacked)[0])
    return f"values {stacked.min()} to {stacked.max()}, mean of each channel {means}"
