"""One training over several machines: Keras on JAX, each worker with its share of every batch.

Engine: ``jax.distributed`` with gloo between processors, or whatever JAX has between accelerators,
and ``keras.distribution.DataParallel``. Gradients, losses and batch statistics are those of the
whole batch, so the outcome is that of one machine but for the order of sums. Worker 0 keeps the run
folder; its word decides where the workers must agree. Outside a cluster all of this does nothing.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.errors import DataError, EdgeCNNError, TrainingError, needs
from edgecnn.images import Image
from edgecnn.storage import whole_file
from edgecnn.training.run import versions

SAME = ("edgecnn", "keras", "jax")
"""Packages whose versions must be the same on all machines."""


@dataclass(frozen=True)
class Place:
    """Which worker this is.

    Attributes:
        address: ``HOST:PORT`` where worker 0 listens; the same for all.
        workers: how many there are. ``worker``: which this is, from 0.
    """

    address: str
    workers: int
    worker: int

    def __post_init__(self) -> None:
        host, _, port = self.address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise DataError(f"expected HOST:PORT for --cluster. Received: {self.address!r}")
        if not 0 <= self.worker < self.workers:
            raise DataError(
                f"expected a --worker from 0 to {self.workers - 1} out of {self.workers}. "
                f"Received: {self.worker}"
            )


_place: Place | None = None
_distribution: Any = None


def watched(place: Place, work: Callable[[], None]) -> None:
    """Do ``work`` as a worker, in a child: where another worker dies, JAX ends the process.

    Call it before JAX or Keras are imported.

    Raises:
        TrainingError: another worker was lost or did not come, or ``work`` raised an error of ours.
    """
    sys.stdout.flush()
    told, tell = os.pipe()
    alive, hold = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(hold)
        threading.Thread(target=_end_with, args=(alive,), daemon=True).start()
        _work(place, work, tell)
    os.close(tell)
    os.close(alive)
    try:
        with open(told, encoding="utf-8") as said:
            answer = said.read()
        os.waitpid(child, 0)
    finally:
        os.close(hold)
    if not answer.startswith(_DONE):
        raise TrainingError(
            answer
            or f"another of the {place.workers} workers was lost, or did not come to "
            f"{place.address}: start the same command with --resume on all machines; it goes on "
            "from the last whole epoch"
        )


_DONE = "done"


def _end_with(alive: int) -> None:
    """End this process together with its parent, which alone holds the other end of the pipe."""
    os.read(alive, 1)
    os._exit(1)


def _work(place: Place, work: Callable[[], None], tell: int) -> None:
    """The child: joins, works, tells what became of it, and ends without a last word of JAX."""
    answer = ""
    try:
        if os.environ.get("EDGECNN_DEBUG") != "1":
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # JAX writes a trace for each lost peer
        with needs("cluster", "jax"):
            import jax
        _join(place)
        work()
        os.write(tell, _DONE.encode())
        sys.stdout.flush()
        jax.distributed.shutdown()  # type: ignore[no-untyped-call]  # waits for the others
    except EdgeCNNError as e:
        answer = str(e)
    except BaseException as e:
        # JAX has no error of its own for a lost peer; of that the parent tells.
        answer = "" if "Gloo" in str(e) or "oordination" in str(e) else f"{type(e).__name__}: {e}"
    finally:
        os.write(tell, answer.encode())
        sys.stdout.flush()
        os._exit(0)


def _join(place: Place) -> None:
    global _place, _distribution
    import jax

    os.environ["KERAS_BACKEND"] = "jax"
    jax.config.update("jax_cpu_collectives_implementation", "gloo")  # type: ignore[no-untyped-call]
    jax.distributed.initialize(place.address, place.workers, place.worker)
    import keras

    _place = place
    _distribution = keras.distribution.DataParallel(auto_shard_dataset=False)


def share() -> tuple[int, int]:
    """Which worker this is, and how many there are; ``(0, 1)`` outside a cluster."""
    return (_place.worker, _place.workers) if _place else (0, 1)


@contextmanager
def folder(out: Path) -> Iterator[Path]:
    """The run folder: ``out`` itself for worker 0, for others one beside it that goes away."""
    if share()[0] == 0:
        yield out
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-worker-", dir=out.parent) as own:
            yield Path(own)


@contextmanager
def together(batch_size: int) -> Iterator[None]:
    """What is built and fitted in this block is one network over all workers.

    Raises:
        DataError: the batch cannot be shared out evenly.
    """
    if _place is None:
        yield
        return
    if batch_size % _place.workers:
        raise DataError(
            f"expected a --batch-size that {_place.workers} workers can share evenly. "
            f"Received: {batch_size}"
        )
    with _distribution.scope():
        yield


def agree(what: Mapping[str, Any]) -> None:
    """Have all workers train the same, by the same versions.

    Args:
        what: settings and pictures, for JSON.

    Raises:
        DataError: a worker has something else.
    """
    if _place is None:
        return
    from jax.experimental import multihost_utils

    here = {"what": what, **{name: versions().get(name) for name in SAME}}
    digest = sha256(json.dumps(here, sort_keys=True).encode()).digest()
    all_of_them = np.asarray(multihost_utils.process_allgather(np.frombuffer(digest, np.uint8)))
    other = np.flatnonzero((all_of_them != all_of_them[0]).any(axis=1))
    if len(other):
        raise DataError(
            f"expected the same pictures, options and versions of {', '.join(SAME)} on all "
            f"machines. Worker {other[0]} has others than worker 0: make them the same"
        )


def agreed(figures: Mapping[str, float]) -> dict[str, float]:
    """Worker 0's figures: what all decide by."""
    heard = _from_first(np.array(list(figures.values()), np.float64).view(np.uint8))
    return dict(zip(figures, heard.view(np.float64).tolist(), strict=True))


def send(path: Path) -> None:
    """Give all workers worker 0's file of this name, where it has one."""
    if _place is None:
        return
    content = path.read_bytes() if path.exists() and _place.worker == 0 else b""
    size = int(_from_first(np.array([len(content)], np.int64).view(np.uint8)).view(np.int64)[0])
    if size:
        own = np.frombuffer(content or bytes(size), np.uint8)
        heard = _from_first(own)
        if _place.worker:
            with whole_file(path) as draft:
                draft.write_bytes(heard.tobytes())


def alone(model: Any) -> Callable[[], Any]:
    """Gives ``model``, with its weights of the moment, as this machine can use it alone."""
    if _place is None:
        return lambda: model
    import keras

    with apart():
        copy = keras.models.clone_model(model)

    def now() -> Any:
        with apart():
            copy.set_weights(model.get_weights())
        return copy

    return now


@contextmanager
def apart() -> Iterator[None]:
    """What is built and asked in this block is this machine's own affair."""
    if _place is None:
        yield
        return
    import keras

    before = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


def _from_first(content: Image) -> Image:
    if _place is None:
        return content
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.broadcast_one_to_all(content), np.uint8)
