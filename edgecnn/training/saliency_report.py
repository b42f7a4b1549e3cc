"""Where a classifier looks and what its first layers see, as parts of a run's page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.images import Floats, Image
from edgecnn.report import page, pictures
from edgecnn.training import saliency

MISTAKES, RIGHT = 24, 8
"""Pictures at most."""

FILTERS, MAPS = 32, 16
"""Filters of the first layer, and feature maps of each stage, at most."""

CAM = (
    "The brighter, the more evidence lay there for the answer (Grad-CAM, Selvaraju et al. 2017, in "
    "the last feature maps, {0} by {1} cells); each picture by its own maximum."
)
GRADIENT = (
    "This network has no feature maps, so no Grad-CAM. The brighter a pixel, the further it moves "
    "the answer's logit (input gradient, Simonyan et al. 2013); each picture by its own maximum."
)
SANITY = (
    "Sanity check (Adebayo et al. 2018): with random weights in place of the learnt ones, the maps "
    "have a mean rank correlation of {0:.2f} with these; near 1 they would show the pictures, not "
    "what was learnt."
)


@dataclass(frozen=True, eq=False)
class Tested:
    """Test pictures and what was said of them.

    Attributes:
        labels: of the K classes.
        order: of the channels: ``"RGB"``, ``"BGR"`` or ``"GRAY"``.
        names: of the N pictures.
        pixels: a number or some, ``(k,)``, to ``(H, W, C)`` or ``(k, H, W, C)`` uint8: all of
            them may be more than memory holds.
        probabilities: ``(N, K)``.
        targets: ``(N,)``.
    """

    labels: Sequence[str]
    order: str
    names: Sequence[str]
    pixels: Callable[[Any], Image]
    probabilities: Floats
    targets: npt.NDArray[np.int64]

    @property
    def answers(self) -> npt.NDArray[np.int64]:
        """``(N,)``."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def sureness(self) -> Floats:
        """``(N,)`` 0…1."""
        return np.asarray(self.probabilities.max(axis=1), np.float32)

    @property
    def hits(self) -> npt.NDArray[np.bool_]:
        """``(N,)`` whether the answer is right."""
        return np.asarray(self.answers == self.targets)


def sections(network: Any, tested: Tested) -> list[page.Section]:
    """The hardest pictures and some right ones with their maps; filters and feature maps."""
    hits = np.flatnonzero(tested.hits)
    # One of each class, then the next of each.
    turn = [int(np.sum(tested.targets[hits[:k]] == tested.targets[i])) for k, i in enumerate(hits)]
    right = hits[np.argsort(turn, kind="stable")][:RIGHT]
    found = [_hardest(network, tested)]
    if len(right):
        found.append(_right(network, tested, right))
    return [*found, _layers(network, tested, int(right[0]) if len(right) else 0)]


def _hardest(network: Any, tested: Tested) -> page.Section:
    """The surest of the wrong answers, or the least sure of the right ones where all are."""
    wrong = np.flatnonzero(~tested.hits)
    if len(wrong):
        heading = f"Worst mistakes ({min(MISTAKES, len(wrong))} of {len(wrong)})"
        shown = wrong[np.argsort(-tested.sureness[wrong], kind="stable")][:MISTAKES]
        note = "The picture, what speaks for the answer, and what for the true class. "
    else:
        heading = "No mistake among the test pictures; these were the least sure"
        shown = np.argsort(tested.sureness, kind="stable")[:MISTAKES]
        note = "The picture, and what speaks for the answer. "
    pixels = tested.pixels(shown)
    maps = saliency.saliency(network, pixels, tested.answers[shown])
    columns = [maps]
    if len(wrong):
        columns.append(saliency.saliency(network, pixels, tested.targets[shown]))
    is_dense = saliency.feature_layer(network) is None
    note += GRADIENT if is_dense else CAM.format(*maps.shape[1:])
    checked = SANITY.format(saliency.sanity(network, pixels, tested.answers[shown]))
    return page.Section(
        heading,
        page.paragraph(note) + page.paragraph(checked) + _gallery(tested, shown, columns),
    )


def _right(network: Any, tested: Tested, shown: npt.NDArray[np.int64]) -> page.Section:
    maps = saliency.saliency(network, tested.pixels(shown), tested.answers[shown])
    return page.Section("Right answers, and what speaks for them", _gallery(tested, shown, [maps]))


def _gallery(tested: Tested, shown: npt.NDArray[np.int64], columns: Sequence[Floats]) -> str:
    cells = []
    for k, i in enumerate(shown):
        true, answer = (tested.labels[c] for c in (tested.targets[i], tested.answers[i]))
        said = true if true == answer else f"{true} → {answer}"
        png = pictures.looked_at(
            tested.pixels(i), [maps[k] for maps in columns], order=tested.order
        )
        cells.append((png, f"{said}, {100 * tested.sureness[i]:.0f} %", tested.names[i]))
    return page.gallery(cells, across=1 + len(columns))


def _layers(network: Any, tested: Tested, sample: int) -> page.Section:
    """Filters of the first layer, and what the first stages make of one picture."""
    filters = saliency.first_filters(network)
    shown = 127.5 + 127.5 * filters[:FILTERS] / max(1e-9, float(np.abs(filters).max()))
    html = page.picture(
        pictures.mosaic(shown.astype(np.uint8), order=tested.order),
        "Weights of the first layer",
        f"{len(shown)} of {len(filters)} filters of the first layer, {filters.shape[2]}×"
        f"{filters.shape[1]} pixels each: grey is 0, the ends of the scale are the largest weight.",
    )
    pixels = tested.pixels(sample)
    stages = saliency.feature_maps(network, pixels)
    if not stages:
        return page.Section("What the first layer weighs", html)
    png = pictures.picture(pixels, order=tested.order)
    html += page.picture(png, "The picture that the maps below are of", tested.names[sample])
    for name, maps in stages.items():
        most = np.sort(np.argsort(-maps.mean(axis=(0, 1)), kind="stable")[:MAPS])
        tiles = 255 * np.moveaxis(maps[..., most], -1, 0) / max(1e-9, float(maps.max()))
        html += page.picture(
            pictures.mosaic(np.clip(tiles, 0, 255).astype(np.uint8)[..., None], order="GRAY"),
            f"Feature maps of {name}",
            f"{name}: {maps.shape[1]}×{maps.shape[0]}, the {len(most)} most active of its "
            f"{maps.shape[2]} maps.",
        )
    return page.Section("What the first layers see", html)
