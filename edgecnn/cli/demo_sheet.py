"""The demo's pictures: six telling frames on one sheet, and what happened when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from edgecnn.cli.demo_faces import FIRST, SECOND
from edgecnn.cli.demo_score import judge
from edgecnn.errors import needs

if TYPE_CHECKING:
    from edgecnn.camera.sources.synthetic import SyntheticCamera
    from edgecnn.cli.demo_faces import Watched
    from edgecnn.cli.demo_score import Verdict
    from edgecnn.faces.types import Recognition
    from edgecnn.images import Image

TILE_WH, COLUMNS, GAP, CAPTION = (392, 294), 3, 12, 34
COLOURS = 256
"""Of the sheet's palette: a photo of this size in full colour would take a megabyte."""


def contact_sheet(source: SyntheticCamera, first: Watched, second: Watched) -> bytes:
    """Six frames with names and captions as one PNG, about 1,200 pixels wide."""
    import numpy as np

    tiles = [(source.render(index), tour.outcomes[index], caption)
             for index, tour, caption in choose(source, first, second)]  # fmt: skip
    width, height = TILE_WH
    rows = -(-len(tiles) // COLUMNS)
    pitch_x, pitch_y = width + GAP, height + CAPTION + GAP
    sheet = np.full((rows * pitch_y + GAP, COLUMNS * pitch_x + GAP, 3), 255, np.uint8)
    captions = []
    for i, (frame, outcome, caption) in enumerate(tiles):
        x, y = GAP + i % COLUMNS * pitch_x, GAP + i // COLUMNS * pitch_y
        sheet[y : y + height, x : x + width] = _tile(frame, outcome)
        captions.append((x, y + height + CAPTION * 0.68, caption))
    return _with_captions(sheet, captions)


def choose(
    source: SyntheticCamera, first: Watched, second: Watched
) -> list[tuple[int, Watched, str]]:
    """The frames that show best what the demo is about: index, tour and caption.

    A kind of frame that did not occur is left out.
    """
    alone = [judge(*pair) for pair in zip(first.truths, first.outcomes, strict=True)]
    both = [judge(*pair) for pair in zip(second.truths, second.outcomes, strict=True)]

    def best(fits: Callable[[int], bool], worth: Callable[[int], float]) -> int | None:
        return max((i for i in range(len(alone)) if fits(i)), key=worth, default=None)

    def width(index: int, name: str = FIRST) -> float:
        return sum(float(t.box_xyxy[2] - t.box_xyxy[0])
                   for t in first.truths[index] if t.name == name)  # fmt: skip

    def blur(index: int) -> float:
        return sum(t.blur_px for t in first.truths[index])

    def named(verdicts: Sequence[Verdict], index: int, *names: str) -> bool:
        return all(verdicts[index].named.get(name) == name for name in names)

    def only_her(index: int) -> bool:
        return named(alone, index, FIRST) and len(first.truths[index]) == 1

    def stranger(index: int) -> bool:
        return SECOND in alone[index].found and not alone[index].strangers

    def light(index: int) -> float:
        return source.view(index).log_gain

    def empty(index: int) -> bool:
        return not first.truths[index] and not first.outcomes[index]

    def moved(index: int) -> float:
        now, before = source.view(index), source.view(max(0, index - 1))
        return abs(now.x - before.x) + abs(now.y - before.y)

    wanted = [
        (best(only_her, lambda i: width(i) - 30 * blur(i) - 60 * abs(light(i))), first,
         "Enrolled from one photo: named"),
        (best(lambda i: only_her(i) and light(i) < -0.9,
              lambda i: 30 * source.view(i).shadow - 30 * light(i) - 10 * blur(i)), first,
         "… in half a shadow, almost in the dark"),
        (best(only_her, lambda i: 40 * blur(i) - width(i)), first,
         "… from across the room, in a quick pan"),
        (best(lambda i: stranger(i) and named(alone, i, FIRST),
              lambda i: width(i) + width(i, SECOND) - 20 * blur(i) + 20 * light(i)), first,
         "A stranger beside her stays unknown"),
        (best(empty, lambda i: -abs(source.view(i).y) - 200 * abs(light(i)) - 50 * moved(i)), first,
         "Nobody there, nobody found"),
        (best(lambda i: named(both, i, FIRST, SECOND),
              lambda i: width(i) + width(i, SECOND) - 20 * blur(i) + 20 * light(i)), second,
         "Enrolled too: both are named"),
    ]  # fmt: skip
    return [(index, tour, caption) for index, tour, caption in wanted if index is not None]


def timeline(tour: Watched, dark: bool) -> bytes:
    """When each face was whole in the frame and what it was called, as PNG."""
    with needs("demo", "matplotlib"):
        from matplotlib.figure import Figure

    ink, colours = ("#9aa5b5" if dark else "#5c6675"), {"named": "#2f7fd0", "unknown": "#d9730d"}
    verdicts = [judge(*pair) for pair in zip(tour.truths, tour.outcomes, strict=True)]
    figure = Figure(figsize=(9.2, 1.7), layout="constrained")
    ax = figure.subplots()
    seconds = [i / 25 for i in range(len(verdicts))]
    for row, name in enumerate((SECOND, FIRST)):
        for kind, colour in colours.items():
            at = [
                (s, 1 / 25)
                for s, v in zip(seconds, verdicts, strict=True)
                if name in v.named and (v.named[name] is not None) == (kind == "named")
            ]
            ax.broken_barh(at, (row + 0.15, 0.7), color=colour, lw=0, label=kind if row else None)
    ax.set_yticks([0.5, 1.5], [SECOND, FIRST])
    ax.set_xlim(0, max(seconds, default=1) + 1 / 25)
    ax.tick_params(colors=ink, labelsize=9, length=0)
    ax.patch.set_alpha(0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=9, labelcolor=ink)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110, transparent=True)
    return buffer.getvalue()


def _tile(frame: Image, outcome: Sequence[Recognition]) -> Image:
    """The frame made smaller first and drawn on then, so that the letters can be read."""
    from dataclasses import replace

    import cv2
    import numpy as np

    from edgecnn.camera import overlay

    scale = TILE_WH[0] / frame.shape[1]
    small = np.asarray(cv2.resize(frame, TILE_WH, interpolation=cv2.INTER_AREA), np.uint8)
    faces = [
        replace(r, detection=replace(r.detection, box_xyxy=r.detection.box_xyxy * scale))
        for r in outcome
    ]
    return overlay.draw(small, faces)


def _with_captions(sheet_bgr: Image, captions: Sequence[tuple[float, float, str]]) -> bytes:
    """Text by matplotlib, which has a good font, then a palette by Pillow; PNG bytes."""
    import numpy as np

    with needs("demo", "matplotlib", "PIL"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from PIL import Image as Pillow

    height, width = sheet_bgr.shape[:2]
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    canvas: Any = FigureCanvasAgg(figure)
    figure.figimage(sheet_bgr[..., ::-1])
    for x, y, text in captions:
        figure.text(x / width, 1 - y / height, text, fontsize=11.5, color="#1c2330")
    canvas.draw()
    rgb = np.asarray(canvas.buffer_rgba())[..., :3]
    buffer = BytesIO()
    palette = Pillow.fromarray(np.ascontiguousarray(rgb)).quantize(
        COLOURS, dither=Pillow.Dither.NONE
    )
    palette.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
