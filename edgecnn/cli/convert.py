"""``edgecnn convert``: a run folder in, a bundle for a board out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from edgecnn.cli.convert_tflite import FOREIGN, convert_tflite, foreign_options, refuse_for_runs
from edgecnn.cli.options import json_option, strangers_option

if TYPE_CHECKING:
    from edgecnn.bundle import Bundle


class Board(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """One of the boards that ``devices`` has, looked up only when it is needed."""

    name = "board"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name itself where there is such a board."""
        from devices import BOARDS

        return str(click.Choice(tuple(BOARDS)).convert(value, param, ctx))

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """All boards, for the help."""
        from devices import BOARDS

        return f"[{'|'.join(BOARDS)}]"


@click.command()
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.option("--for", "board", type=Board(), required=True, help="The board it will run on.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The bundle to write.")
@click.option("--max-drop", type=click.FloatRange(0, 1), default=0.01,
              help="How much of the headline figure int8 may lose, as a share of 1.")  # fmt: skip
@click.option("--calibration", type=click.IntRange(1), default=256,
              help="Training pictures to calibrate on.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, help="Which pictures these are.")
@click.option("--with", "parts", type=click.Path(path_type=Path),
              help="Where the other face model comes from.  [the bundle that ships]")  # fmt: skip
@click.option("--float-out", type=click.Path(path_type=Path, dir_okay=False),
              help="Also write the float32 .tflite here, to compare with.")  # fmt: skip
@click.option("--card", type=click.File(encoding="utf-8"),
              help="Markdown that opens the model card: whose data, what terms.")  # fmt: skip
@click.option("--replace", is_flag=True, help="A bundle in --out gives way.")
@strangers_option
@foreign_options
@json_option
@click.pass_context
def command(
    context: click.Context, /, board: str, out: Path, card: TextIO | None, as_json: bool,
    from_tflite: Path | None, **options: Any,
) -> None:  # fmt: skip
    """Convert RUN to int8, prove that nothing was lost, and write a bundle.

    The command fails, and writes nothing, where int8 is worse than float by more than --max-drop
    on held-out data.

    The threshold below which a face is unknown is chosen by strangers, embeddings of whom travel
    in the bundle. The more people are enrolled, the more it takes; the camera finds out how much
    when it starts, for the same share of strangers.

    With --from-tflite, a full int8 classifier from elsewhere becomes a bundle as it is; the
    threshold is measured on --data.

    \b
    Example:
      edgecnn convert run --for raspberry-pi-5 --out my-bundle
      edgecnn convert friends-run --for coral-usb --out my-bundle --strangers 1/10000
      edgecnn convert --from-tflite b.tflite --labels b.txt --data birds --for x86-64 --out bundle
    """
    text = card.read() if card else None
    if from_tflite:
        bundle = convert_tflite(context, board, out, text)
    else:
        refuse_for_runs(context)
        bundle = convert_run(board=board, out=out, card=text, **options)
    found = facts(bundle)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for name, model in found["models"].items():
        click.echo(f"{name:<12}{model['file']}, {model['int8_bytes']:,} bytes{_was(model)}")
        for figure, value in model["int8"].items():
            before = f"float {model['float'][figure]:.4f}  " if figure in model["float"] else ""
            click.echo(f"  {figure:<22}{before}int8 {value:.4f}")
    if point := found["operating_point"]:
        click.echo(f"threshold   {point['threshold']:.4f}{_asked(point)}, measured error rate "
                   f"{point['error_rate']:.5f} in {point['trials']:,} trials")  # fmt: skip
    click.echo(f"bundle      {found['bundle']}, for {found['target']}")


def convert_run(run: Path, parts: Path | None, calibration: int, **options: Any) -> Bundle:
    """What the command does when it was given a run."""
    from converters.export import export
    from edgecnn.bundle import Bundle

    options = {name: value for name, value in options.items() if name not in FOREIGN}
    return export(
        run, parts=Bundle(parts) if parts else None, calibration_count=calibration, **options
    )


def _asked(point: dict[str, Any]) -> str:
    if point["strangers"] is None:
        return ""
    from edgecnn.faces.threshold import one_in

    return f" for {one_in(point['strangers'])} strangers with one person enrolled"


def _was(model: dict[str, Any]) -> str:
    return f" (float {model['float_bytes']:,})" if model["float_bytes"] else ""


def facts(bundle: Bundle) -> dict[str, Any]:
    """What was made: bundle, task, target, sizes and figures of each model, operating point."""
    from dataclasses import asdict

    manifest = bundle.manifest
    return {
        "bundle": str(bundle.path),
        "task": manifest.task,
        "target": manifest.target,
        "models": {
            name: {
                "file": entry.file,
                "int8_bytes": (bundle.path / entry.file).stat().st_size,
                "float_bytes": entry.facts.get("float_bytes"),
                "float": entry.metrics.get("float", {}),
                "int8": entry.metrics.get("int8", {}),
            }
            for name, entry in manifest.models.items()
        },
        "operating_point": asdict(manifest.operating_point) if manifest.operating_point else None,
    }
