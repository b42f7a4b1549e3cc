"""Samples as PNG bytes: pictures as a network sees them, maps over them, and texts."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from textwrap import wrap
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import needs
from edgecnn.images import Image
from edgecnn.report.plots import LIGHT, plain

LOOKED_AT = 192
"""Pixels of a picture's longer side, at most, where maps stand beside it."""


def picture(pixels: Image, *, order: str = "RGB", side: int = 96) -> bytes:
    """A network's input as a picture; small ones are enlarged without smoothing.

    Args:
        pixels: ``(H, W, C)`` uint8, C 1 or 3.
        order: ``"RGB"``, ``"BGR"`` or ``"GRAY"``.
        side: the least length of the longer side.
    """
    import cv2

    return bytes(cv2.imencode(".png", _enlarged(pixels, order, side))[1])


def looked_at(
    pixels: Image, maps: Sequence[npt.NDArray[np.floating]], *, order: str = "RGB", side: int = 96
) -> bytes:
    """A picture, and beside it once more for each map, bright where the map is high.

    Args:
        pixels, order, side: as for :func:`picture`.
        maps: ``(h, w)`` each, 0 and above, of any size; each is shown by its own maximum.
    """
    import cv2

    large = _enlarged(pixels, order, side)
    if (smaller := LOOKED_AT / max(large.shape[:2])) < 1:
        large = cv2.resize(large, None, fx=smaller, fy=smaller, interpolation=cv2.INTER_AREA)
    if large.ndim == 2:
        large = cv2.cvtColor(large, cv2.COLOR_GRAY2BGR)
    grey = cv2.cvtColor(cv2.cvtColor(large, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    size_wh = (large.shape[1], large.shape[0])
    tiles = [large]
    for one in maps:
        spread = cv2.resize(np.asarray(one, np.float32), size_wh, interpolation=cv2.INTER_LINEAR)
        share = spread / max(1e-9, float(spread.max()))
        colour = cv2.applyColorMap((255 * share).astype(np.uint8), cv2.COLORMAP_INFERNO)
        tiles.append((0.35 * grey + 0.65 * colour).astype(np.uint8))
    return _side_by_side(np.stack(tiles), len(tiles))


def mosaic(tiles: Image, *, order: str = "GRAY", columns: int = 8, side: int = 64) -> bytes:
    """Small pictures of one size, row by row.

    Args:
        tiles: ``(N, h, w, C)`` uint8, C 1 or 3.
        order, side: of each, as for :func:`picture`.
    """
    import cv2

    large = [_enlarged(tile, order, side) for tile in tiles]
    if large[0].ndim == 2:
        large = [cv2.cvtColor(tile, cv2.COLOR_GRAY2BGR) for tile in large]
    return _side_by_side(np.stack(large), columns)


def written(text: str) -> bytes:
    """A text, dark on light; what is beyond some lines is left out."""
    with needs("train", "matplotlib"):
        from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2, 1.6))
    shown = "\n".join(wrap(text, 44, max_lines=8, placeholder=" …"))
    figure.text(0.03, 0.95, plain(shown), va="top", fontsize=8, color=LIGHT["ink"])
    figure.patch.set_facecolor("white")
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _side_by_side(tiles: Image, columns: int, gap: int = 4) -> bytes:
    """``(N, h, w, 3)`` BGR tiles in rows, with nothing between them, whatever page is behind."""
    import cv2

    count, h, w, _ = tiles.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    sheet = np.zeros((rows * (h + gap) - gap, columns * (w + gap) - gap, 4), np.uint8)
    for i, tile in enumerate(tiles):
        y, x = (i // columns) * (h + gap), (i % columns) * (w + gap)
        sheet[y : y + h, x : x + w, :3] = tile
        sheet[y : y + h, x : x + w, 3] = 255
    return bytes(cv2.imencode(".png", sheet)[1])


def _enlarged(pixels: Image, order: str, side: int) -> Any:
    """In OpenCV's order of channels, by a whole factor; grey has no third axis."""
    import cv2

    shown = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if order == "RGB" else pixels
    times = max(1, -(-side // max(pixels.shape[:2])))
    return cv2.resize(shown, None, fx=times, fy=times, interpolation=cv2.INTER_NEAREST)
