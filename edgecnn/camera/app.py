"""The camera app: a bundle, a source and sinks, put together and run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.bundle import Bundle
from edgecnn.camera import accelerator
from edgecnn.camera.governor import Governor
from edgecnn.camera.guard import Guard
from edgecnn.camera.motion import Motion
from edgecnn.camera.pace import Pace
from edgecnn.camera.pipeline import Sink, Stats, load, run
from edgecnn.camera.shadow import Shadow, Wanted, plan
from edgecnn.camera.sources import Mode, Source, open_source
from edgecnn.camera.sources.ahead import Ahead
from edgecnn.camera.status import Status
from edgecnn.camera.veil import Veil
from edgecnn.errors import CameraError, DataError, StorageError
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.embed import fingerprint
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.threshold import one_in
from edgecnn.faces.vault import Key

if TYPE_CHECKING:
    from edgecnn.camera.sinks.receivers import Receivers

LIVE_VIDEO_FPS = 15.0
"""Most frames a second of a live source's video: recognition is rarely faster on a board, and
each frame that is repeated costs an encoding."""

DRAINED_S = 1.0
"""Once the loop is lost, no results follow, and the sinks' threads write the few that wait."""


@dataclass(frozen=True)
class Outputs:
    """Where the results of a run go; None for nowhere.

    Attributes:
        video: an annotated ``.mp4`` or ``.avi``.
        events: a file of JSON lines, or ``-`` for the standard output.
        window: show the annotated frames on the screen.
        tape: the frames as they came, ``.tape``, to be watched again.
        events_max_bytes, events_keep: see :class:`edgecnn.events.jsonl.JsonLines`.
        receivers: who gets events over the network.
        metrics: ``PORT`` of the loopback, or ``HOST:PORT``, where Prometheus may ask.
        status: how the run does, replaced every other second; see :mod:`edgecnn.camera.status`.
    """

    video: Path | None = None
    events: str | None = None
    window: bool = False
    tape: Path | None = None
    events_max_bytes: int | None = None
    events_keep: int = 5
    receivers: Receivers | None = None
    metrics: str | None = None
    status: Path | None = None


def watch(
    bundle: str | Path,
    source: str,
    outputs: Outputs,
    *,
    gallery: Path | None = None,
    threads: int | None = None,
    run_on: str = "auto",
    strangers: float | None = None,
    missed: float | None = None,
    key: Key | None = None,
    max_frames: int | None = None,
    blur_unknown: bool = False,
    mode: Mode | None = None,
    full_rate: bool = False,
    stop: threading.Event | None = None,
    stats: Stats | None = None,
    note: Callable[[str], object] | None = None,
    more: Sequence[Sink] = (),
    shadow: Wanted | None = None,
) -> Stats:
    """Recognise what a source shows until it ends, ``stop`` is set or ``max_frames`` are done.

    What was recorded until then is kept, also where the source breaks off.

    Args:
        run_on: see :func:`edgecnn.camera.accelerator.choose`; a shadow runs on the CPU.
        strangers, missed, key: see :func:`edgecnn.camera.pipeline.load`.
        blur_unknown: no output gets the face of anybody without a name; see
            :mod:`edgecnn.camera.veil`.
        mode: what is asked of a camera; see :func:`edgecnn.camera.sources.open_source`.
        full_rate: recognise every frame of a live source that there is time for, also where nothing
            moves, or the board grows hot.
        stats: counted into; see :func:`edgecnn.camera.pipeline.run`.
        note: takes a line that the user should read, but that is no error.
        more: further sinks, such as the web page's; closed with the others.
        shadow: a second bundle that sees the same frames and is compared; see
            :mod:`edgecnn.camera.shadow`.

    Raises:
        BundleError, ModelError, GalleryError: nothing can be recognised with these files, or on the
            Edge TPU that is asked for.
        DataError: such a share of strangers cannot be known with this bundle, or faces are to be
            blurred with one that finds none, on a tape or in a shadow's pictures, or the shadow
            is of another task.
        CameraError: the source cannot be opened, ``mode`` is not for its kind, or it hangs.
        StorageError: an output cannot be written, or is the source.
        MissingExtra: this OpenCV has no window, or a package for an output is not installed.
    """
    stop, note = stop or threading.Event(), _safely(note)
    files = (outputs.video, outputs.events, outputs.tape, outputs.status)
    written = [Path(p).resolve() for p in files if p]
    if Path(source).resolve() in written:
        raise StorageError(f"expected another output than the source {source}: name a new file")
    checked = Bundle(bundle)
    if blur_unknown and checked.manifest.task != "faces":
        raise DataError(
            f"expected a bundle for faces with --blur-unknown. {checked.path} is for task "
            f"{checked.manifest.task}, and finds none: leave it out"
        )
    if blur_unknown and outputs.tape:
        raise DataError(
            "expected --blur-unknown without --record: a tape holds faces as they are, to give the "
            "same again; leave one of them out, or record with --out-video"
        )
    if blur_unknown and shadow is not None and shadow.pictures:
        raise DataError(
            "expected --blur-unknown without --shadow-pictures: these show faces that the old "
            "model does not find, and so does not blur; leave one of them out"
        )
    planned = plan(checked, gallery, shadow, key) if shadow else None
    accelerator.choose(checked, run_on, note)
    recogniser = load(checked, gallery, threads, strangers, missed, key, note)
    nobody = checked.manifest.task == "faces" and gallery is None and not checked.gallery.exists()
    if nobody:
        note(f"nobody is enrolled in {checked.path}, so everybody is unknown: edgecnn enroll")
    if strangers is not None and not nobody:
        note(_strangers(checked, gallery or checked.gallery, strangers, key))
    stats = stats or Stats()
    sinks: list[Sink] = []
    with ExitStack() as stack:
        opened = stack.enter_context(closing(open_source(source, stop, mode=mode, note=note)))
        if not opened.live:
            opened = stack.enter_context(closing(Ahead(opened, stop)))
        guard = stack.enter_context(Guard(opened, stats, stop, lambda: _rescue(sinks), note))
        made = _sinks(outputs, opened, stop, lambda: _known(checked, gallery, key), note)
        for sink in chain(made, more):
            sinks.append(stack.enter_context(closing(sink)))
        beside = None
        if planned is not None:
            beside = Shadow(
                planned,
                stats,
                stop,
                opened.live,
                note,
                threads=threads,
                strangers=strangers,
                missed=missed,
            )
            sinks.append(stack.enter_context(closing(beside)))
            stack.callback(lambda: setattr(stats, "shadow", beside.report()))
        # A tape is to hold what the camera saw.
        adapts = opened.live and not full_rate and outputs.tape is None
        pace = Pace(Motion(), Governor(note=note)) if adapts else None
        if outputs.status is not None:
            compared = beside.report if beside else (lambda: None)
            told = Status(outputs.status, checked, opened, stats, note, shadow=compared)
            stack.enter_context(told)
        run(
            opened,
            recogniser,
            sinks,
            max_frames=max_frames,
            stop=stop,
            stats=stats,
            pace=pace,
            veil=Veil() if blur_unknown else None,
            note=note,
        )
    if guard.fault:
        raise CameraError(guard.fault)
    return stats


def _rescue(sinks: list[Sink]) -> None:
    """Finish the files of a run whose loop does not come back."""
    time.sleep(DRAINED_S)
    with ExitStack() as stack:
        for sink in sinks:
            stack.callback(sink.close)


def _strangers(bundle: Bundle, gallery: Path, rate: float, key: Key | None) -> str:
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
    with Gallery(gallery, fingerprint(bundle), key=key) as people:
        index = people.index()
    if not len(index):
        return f"nobody is enrolled in {gallery}, so no stranger can get a name"
    found = cohort.threshold_for(rate, index)
    return found.warning or (
        f"{one_in(rate)} strangers, {len(index)} enrolled: a single look would take "
        f"{found.value:.3f}; by {found.people:,} impostors, between {one_in(found.low)} and "
        f"{one_in(found.high)} would get a name at that"
    )


def _safely(note: Callable[[str], object] | None) -> Callable[[str], None]:
    """A note that ends no thread: where nobody reads it, or its disk is full, it is not said."""

    def say(line: str) -> None:
        if note:
            with suppress(OSError):
                note(line)

    return say


def _known(bundle: Bundle, gallery: Path | None, key: Key | None) -> Sequence[str]:
    """Who is enrolled at the moment, or the classes."""
    if bundle.manifest.task == "images":
        return bundle.manifest.models["classifier"].labels
    path = gallery or bundle.gallery
    if not path.exists():
        return ()
    with Gallery(path, key=key) as people:
        return [person.name for person in people.people()]


def _sinks(
    outputs: Outputs,
    source: Source,
    stop: threading.Event,
    known: Callable[[], Sequence[str]],
    note: Callable[[str], object],
) -> Iterator[Sink]:
    lines, deliveries = None, []
    if outputs.window:
        from edgecnn.camera.sinks.window import WindowSink

        yield WindowSink(f"edgecnn: {source.name}", stop)
    if outputs.events is not None:
        from edgecnn.camera.sinks.events import EventSink

        most, keep = outputs.events_max_bytes, outputs.events_keep
        lines = EventSink(outputs.events, most, keep, note)
        source.tell(lines.source_changed)
        yield lines
    if outputs.tape is not None:
        from edgecnn.camera.sinks.tape import TapeSink

        yield TapeSink(outputs.tape, source.name, source.fps, note)
    if outputs.video is not None:
        from edgecnn.camera.sinks.video import VideoSink

        fps = min(source.fps, LIVE_VIDEO_FPS) if source.live else source.fps
        yield VideoSink(outputs.video, fps, note)
    if outputs.receivers is not None:
        from edgecnn.camera.sinks.publish import PublishSink

        publish = PublishSink(outputs.receivers, source.name, known, note)
        deliveries = publish.deliveries
        source.tell(publish.source_changed)
        yield publish
    if outputs.metrics is not None:
        from edgecnn.camera.sinks.metrics import MetricsSink

        yield MetricsSink(outputs.metrics, deliveries, lines)
