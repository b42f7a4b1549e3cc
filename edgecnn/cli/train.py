"""``edgecnn train``: photos or texts in, a run folder out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from edgecnn.cli.options import Named
from edgecnn.errors import DataError

TASKS = ("images", "text", "embedder", "detector", "faces")
FOLDERS = ("images", "embedder", "faces")
"""Tasks whose DATA has a folder for each class or person."""

HEADLINES = 8
"""Figures of ``metrics.json`` that are printed at the end."""


def size(text: str) -> int | list[int]:
    """``96`` to a square's side, ``96x64`` to width and height."""
    found = re.fullmatch(r"(\d+)(?:[x×](\d+))?", text.strip())
    if not found:
        raise DataError(f"expected 96 or 96x64. Received: {text!r}")
    return [int(found[1]), int(found[2])] if found[2] else int(found[1])


def channels(text: str) -> list[int]:
    """``16,32,64`` to a list."""
    if not re.fullmatch(r"\d+( *, *\d+)*", text.strip()):
        raise DataError(f"expected 16,32,64. Received: {text!r}")
    return [int(n) for n in text.split(",")]


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--task", type=click.Choice(TASKS), required=True, help="What DATA teaches.")
@click.option("--out", type=click.Path(path_type=Path), help="The run folder.  [runs/DATA-TASK]")
@click.option("--resume", is_flag=True, help="Go on with the interrupted run in the run folder.")
@click.option("--tensorboard", is_flag=True, help="Log the rounds into RUN/tensorboard, too; comes "
              "with edgecnn[tensorboard].")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), help="Same seed, same result.  [0]")
@click.option("--epochs", type=click.IntRange(1), help="Rounds at most.")
@click.option("--patience", type=click.IntRange(1), help="Rounds without progress before stopping.")
@click.option("--batch-size", type=click.IntRange(1), help="Pictures a step.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="Its highest.")
@click.option("--size", type=size, metavar="N|WxH", help="The network's input, in pixels.")
@click.option("--network", type=Named("network", "edgecnn.networks", "CLASSIFIERS"),
              help="images: which.  [compact]")  # fmt: skip
@click.option(
    "--channels", type=channels, metavar="N,N,…", help="images: filters of each stage.  [16,32,64]"
)
@click.option("--depth", type=click.IntRange(1), metavar="LAYERS", help="images: with weights: "
              "compact 5 to 10, residual and separable 8 to 100.")  # fmt: skip
@click.option("--width", type=click.FloatRange(0, min_open=True), help="images: times --channels.")
@click.option("--colour", type=click.Choice(["RGB", "GRAY"]), help="images: of the input.")
@click.option("--held-out", type=click.FloatRange(0, 0.5, True, True), help="images, text: the "
              "share of each class for validation, and as much for the test.  [0.15]")  # fmt: skip
@click.option("--balance/--no-balance", default=None, help="images: classes equally often.  [on]")
@click.option("--augment/--no-augment", default=None, help="images: change pictures.  [on]")
@click.option("--mirror/--no-mirror", default=None, help="images: swap left and right too.  [off]")
@click.option(
    "--label-smoothing", type=click.FloatRange(0, 1, max_open=True), help="images. [0.05]"
)
@click.option("--skip-broken", is_flag=True, default=None, help="images: leave broken files out.")
@click.option("--text", help="text: the table's column of texts.  [text]")
@click.option("--label", help="text: the table's column of labels.  [label]")
@click.option("--vectors", type=click.Path(path_type=str), help="text: a file of word vectors to "
              "begin with, a word and its numbers a line.")  # fmt: skip
@click.option("--dim", type=click.IntRange(1), help="text: numbers of a word.  [64]")
@click.option("--length", type=click.IntRange(1), help="text: words that count.  [what holds 99 % "
              "of the texts, at most 64]")  # fmt: skip
@click.option("--least-count", type=click.IntRange(1), help="text: rarer words are none.  [2]")
@click.option("--widths", type=channels, metavar="N,N,…", help="text: words that a filter sees.  "
              "[1,2,3]")  # fmt: skip
@click.option("--filters", type=click.IntRange(1), help="text: of each width.  [64]")
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), help="text. [0.5]")
@click.option("--error-rate", type=click.FloatRange(0, 1), help="text: the share of wrong answers "
              "among those at or above the threshold.  [0.05]")  # fmt: skip
@click.option("--stream/--no-stream", default=None, help="images: keep pixels on the disk of "
              "--out.  [where they are too many for memory]")  # fmt: skip
@click.option("--teacher", type=click.Path(path_type=str), help="embedder: an ONNX face embedder.")
@click.option("--nano", is_flag=True, default=None, help="embedder: the small network, a quarter "
              "of the other's weights.")  # fmt: skip
@click.option("--start", type=click.Path(path_type=str), help="images, embedder, detector: a run, "
              "or (not images) the .tflite file of one, whose network is trained further.",
              )  # fmt: skip
@click.option("--freeze", is_flag=True, default=None, help="images: of --start, only the logits "
              "learn.")  # fmt: skip
@click.option("--negatives", type=click.Path(path_type=str), help="detector: photos without faces.")
@click.option("--with", "bundle", type=click.Path(path_type=str), help="faces: the bundle whose "
              "detector and embedder to use.  [the ones that ship]")  # fmt: skip
@click.option("--adapt", is_flag=True, default=None, help="faces: try a last layer fitted to these "
              "people; kept where it recognises more of them.")  # fmt: skip
@click.option("--cluster", metavar="HOST:PORT", help="images: train over several "
              "machines; where worker 0 listens.")  # fmt: skip
@click.option("--workers", type=click.IntRange(2), help="With --cluster: how many machines.")
@click.option("--worker", type=click.IntRange(0), help="With --cluster: which this is, from 0.")
def command(
    data: Path, task: str, out: Path | None, resume: bool, tensorboard: bool, cluster: str | None,
    workers: int | None, worker: int | None, **options: Any,
) -> None:  # fmt: skip
    """Train on DATA and leave a run folder: network, history, metrics, split, report.

    \b
    images    DATA/CLASS/*        a classifier of pictures
    text      DATA.csv            a classifier of texts; .tsv and .parquet too
    embedder  aligned faces       what tells one face from another
    detector  scenes and boxes    what finds faces
    faces     DATA/PERSON/*       a gallery of people, from your own photos

    An option that the task has no use for is an error. After an interruption, the same command
    with --resume goes on.

    \b
    Example:
      edgecnn train photos --task images --out run
      edgecnn train digits --task images --out small --channels 8,16 --epochs 20
      edgecnn train photos --task images --network residual --depth 50 --width 0.5
      edgecnn train more-photos --task images --start run --freeze
      edgecnn train reviews.csv --task text --out words --vectors glove.txt
      edgecnn train friends --task faces --out friends-run --adapt
      edgecnn train photos --task images --cluster 192.168.1.5:4567 --workers 2 --worker 0
    """
    from edgecnn.data.folders import keep_outside
    from edgecnn.training.cluster import Place, watched

    if not data.exists():
        raise DataError(f"expected photos or tables in {data}. It does not exist: check the path")
    out = out or Path("runs", f"{data.resolve().name}-{task}")
    if task in FOLDERS:
        keep_outside(data, out)
    given = {name: value for name, value in options.items() if value is not None}
    if cluster is None and workers is None and worker is None:
        _train(data, task, out, resume, tensorboard, given)
        return
    if cluster is None or workers is None or worker is None or task != "images":
        raise DataError("expected --cluster, --workers and --worker together, for task images")
    place = Place(cluster, workers, worker)
    watched(place, lambda: _train(data, task, out, resume, tensorboard, given))


def _train(
    data: Path, task: str, out: Path, resume: bool, tensorboard: bool, given: dict[str, Any]
) -> None:
    """Train, and print what came of it."""
    from importlib import import_module

    from edgecnn import training
    from edgecnn.cli.progress import shown
    from edgecnn.training import cluster

    if task != "faces":  # which trains no network and does without Keras
        training.start_keras()
    module = import_module(training.TASKS[task])
    if tensorboard and task == "faces":
        raise DataError("--tensorboard is not for task faces, which has no epochs: leave it out")
    settings = training.settings_for(task, module.DEFAULTS, given)
    more = {"tensorboard": True} if tensorboard else {}
    with cluster.folder(out) as own:
        try:
            with shown() as progress:
                run = module.train(data, own, settings, resume=resume, progress=progress, **more)
        except KeyboardInterrupt:
            whence = "begins again" if task == "faces" else "goes on from the last whole epoch"
            click.echo(f"the same command with --resume {whence}", err=True)
            raise
        metrics = run.metrics
    numbers = {k: v for k, v in metrics.items() if isinstance(v, (int, float))}
    for name in list(numbers)[:HEADLINES]:
        click.echo(f"{name.replace('_', ' '):<26}{numbers[name]:.6g}")
    if "adaptation" in metrics:
        click.echo(f"{'adaptation':<26}{metrics['adaptation']['why']}")
    click.echo(f"{'report':<26}{out / 'report.html'}")
