"""``edgecnn report``: the page of a run, with all that has been found out about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.options import json_option, threads_option
from edgecnn.errors import DataError, EdgeCNNError

if TYPE_CHECKING:
    from edgecnn.bundle import Bundle
    from edgecnn.training.run import Run


def refreshed(run: Run, **found: dict[str, Any]) -> None:
    """Keep what another command found out in the run folder, and write its page again.

    That command has done its own work: where this fails, it says so and goes on.

    Args:
        found: file, without ``.json``, to its content.
    """
    from edgecnn.training import images

    try:
        for name, content in found.items():
            run.keep(f"{name}.json", content)
        images.report(run)
    except EdgeCNNError as e:
        click.echo(f"warning: {run.path / 'report.html'} stays as it was: {e}", err=True)


def latency(run: Run, bundle: Bundle, threads: int | None, runs: int) -> dict[str, Any]:
    """How long each stage of the run's bundle takes here.

    Raises:
        DataError: the bundle is of other classes, or another input, than the run.
    """
    import platform

    from edgecnn.cli.bench import measure

    entry = bundle.manifest.models.get("classifier")
    theirs = entry and (list(entry.labels), entry.input.to_dict())
    if theirs != (run.facts["labels"], run.facts["input"]):
        raise DataError(
            f"expected the bundle that {run.path} was converted to. {bundle.path} has other "
            "classes or another input: name another bundle, or convert the run again"
        )
    return measure(bundle, None, (), 0, runs, threads) | {"machine": platform.machine()}


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--bundle", type=click.Path(path_type=Path),
              help="What RUN was converted to; its stages are timed here.")  # fmt: skip
@click.option("--runs", type=click.IntRange(1), default=100, help="How often each is timed.")
@threads_option
@json_option
def command(run: Path, bundle: Path | None, runs: int, threads: int | None, as_json: bool) -> None:
    """Write RUN/report.html again, with all that has been found out about RUN.

    RUN is one of --task images. The page has curves, confusion, the hardest pictures and where the
    network looks in them, filters, feature maps and calibration from the training; float against
    int8, size and speed after edgecnn convert; robustness after edgecnn robustness; with --bundle,
    latency. Those commands write the page again themselves.

    \b
    Example:
      edgecnn report run
      edgecnn report run --bundle my-bundle
    """
    from edgecnn import training
    from edgecnn.bundle import Bundle
    from edgecnn.training.run import LATENCY

    training.start_keras()
    from edgecnn.training import images
    from edgecnn.training.transfer import earlier

    of = earlier(str(run))
    if bundle:
        of.keep(LATENCY, latency(of, Bundle(bundle), threads, runs))
    images.report(of)
    page = of.path / "report.html"
    click.echo(json.dumps({"report": str(page)}) if as_json else f"report: {page}")
