"""The demo's camera: it moves over two portraits, of which first one is enrolled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.errors import DataError, needs

if TYPE_CHECKING:
    from edgecnn.bundle import Bundle
    from edgecnn.camera.pipeline import Recogniser, Result, Stats
    from edgecnn.camera.sources.synthetic import SyntheticCamera, Truth
    from edgecnn.faces.types import Recognition
    from edgecnn.images import Image

    Show = Callable[[str, int, int, dict[str, float]], None]

FIRST, SECOND = "Eileen Collins", "Grace Hopper"
BOXES = {FIRST: (178, 63, 268, 176), SECOND: (176, 120, 355, 330)}
"""Left, top, right, bottom of the faces in the portraits' pixels. Measured with YuNet on the
portraits at full, three quarters and half size; the mean of the three boxes."""


@dataclass
class Watched:
    """What was recognised in one tour of the camera.

    Attributes:
        outcomes: the faces found in each frame.
        truths: the faces that are there.
        stats: of the live loop.
        stages_ms: mean milliseconds a frame by stage of the recogniser.
    """

    outcomes: list[Sequence[Recognition]] = field(default_factory=list)
    truths: list[list[Truth]] = field(default_factory=list)
    stats: Stats | None = None
    stages_ms: dict[str, float] = field(default_factory=dict)


def run(
    out: Path, bundle: Path | None, frames: int, seed: int, progress: Show
) -> tuple[SyntheticCamera, list[Watched]]:
    """Enrol the first person and watch; enrol the second too and watch again.

    Leaves ``photos/``, ``gallery.sqlite``, and a video and an event file of each tour in ``out``.

    Args:
        bundle: of the models; None for the ones that ship.

    Raises:
        MissingExtra: scikit-image or matplotlib is not installed.
        BundleError: the bundle is damaged.
        DataError: a portrait could not be enrolled.
    """
    from edgecnn.bundle import ASSETS, Bundle
    from edgecnn.camera import pipeline

    models = Bundle(bundle or ASSETS)
    portraits = load_portraits()
    gallery = out / "gallery.sqlite"
    source = camera(portraits, frames, seed)
    tours: list[Watched] = []
    for newcomer, suffix in ((FIRST, ""), (SECOND, "-both")):
        _enrol(newcomer, portraits[newcomer], out / "photos", models, gallery)
        recogniser = pipeline.load(models, gallery)
        source.rewind()
        video, events = out / f"video{suffix}.mp4", out / f"events{suffix}.jsonl"
        tours.append(watch(source, recogniser, progress, f"{newcomer} is enrolled", video, events))
    return source, tours


def load_portraits() -> dict[str, Image]:
    """The two public-domain portraits by name, ``(H, W, 3)`` uint8 BGR.

    Eileen Collins by NASA, in scikit-image; Grace Hopper by the US Navy, in matplotlib.

    Raises:
        MissingExtra: one of the packages is not installed.
    """
    from edgecnn.images import read_image

    with needs("demo", "matplotlib"):
        from matplotlib import cbook

    hopper = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    return {FIRST: _skimage("astronaut"), SECOND: read_image(str(hopper))}


def _enrol(name: str, portrait: Image, photos: Path, models: Bundle, gallery: Path) -> None:
    """What ``edgecnn enroll`` does with one photo."""
    import cv2

    from edgecnn.faces.enrol import enrol
    from edgecnn.faces.photo import USED

    photo = photos / name / "portrait.png"
    photo.parent.mkdir(parents=True)
    cv2.imwrite(str(photo), portrait)
    (looked_at,) = enrol(models, gallery, name, [photo])
    if looked_at.fate != USED:
        raise DataError(
            f"the portrait of {name} cannot be used ({looked_at.fate}): the models of "
            f"{models.path} are too weak for the demo, use others"
        )


def camera(portraits: dict[str, Image], frames: int, seed: int) -> SyntheticCamera:
    """The camera, the portraits between two photos without people on a brick wall.

    Coffee, rocket and bricks are in the public domain (CC0), in scikit-image.
    """
    import numpy as np

    from edgecnn.camera.sources.synthetic import Face, Photo, SyntheticCamera

    sandy = _skimage("brick") * np.array([0.75, 0.95, 1.25]) + 20
    photos = [
        Photo(_skimage("coffee"), 700),
        Photo(portraits[FIRST], 800, Face(FIRST, BOXES[FIRST])),
        # Her face fills more of the photo: a smaller print makes them alike on the wall.
        Photo(portraits[SECOND], 420, Face(SECOND, BOXES[SECOND])),
        Photo(_skimage("rocket"), 700),
    ]
    wall = np.clip(sandy, 0, 255).astype(np.uint8)
    return SyntheticCamera(photos, wall, frames=frames, seed=seed)


def _skimage(name: str) -> Image:
    """A picture of scikit-image's as ``(H, W, 3)`` uint8 BGR."""
    import numpy as np

    with needs("demo", "skimage"):
        from skimage import data

    picture = np.atleast_3d(getattr(data, name)())
    return np.ascontiguousarray(np.broadcast_to(picture[..., ::-1], (*picture.shape[:2], 3)))


def watch(
    source: SyntheticCamera,
    recogniser: Recogniser,
    progress: Show,
    title: str,
    video: Path,
    events: Path,
) -> Watched:
    """Run the live loop over the whole tour, recording it."""
    from edgecnn.camera import pipeline
    from edgecnn.camera.sinks.events import EventSink
    from edgecnn.camera.sinks.video import VideoSink

    seen = Watched()
    stages: dict[str, float] = {}

    def on_frame(result: Result) -> None:
        index = result.frame.index
        seen.outcomes.append(result.outcome)  # type: ignore[arg-type]  # faces, not a label
        seen.truths.append(source.truth(index))
        for stage, ms in getattr(recogniser, "timings", {}).items():
            stages[stage] = stages.get(stage, 0.0) + ms
        progress(title, index + 1, source.frames, {})

    with ExitStack() as stack:
        stack.enter_context(closing(source))
        sinks: list[pipeline.Sink] = [
            stack.enter_context(closing(VideoSink(video, source.fps))),
            stack.enter_context(closing(EventSink(events))),
        ]
        seen.stats = pipeline.run(source, recogniser, sinks, on_frame=on_frame)
    seen.stages_ms = {stage: ms / max(1, len(seen.outcomes)) for stage, ms in stages.items()}
    return seen
