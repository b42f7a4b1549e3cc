"""``edgecnn convert``: a run folder in, a bundle for a board out."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from edgecnn.cli.convert_tflite import (
    FOREIGN,
    convert_tflite,
    foreign_options,
    refuse_for_runs,
    refuse_idle,
)
from edgecnn.cli.healing import cures_for, healing_lines, tell
from edgecnn.cli.options import Named, json_option, strangers_option
from edgecnn.cli.report import refreshed
from edgecnn.errors import DataError

if TYPE_CHECKING:
    from converters.speed import Speed
    from edgecnn.bundle import Bundle
    from edgecnn.training.run import Run


@click.command()
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.option(
    "--for",
    "board",
    type=Named("board", "devices", "BOARDS"),
    required=True,
    help="The board it will run on.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The bundle to write.")
@click.option("--max-drop", type=click.FloatRange(0, 1), default=0.01,
              help="How much of the headline figure int8 may lose, as a share of 1.")  # fmt: skip
@click.option("--calibration", type=click.IntRange(1), default=256,
              help="Training pictures to calibrate on.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, help="Which pictures these are.")
@click.option("--quantiser", type=click.Choice(["tensorflow", "litert"]), default="tensorflow",
              help="What makes it int8; litert comes with edgecnn[quantizer].")  # fmt: skip
@click.option("--with", "parts", type=click.Path(path_type=Path),
              help="Where the other face model comes from.  [the bundle that ships]")  # fmt: skip
@click.option("--float-out", type=click.Path(path_type=Path, dir_okay=False),
              help="Also write the float32 .tflite here, to compare with.")  # fmt: skip
@click.option("--card", type=click.File(encoding="utf-8"),
              help="Markdown that opens the model card: whose data, what terms.")  # fmt: skip
@click.option("--heal", is_flag=True,
              help="Where int8 loses too much, try cures and keep the best.")  # fmt: skip
@click.option("--replace", is_flag=True, help="A bundle in --out gives way; not with people who "
              "are enrolled there alone.")  # fmt: skip
@strangers_option
@foreign_options
@json_option
@click.pass_context
def command(
    context: click.Context, /, board: str, out: Path, card: TextIO | None, as_json: bool,
    from_tflite: Path | None, **options: Any,
) -> None:  # fmt: skip
    """Convert RUN to int8, prove that nothing was lost, and write a bundle.

    The command fails, and writes no bundle, where int8 is worse than float by more than --max-drop
    on held-out data. RUN/verification.html shows every picture whose answer changed, and RUN's
    report.html (images) what became of figures, size and speed.

    --heal tries, in order of cost: other calibration, equalised channels, corrected biases,
    fine-tuning with rounding (minutes), and on boards without an accelerator the worst layer in
    float, until half of --max-drop is kept. They learn from the training data and are chosen by the
    validation data; the report is about the test data as ever.

    The threshold below which a face is unknown is chosen by strangers, embeddings of whom travel
    in the bundle. The more people are enrolled, the more it takes; the camera finds out how much
    when it starts, for the same share of strangers.

    Int8 is timed against float on this machine, and you are told where it is not twice as fast.

    With --from-tflite, a full int8 classifier from elsewhere becomes a bundle as it is; the
    threshold is measured on --data.

    \b
    Example:
      edgecnn convert run --for raspberry-pi-5 --out my-bundle
      edgecnn convert run --for raspberry-pi-5 --out my-bundle --heal
      edgecnn convert friends-run --for coral-usb --out my-bundle --strangers 1/10000
      edgecnn convert --from-tflite b.tflite --labels b.txt --data birds --for x86-64 --out bundle
    """
    from devices import get
    from edgecnn.training.run import Run

    text, speed = _text(card) if card else None, None
    if from_tflite:
        bundle = convert_tflite(context, board, out, text)
    else:
        refuse_for_runs(context)
        run = Run(options["run"])
        refuse_idle(context, run.task)
        bundle, speed = convert_run(board=board, out=out, card=text, **{**options, "run": run})
    found = facts(bundle, options["run"]) | {"speed": speed.as_dict() if speed else None}
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    wide = max(map(len, found["models"])) + 2
    for name, model in found["models"].items():
        click.echo(f"{name:<{wide}}{model['file']}, {model['int8_bytes']:,} bytes{_was(model)}")
        for line in table(model["float"], model["int8"], found["verification"].get(name, {})):
            click.echo(f"  {line}")
    for proof in found["verification"].values():
        for line in healing_lines(proof.get("healing", {})):
            click.echo(line)
    if point := found["operating_point"]:
        click.echo(f"threshold   {point['threshold']:.4f}{_asked(point)}, measured error rate "
                   f"{point['error_rate']:.5f} in {point['trials']:,} trials")  # fmt: skip
    if speed:
        click.echo(f"speed       {speed.line()}")
    click.echo(f"bundle      {found['bundle']}, for {found['target']}")
    if get(board).accelerators:
        click.echo(f"next        edgecnn compile {found['bundle']}: so that the Edge TPU runs it")
    if found["report"]:
        click.echo(f"report      {found['report']}: each picture whose answer changed")
    for name, proof in found["verification"].items():
        for finding in proof["findings"]:
            click.echo(f"warning: {name}: {finding['text']}", err=True)
    if speed and (advice := speed.advice(board)):
        click.echo(f"warning: {advice}", err=True)


def table(
    before: dict[str, float], after: dict[str, float], proof: dict[str, Any]
) -> Iterator[str]:
    """Float and int8 side by side, and what the verification says beyond the figures.

    Args:
        proof: what stands about the model in ``verification.json``, empty for nothing.
    """
    if not before:
        yield from (f"{name:<22}int8 {value:.4f}" for name, value in after.items())
        return
    rows = [(name, before.get(name, float("nan")), value, "") for name, value in after.items()]
    if errors := proof.get("calibration_error"):
        rows.append(("calibration error", errors["float"], errors["int8"], ""))
    for worst in proof.get("groups", [])[:1]:
        called = f"worst: {worst.get('name', 'one person')}"
        rows.append((called, worst["float"], worst["int8"], f"  of {worst['samples']}"))
    wide = max(22, *(len(row[0]) + 2 for row in rows))
    yield f"{'':<{wide}}{'float':>8}{'int8':>9}{'change':>9}"
    for name, was, now, note in rows:
        yield f"{name:<{wide}}{was:8.4f}{now:9.4f}{now - was:+9.4f}{note}"
    if proof:
        yield (
            f"flips: {proof['worse']} worse, {proof['better']} better of {proof['samples']:,} on "
            f"{proof['part']} data; same answer in {100 * proof['agreement']:.2f} %"
        )
    if cosine := proof.get("cosine"):
        yield (
            f"cosine of float and int8: mean {cosine['mean']:.4f}, 5th percentile "
            f"{cosine['percentile_5']:.4f}, worst {cosine['worst']:.4f}"
        )


def convert_run(
    run: Run,
    parts: Path | None,
    calibration: int,
    float_out: Path | None,
    heal: bool,
    **options: Any,
) -> tuple[Bundle, Speed | None]:
    """What the command does when it was given a run; no speed where it trained no network."""
    from converters import speed
    from converters.export import KINDS, export
    from edgecnn.bundle import Bundle

    if heal:
        options |= {"cures": cures_for(options["board"]), "watch": tell}

    options = {name: value for name, value in options.items() if name not in FOREIGN}
    options |= {"parts": Bundle(parts) if parts else None, "calibration_count": calibration}
    kind = KINDS.get(run.task)
    if kind is None:
        return export(run.path, float_out=float_out, **options), None
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as work:
        float_file = float_out or Path(work, "float.tflite")
        bundle = export(run.path, float_out=float_file, **options)
        file = bundle.path / bundle.entry(kind).file
        compared = speed.compare(file, float_file)
        if run.task == "images":
            size = {"int8_bytes": file.stat().st_size, "float_bytes": float_file.stat().st_size}
            facts = {**compared.as_dict(), **size, "target": bundle.manifest.target}
            refreshed(run, speed=facts)
        return bundle, compared


def _text(card: TextIO) -> str:
    try:
        return card.read()
    except UnicodeDecodeError as e:
        raise DataError(f"{card.name} is no text in UTF-8: save it so, or name another file") from e


def _asked(point: dict[str, Any]) -> str:
    if point["strangers"] is None:
        return ""
    from edgecnn.faces.threshold import one_in

    return f" for {one_in(point['strangers'])} strangers with one person enrolled"


def _was(model: dict[str, Any]) -> str:
    return f" (float {model['float_bytes']:,})" if model["float_bytes"] else ""


def facts(bundle: Bundle, run: Path | None) -> dict[str, Any]:
    """What was made: bundle, task, target, sizes and figures of each model, operating point, how
    int8 compares with float, and the page about it where there is one.

    Args:
        run: None for a model from elsewhere, of which there is no float network.
    """
    from dataclasses import asdict

    from converters import verify_report

    manifest, report = bundle.manifest, run and run / verify_report.PAGE
    return {
        "report": str(report) if report and report.is_file() else None,
        "verification": verify_report.read(bundle.path),
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
