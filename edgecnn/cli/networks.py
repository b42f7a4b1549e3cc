"""``edgecnn networks``: what there is to train."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.options import Named, json_option, results_option
from edgecnn.cli.train import size

if TYPE_CHECKING:
    from edgecnn.report.latency import Latencies

HEAD = ("network", "layers", "input", "parameters", "MACs", "int8 bytes")


def rows(
    input_shape: tuple[int, int, int], classes: int, known: Latencies | None = None
) -> Iterator[dict[str, Any]]:
    """The facts of each network, built and not trained; the face engine's at their own size."""
    from edgecnn import networks
    from edgecnn.report.layers import keras_layers, totals

    for name in networks.NETWORKS:
        if name in networks.CLASSIFIERS:
            for depth in networks.DEPTHS[name]:
                network = networks.build(
                    name, input_shape=input_shape, classes=classes, depth=depth
                )
                yield facts(name, network, totals(keras_layers(network)), known)
        else:
            network = networks.build(name)
            yield facts(name, network, totals(keras_layers(network)), known)


def facts(
    name: str, network: Any, sums: dict[str, int | None], known: Latencies | None
) -> dict[str, Any]:
    """One row; with a board, its latency and how that is known."""
    from edgecnn.report.layers import depth

    height, width, channels = network.input.shape[1:]
    took = {}
    if known is not None:
        latency = known.of(network)
        took = {"board": known.board, "latency_ms": latency.ms, "latency_is": latency.how}
    return {
        "network": name,
        "layers": depth(network),
        "input_whc": [width, height, channels],
        **{key: sums[key] for key in ("parameters", "macs", "int8_bytes")},
        **took,
    }


def line(cells: Iterable[str], latency: str) -> str:
    """A row of the table, as wide as :data:`HEAD`'s columns are."""
    name, *others = cells
    padded = (cell.rjust(width) for cell, width in zip(others, (7, 13, 13, 15, 13), strict=True))
    return f"{name:<11}{''.join(padded)}{latency and latency.rjust(24)}"


@click.command()
@click.option("--size", "size_wh", type=size, metavar="N|WxH", default="96",
              help="The classifiers' input.")  # fmt: skip
@click.option("--classes", type=click.IntRange(2), default=10, help="Classes to tell apart.")
@click.option("--grey", is_flag=True, help="One channel in place of three.")
@click.option("--for", "board", type=Named("board", "devices", "BOARDS"),
              help="Also how long each takes on this board: int8, one thread.")  # fmt: skip
@results_option
@json_option
def command(
    size_wh: int | list[int], classes: int, grey: bool, board: str | None, results: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """List the networks that can be trained: layers, parameters, multiply-accumulates, bytes.

    Layers are those with weights on the way from the picture to the answer. Each classifier takes
    --channels and --width, the convolutional ones --depth as well: see edgecnn train.

    \b
    Example:
      edgecnn networks
      edgecnn networks --size 28 --grey
      edgecnn networks --for raspberry-pi-4
    """
    from edgecnn import training

    known = None
    if board:
        from devices.latency import latencies

        known = latencies(board, results)
    training.start_keras()
    width, height = size_wh if isinstance(size_wh, list) else (size_wh, size_wh)
    found = []
    if not as_json:
        click.echo(line(HEAD, f"ms on {board}" if board else ""))
    for row in rows((height, width, 1 if grey else 3), classes, known):
        found.append(row)
        if not as_json:
            numbers = (f"{row[key]:,}" for key in ("parameters", "macs", "int8_bytes"))
            shape = "×".join(map(str, row["input_whc"]))
            took = f"{row['latency_ms']:.3g} {row['latency_is']}" if board else ""
            click.echo(line((row["network"], str(row["layers"]), shape, *numbers), took))
    if as_json:
        click.echo(json.dumps(found, indent=2))
