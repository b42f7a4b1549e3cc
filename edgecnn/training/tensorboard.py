"""The epochs as ``tensorboard --logdir RUN/tensorboard`` shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

from edgecnn.errors import needs
from edgecnn.training.run import TENSORBOARD, Run


@contextmanager
def logged(run: Run) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """Takes the figures of each epoch that ends in the block; drops them where no log is wanted.

    A step is a row of ``history.csv``. Where the log has that step already, as after an
    interruption between the row and the checkpoint, TensorBoard forgets the older ones. Training
    and validation are two runs in one folder, so that their curves lie over one another.

    Raises:
        MissingExtra: tensorboardX is not installed.
    """
    if not (run.path / TENSORBOARD).is_dir():
        yield lambda figures: None
        return
    with needs("tensorboard", "tensorboardX"):
        from tensorboardX import SummaryWriter

    first = len(run.history) + 1

    def writer(part: str) -> SummaryWriter:
        # Two files of one second would be one, but for the suffix.
        folder, suffix = run.path / TENSORBOARD / part, f".{first:06}"
        return SummaryWriter(str(folder), purge_step=first, filename_suffix=suffix)

    with closing(writer("training")) as train, closing(writer("validation")) as validation:

        def log(figures: Mapping[str, float]) -> None:
            for name, value in figures.items():
                to = validation if name.startswith("val_") else train
                to.add_scalar(name.removeprefix("val_"), value, len(run.history))
            train.flush()
            validation.flush()

        yield log
