"""``edgecnn bench``: how long each stage takes on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.options import json_option, threads_option

if TYPE_CHECKING:
    from edgecnn.bundle import Bundle
    from edgecnn.faces.speed import Calls
    from edgecnn.images import Image


def made_up_frame() -> Image:
    """``(480, 640, 3)`` uint8 BGR: coloured squares, always the same."""
    import numpy as np

    squares = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    return squares.repeat(16, 0).repeat(16, 1)


def image_stages(bundle: Bundle, frame: Image, threads: int | None) -> Calls:
    """What a picture takes: ``preprocess``, ``classify``, ``total``."""
    preprocess, model = bundle.entry("classifier").input, bundle.model("classifier", threads)
    pixels = preprocess(frame)
    return {
        "preprocess": lambda: preprocess(frame),
        "classify": lambda: model(pixels),
        "total": lambda: model(preprocess(frame)),
    }


def measure(
    bundle: Bundle, image: Path | None, models: tuple[Path, ...], people: int, runs: int,
    threads: int | None,
) -> dict[str, Any]:  # fmt: skip
    """Time all stages of a bundle, its bare invokes and those of ``models``, in turn."""
    from edgecnn.faces.speed import stages
    from edgecnn.images import read_image
    from edgecnn.runtime import trial
    from edgecnn.runtime.interpreter import Model, default_threads
    from edgecnn.runtime.timing import interleave, invoke_of

    trial.check(*models)
    frame, found = read_image(image) if image else made_up_frame(), 0
    if bundle.manifest.task == "images":
        calls = image_stages(bundle, frame, threads)
    else:
        calls, found = stages(bundle, frame, people, threads)
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
@json_option
def command(bundle: Path | None, networks: bool, as_json: bool, **options: Any) -> None:
    """Time every stage of BUNDLE here, and the bare invokes of its models.

    Without BUNDLE, the models that ship. All take turns, so that a busy machine treats all alike.
    --networks needs TensorFlow and takes a minute or two.

    \b
    Example:
      edgecnn bench my-bundle --image party.jpg
      edgecnn bench --threads 1 --json
      edgecnn bench --networks
    """
    from edgecnn.bundle import ASSETS, Bundle

    if networks:
        if bundle or options["models"]:
            raise click.UsageError("--networks builds its own models: leave BUNDLE and --model out")
        bench_networks(as_json)
        return
    found = measure(Bundle(bundle or ASSETS), **options)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(
        f"{found['bundle']}: {'×'.join(map(str, found['frame_wh']))} ({found['frame']}), "
        f"{found['faces']} faces found, {found['threads']} threads, {found['people']} people"
    )
    invokes = {f"invoke {name}": took for name, took in found["invokes"].items()}
    click.echo(f"{'stage':<32}{'p50 ms':>10}{'p95 ms':>10}")
    for name, took in (found["stages"] | invokes).items():
        click.echo(f"{name:<32}{took['p50_ms']:>10.3f}{took['p95_ms']:>10.3f}")
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
