"""``edgecnn networks``: what there is to train."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from edgecnn.cli.options import json_option
from edgecnn.cli.train import size

DEPTHS: dict[str, tuple[int | None, ...]] = {
    "compact": (5, 7, 10),
    "residual": (30, 50, 100),
    "separable": (30, 50, 100),
    "dense": (None,),
}
"""Weight layers that are listed of each; None where it has no such option."""


def rows(input_shape: tuple[int, int, int], classes: int) -> Iterator[dict[str, Any]]:
    """The facts of each network, built and not trained; the face engine's at their own size."""
    from edgecnn import networks
    from edgecnn.report.layers import keras_layers, totals

    for name in networks.NETWORKS:
        if name in networks.CLASSIFIERS:
            for depth in DEPTHS[name]:
                network = networks.build(
                    name, input_shape=input_shape, classes=classes, depth=depth
                )
                yield facts(name, network, totals(keras_layers(network)))
        else:
            network = networks.build(name)
            yield facts(name, network, totals(keras_layers(network)))


def facts(name: str, network: Any, sums: dict[str, int | None]) -> dict[str, Any]:
    """One row."""
    from edgecnn.report.layers import depth

    height, width, channels = network.input.shape[1:]
    return {
        "network": name,
        "layers": depth(network),
        "input_whc": [width, height, channels],
        **{key: sums[key] for key in ("parameters", "macs", "int8_bytes")},
    }


@click.command()
@click.option("--size", "size_wh", type=size, metavar="N|WxH", default="96",
              help="The classifiers' input.")  # fmt: skip
@click.option("--classes", type=click.IntRange(2), default=10, help="Classes to tell apart.")
@click.option("--grey", is_flag=True, help="One channel in place of three.")
@json_option
def command(size_wh: int | list[int], classes: int, grey: bool, as_json: bool) -> None:
    """List the networks that can be trained: layers, parameters, multiply-accumulates, bytes.

    Layers are those with weights on the way from the picture to the answer. Each classifier takes
    --channels and --width, the convolutional ones --depth as well: see edgecnn train.

    \b
    Example:
      edgecnn networks
      edgecnn networks --size 28 --grey
    """
    from edgecnn import training

    training.start_keras()
    width, height = size_wh if isinstance(size_wh, list) else (size_wh, size_wh)
    found = []
    if not as_json:
        click.echo(f"{'network':<11}{'layers':>7}{'input':>13}{'parameters':>13}{'MACs':>15}"
                   f"{'int8 bytes':>13}")  # fmt: skip
    for row in rows((height, width, 1 if grey else 3), classes):
        found.append(row)
        if not as_json:
            shape = "×".join(map(str, row["input_whc"]))
            click.echo(f"{row['network']:<11}{row['layers']:>7}{shape:>13}{row['parameters']:>13,}"
                       f"{row['macs']:>15,}{row['int8_bytes']:>13,}")  # fmt: skip
    if as_json:
        click.echo(json.dumps(found, indent=2))
