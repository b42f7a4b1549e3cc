"""``edgecnn camera``: names on a live picture."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.camera_mode import mode_options
from edgecnn.cli.camera_pace import pace_options, picture_of, report, report_profile
from edgecnn.cli.event_options import receivers_options
from edgecnn.cli.key_options import key_options
from edgecnn.cli.options import (
    blur_option,
    gallery_option,
    missed_option,
    strangers_option,
    threads_option,
)
from edgecnn.cli.shadow_options import report_shadow, shadow_options
from edgecnn.cli.web_options import page, web_options

if TYPE_CHECKING:
    from edgecnn.camera.pipeline import Stats
    from edgecnn.camera.shadow import Wanted
    from edgecnn.camera.sinks.receivers import Receivers
    from edgecnn.camera.sources import Mode
    from edgecnn.faces.vault import Key


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--source",
    default="0",
    help="A camera's number, /dev/videoN, csi for a Pi's own, a video FILE, a .tape, a FOLDER of "
    "pictures, rtsp:// or http://.",
)
@mode_options
@gallery_option
@key_options
@click.option(
    "--out-video",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Record the annotated picture to this .mp4 or .avi.",
)
@click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Record the frames as they come, faces as they are, to this .tape, which --source gives "
    "again exactly.",
)
@click.option("--events", help="Append one JSON line a face and frame to this file; - prints them.")
@click.option(
    "--events-max-mb",
    type=click.FloatRange(0, min_open=True),
    help="Start a new file before it outgrows this; older ones are FILE.1 (the newest), FILE.2 …",
)
@click.option("--events-keep", type=click.IntRange(1), default=5, help="How many older files stay.")
@receivers_options
@click.option(
    "--metrics",
    metavar="[HOST:]PORT",
    help="Answer Prometheus there, at /metrics; without a HOST, on this machine alone.",
)
@click.option(
    "--status",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Replace this JSON file every 2 s: frames, rate, latency, temperature, whether the source "
    "is there.",
)
@click.option("--window", is_flag=True, help="Show the picture; q ends. Needs opencv-python.")
@blur_option
@click.option("--max-frames", type=click.IntRange(1), help="Stop after so many frames.")
@strangers_option
@missed_option
@threads_option
@click.option(
    "--accelerator",
    type=click.Choice(["auto", "cpu", "edgetpu"]),
    default="auto",
    help="What runs the models. auto: an Edge TPU that answers, where edgecnn compile made BUNDLE "
    "ready for one, else the CPU.",
)
@pace_options
@shadow_options
@web_options
def command(
    bundle: Path,
    source: str,
    mode: Mode,
    gallery: Path | None,
    key: Key | None,
    out_video: Path | None,
    record: Path | None,
    events: str | None,
    events_max_mb: float | None,
    events_keep: int,
    receivers: Receivers | None,
    metrics: str | None,
    status: Path | None,
    window: bool,
    blur_unknown: bool,
    max_frames: int | None,
    strangers: float | None,
    missed: float | None,
    threads: int | None,
    accelerator: str,
    full_rate: bool,
    profile: str | None,
    shadow: Wanted | None,
    web: dict[str, Any],
) -> None:
    """Recognise, live or in a recording, with the models of BUNDLE.

    Whoever may as well be a stranger is unknown: of the visits of strangers, one in N may end with
    a name. The more people are enrolled, the more it takes. A face whose looks do not suffice has
    no name yet. A live camera's newest frame comes first, fewer are looked at while nothing moves,
    and a camera that stops is opened again until it is back; of a file, no frame is left out.
    Ctrl-C ends and keeps what was recorded. --web serves a page with the live picture, who is
    there, and enrolment before the camera; until its password is set, to this machine alone.

    \b
    Example:
      edgecnn camera my-bundle --source 0 --events -
      edgecnn camera my-bundle --source party.mp4 --out-video names.mp4
      edgecnn camera my-bundle --source 0 --strangers 1/10000
      edgecnn camera my-bundle --source 0 --out-video hall.mp4 --blur-unknown
      edgecnn camera my-bundle --source 0 --profile where.png
      edgecnn camera my-bundle --source 0 --size 1280x720 --record evening.tape
      edgecnn camera my-bundle --source 0 --mqtt mqtt://broker.lan --metrics 9108
      edgecnn camera my-bundle --source 0 --web 0.0.0.0:8080
      edgecnn camera my-bundle --source 0 --shadow next-bundle
    """
    from edgecnn.camera.app import Outputs, watch
    from edgecnn.camera.pipeline import Stats

    picture_of(profile)
    stats, stop = Stats(), threading.Event()
    _stop_on_signals(stop)
    most = None if events_max_mb is None else round(events_max_mb * 1e6)
    outputs = Outputs(
        video=out_video,
        events=events,
        window=window,
        tape=record,
        events_max_bytes=most,
        events_keep=events_keep,
        receivers=receivers,
        metrics=metrics,
        status=status,
    )

    def note(line: str) -> None:
        click.echo(f"edgecnn: {line}", err=True)

    try:
        with page(bundle, gallery, source, note, key, **web) as sinks:
            watch(
                bundle,
                source,
                outputs,
                gallery=gallery,
                key=key,
                blur_unknown=blur_unknown,
                threads=threads,
                run_on=accelerator,
                strangers=strangers,
                missed=missed,
                max_frames=max_frames,
                mode=mode,
                full_rate=full_rate,
                stop=stop,
                stats=stats,
                note=note,
                more=sinks,
                shadow=shadow,
            )
    finally:
        _report(stats, to_stderr=events == "-")
        report_shadow(stats, shadow, lambda line: click.echo(line, err=events == "-"))
        report_profile(stats, profile, source, lambda line: click.echo(line, err=events == "-"))


def _stop_on_signals(stop: threading.Event) -> None:
    """The first Ctrl-C or ``kill`` ends after the frame at hand, the second one at once."""

    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)


def _report(stats: Stats, to_stderr: bool) -> None:
    if not stats.frames:
        return
    latency = stats.latency
    click.echo(
        f"{stats.frames} frames in {stats.seconds:.1f} s: {stats.fps:.1f} frames a second, "
        f"{latency['p50_ms']:.1f} ms each (p95 {latency['p95_ms']:.1f})",
        err=to_stderr,
    )
    for name, count in sorted(stats.names.items(), key=lambda item: (item[0] is None, -item[1])):
        click.echo(f"  {'unknown' if name is None else name}: {count} frames", err=to_stderr)
    if not stats.names:
        click.echo("  nobody was seen", err=to_stderr)
    report(stats, lambda line: click.echo(line, err=to_stderr))
