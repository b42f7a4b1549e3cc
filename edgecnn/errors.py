"""Every fault a user can cause or meet, one class each.

::

    EdgeCNNError
    ├── DataError         (ValueError)           photos, tables, labels, splits
    ├── ModelError        (ValueError)           a model file that cannot be read or used
    ├── BundleError       (ValueError)           a bundle whose manifest and files disagree
    ├── GalleryError      (ValueError)           of another embedder, or no such person
    ├── CameraError       (OSError)              no camera, or one that stopped
    ├── TrainingError     (RuntimeError)         a training that cannot go on
    ├── ConversionError   (RuntimeError)         the converter failed, or accuracy was lost
    ├── DeployError       (RuntimeError)         a board that is not reached, or does not take it
    ├── StorageError      (OSError)              disk full, not writable, exists already
    └── MissingExtra      (ModuleNotFoundError)  an optional package is not installed

A message says what was expected, what came, and what to do next, in one line. The command line
prints it and exits with 2; ``EDGECNN_DEBUG=1`` shows the traceback.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class EdgeCNNError(Exception):
    """A fault with a one-line cure."""


class DataError(EdgeCNNError, ValueError):
    """The user's photos, tables, labels or splits are not what was expected."""


class ModelError(EdgeCNNError, ValueError):
    """A model file cannot be read, or is not of the kind that is needed."""


class BundleError(EdgeCNNError, ValueError):
    """A bundle is incomplete, or its manifest and its files disagree."""


class GalleryError(EdgeCNNError, ValueError):
    """A gallery belongs to another embedder, or has no such person."""


class CameraError(EdgeCNNError, OSError):
    """A camera or video could not be opened, or stopped for good."""


class TrainingError(EdgeCNNError, RuntimeError):
    """A training cannot go on (a loss that is not a number, say)."""


class ConversionError(EdgeCNNError, RuntimeError):
    """The conversion failed, or lost more accuracy than allowed."""


class DeployError(EdgeCNNError, RuntimeError):
    """A board could not be reached, or does not take what it was sent."""


class StorageError(EdgeCNNError, OSError):
    """Something could not be written: disk full, no permission, exists already."""


class MissingExtra(EdgeCNNError, ModuleNotFoundError):
    """An optional package is not installed."""


@contextmanager
def needs(extra: str, *packages: str) -> Iterator[None]:
    """Turn a failed import of one of ``packages`` into the command that installs it.

    >>> with needs("train", "keras"):
    ...     import keras  # doctest: +SKIP

    Raises:
        MissingExtra: when one of ``packages`` is absent. Any other failed import is let through.
    """
    try:
        yield
    except ModuleNotFoundError as e:
        if (e.name or "").partition(".")[0] not in packages:
            raise
        raise MissingExtra(
            f"this needs the package {e.name}, which is not installed: "
            f"pip install 'edgecnn[{extra}]'",
            name=e.name,
        ) from e
