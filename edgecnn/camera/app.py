"""The camera app: a bundle, a source and sinks, put together and run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from edgecnn.bundle import Bundle
from edgecnn.camera.pipeline import Sink, Stats, load, run
from edgecnn.camera.sources import Source, open_source
from edgecnn.errors import StorageError
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.embed import fingerprint
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.threshold import one_in

LIVE_VIDEO_FPS = 15.0
"""Most frames a second of a live source's video: recognition is rarely faster on a board, and
each frame that is repeated costs an encoding."""


@dataclass(frozen=True)
class Outputs:
    """Where the results of a run go; None for nowhere.

    Attributes:
        video: an annotated ``.mp4`` or ``.avi``.
        events: a file of JSON lines, or ``-`` for the standard output.
        window: show the annotated frames on the screen.
    """

    video: Path | None = None
    events: str | None = None
    window: bool = False


def watch(
    bundle: str | Path,
    source: str,
    outputs: Outputs,
    *,
    gallery: Path | None = None,
    threads: int | None = None,
    strangers: float | None = None,
    missed: float | None = None,
    max_frames: int | None = None,
    stop: threading.Event | None = None,
    stats: Stats | None = None,
    note: Callable[[str], object] | None = None,
    more: Sequence[Sink] = (),
) -> Stats:
    """Recognise what a source shows until it ends, ``stop`` is set or ``max_frames`` are done.

    What was recorded until then is kept, also where the source breaks off.

    Args:
        strangers, missed: see :func:`edgecnn.camera.pipeline.load`.
        stats: counted into; see :func:`edgecnn.camera.pipeline.run`.
        note: takes a line that the user should read, but that is no error.
        more: further sinks, such as the web page's; closed with the others.

    Raises:
        BundleError, ModelError, GalleryError: nothing can be recognised with these files.
        DataError: such a share of strangers cannot be known with this bundle.
        CameraError: the source cannot be opened, or stopped for good.
        StorageError: an output cannot be written, or is the source.
        MissingExtra: this OpenCV has no window.
    """
    stop = stop or threading.Event()
    if Path(source).resolve() in [Path(p).resolve() for p in (outputs.video, outputs.events) if p]:
        raise StorageError(f"expected another output than the source {source}: name a new file")
    checked = Bundle(bundle)
    recogniser = load(checked, gallery, threads, strangers, missed)
    nobody = checked.manifest.task == "faces" and gallery is None and not checked.gallery.exists()
    if note and nobody:
        note(f"nobody is enrolled in {checked.path}, so everybody is unknown: edgecnn enroll")
    if strangers is not None and not nobody:
        said = _strangers(checked, gallery or checked.gallery, strangers)
        if note:
            note(said)
    with ExitStack() as stack:
        opened = stack.enter_context(closing(open_source(source, stop)))
        own = _sinks(outputs, opened, stop)
        sinks = [stack.enter_context(closing(sink)) for sink in chain(own, more)]
        return run(opened, recogniser, sinks, max_frames=max_frames, stop=stop, stats=stats)


def _strangers(bundle: Bundle, gallery: Path, rate: float) -> str:
    """What can be said of strangers with the people who are enrolled at the start.

    Raises:
        DataError: the rate is too low for the cohort.
    """
    cohort = Cohort.load(bundle)
    if cohort is None:
        return (
            f"{bundle.path} has no cohort, so that {one_in(rate)} strangers is a guess by its one "
            "threshold: convert the run of its embedder again"
        )
    with Gallery(gallery, fingerprint(bundle)) as people:
        index = people.index()
    if not len(index):
        return f"nobody is enrolled in {gallery}, so no stranger can get a name"
    found = cohort.threshold_for(rate, index)
    return found.warning or (
        f"{one_in(rate)} strangers, {len(index)} enrolled: a single look would take "
        f"{found.value:.3f}; by {found.people:,} impostors, between {one_in(found.low)} and "
        f"{one_in(found.high)} would get a name at that"
    )


def _sinks(outputs: Outputs, source: Source, stop: threading.Event) -> Iterator[Sink]:
    if outputs.window:
        from edgecnn.camera.sinks.window import WindowSink

        yield WindowSink(f"edgecnn: {source.name}", stop)
    if outputs.events is not None:
        from edgecnn.camera.sinks.events import EventSink

        yield EventSink(outputs.events)
    if outputs.video is not None:
        from edgecnn.camera.sinks.video import VideoSink

        fps = min(source.fps, LIVE_VIDEO_FPS) if source.live else source.fps
        yield VideoSink(outputs.video, fps)
