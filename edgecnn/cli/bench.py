"""``edgecnn bench``: how long each stage takes on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.bench_board import (
    bench_board,
    bench_table,
    board_options,
    draw,
    is_wanted,
)
from edgecnn.cli.options import json_option, threads_option

if TYPE_CHECKING:
    from edgecnn.bundle import Bundle


def measure(
    bundle: Bundle, image: Path | None, models: tuple[Path, ...], people: int, runs: int,
    threads: int | None,
) -> dict[str, Any]:  # fmt: skip
    """Time all stages of a bundle, its bare invokes and those of ``models``, in turn."""
    from edgecnn.camera.bench_child import calls_of, made_up_frame
    from edgecnn.images import read_image
    from edgecnn.runtime import trial
    from edgecnn.runtime.interpreter import Model, default_threads
    from edgecnn.runtime.timing import interleave, invoke_of

    trial.check(*models)
    frame = read_image(image) if image else made_up_frame()
    calls, found = calls_of(bundle, frame, people, threads)
    invokes = {e.file: bundle.model(n, threads) for n, e in bundle.manifest.models.items()}
    invokes |= {str(path): Model(path, threads) for path in models}
    took = interleave(calls | {f"invoke {k}": invoke_of(m) for k, m in invokes.items()}, runs)
    return {
        "bundle": str(bundle.path),
        "frame": str(image or "made up"),
        "frame_wh": [frame.shape[1], frame.shape[0]],
        "faces": found,
        "people": people,
        "threads": threads or default_threads(),
        "stages": {name: took[name] for name in calls},
        "invokes": {name: took[f"invoke {name}"] for name in invokes},
        "fps": 1000 / took["total"]["p50_ms"],
    }


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path), required=False)
@click.option("--image", type=click.Path(path_type=Path),
              help="The frame to work on.  [640×480, made up, one stand-in face]")  # fmt: skip
@click.option("--runs", type=click.IntRange(1), default=100, help="How often each is timed.")
@click.option("--people", type=click.IntRange(0), default=100, help="How many are enrolled.")
@threads_option
@click.option("--model", "models", type=click.Path(path_type=Path), multiple=True,
              help="Also time this .tflite file; may be repeated.")  # fmt: skip
@click.option("--networks", is_flag=True,
              help="Time int8 against float for each network that train offers.")  # fmt: skip
@board_options
@json_option
def command(
    bundle: Path | None, networks: bool, board: dict[str, Any], as_json: bool, **options: Any
) -> None:
    """Time every stage of BUNDLE here, and the bare invokes of its models.

    Without BUNDLE, the models that ship. All take turns, so that a busy machine treats all alike.
    --networks needs TensorFlow and takes a minute or two. --threads-each measures this machine as
    a whole and says how many threads to use; --on does so on a board where edgecnn deploy has been,
    and adds five minutes in which it may grow hot. An emulated board is marked as such.

    \b
    Example:
      edgecnn bench my-bundle --image party.jpg
      edgecnn bench --threads 1 --json
      edgecnn bench --networks
      edgecnn bench --threads-each --soak-s 10
      edgecnn bench my-bundle --on pi@192.168.1.20 --out docs/boards/my-pi-5.json
      edgecnn bench --plot docs/boards
      edgecnn bench --table raspberry-pi-4 --on pi@192.168.1.20 --out tables/pi-4.json
    """
    from edgecnn.bundle import ASSETS, Bundle

    if networks:
        if bundle or options["models"]:
            raise click.UsageError("--networks builds its own models: leave BUNDLE and --model out")
        bench_networks(as_json)
        return
    if board["plot"]:
        draw(board["plot"])
        return
    if board["table"]:
        if bundle or options["models"] or options["threads"] or as_json:
            raise click.UsageError(
                "--table builds its own models, one thread, and writes a file: leave BUNDLE, "
                "--model, --threads and --json out"
            )
        bench_table(board, options["runs"])
        return
    if is_wanted(board):
        if options.pop("models") or options.pop("threads"):
            raise click.UsageError(
                "--model and --threads are not for a whole board: leave them out"
            )
        bench_board(bundle or ASSETS, board, as_json, **options)
        return
    opened = Bundle(bundle or ASSETS)
    found = measure(opened, **options)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    faces, people = f"{found['faces']} faces found, ", f", {found['people']} people"
    if opened.manifest.task == "images":
        faces = people = ""
    click.echo(
        f"{found['bundle']}: {'×'.join(map(str, found['frame_wh']))} ({found['frame']}), "
        f"{faces}{found['threads']} threads{people}"
    )
    invokes = {f"invoke {name}": took for name, took in found["invokes"].items()}
    click.echo(f"{'stage':<32}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}")
    for name, took in (found["stages"] | invokes).items():
        percentiles = "".join(f"{took[p]:>10.3f}" for p in ("p50_ms", "p95_ms", "p99_ms"))
        click.echo(f"{name:<32}{percentiles}")
    click.echo(f"{'frames a second':<32}{found['fps']:>10.1f}")


def bench_networks(as_json: bool) -> None:
    """Int8 against float, a row as soon as a network is done."""
    from converters.speed import of_networks

    found = {}
    if not as_json:
        click.echo(f"{'one thread':<11}{'input':>14}{'int8 ms':>10}{'float ms':>10}"
                   f"{'int8 is … times as fast':>26}")  # fmt: skip
    for name, facts in of_networks():
        found[name] = facts
        if not as_json:
            size = "×".join(map(str, facts["input"]))
            spread = f"{facts['times']:.2f} ({facts['low']:.2f} to {facts['high']:.2f})"
            click.echo(f"{name:<11}{size:>14}{facts['int8_ms']:>10.3f}{facts['float_ms']:>10.3f}"
                       f"{spread:>26}")  # fmt: skip
    if as_json:
        click.echo(json.dumps(found, indent=2))
