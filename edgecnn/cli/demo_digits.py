"""The demo's classifier: a compact CNN on scikit-learn's digits, float and int8, and its rival."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.errors import needs

if TYPE_CHECKING:
    from edgecnn.training.run import Run

    Show = Callable[[str, int, int, dict[str, float]], None]

CHANNELS = [8, 16]
EPOCHS = 40
BATCH = 64
DENSE_WIDTHS = (64, 512, 1024)
"""Hidden units that the dense network is given, one after the other, until it is as accurate; 256
fall short like 64 (0.981), and would only cost time."""

BOARD = "raspberry-pi-5"
"""For the manifest; the int8 file is the same for every board without an accelerator."""


def run(out: Path, seed: int, progress: Show) -> dict[str, Any]:
    """Train, convert and compare; leaves ``digits-bundle/`` and ``digits-report.html`` in ``out``.

    Returns:
        ``float_accuracy`` and ``int8_accuracy`` on the test part (0…1), ``parameters``, ``bytes``
        of the int8 file, ``test_pictures``, and ``dense``: the rivals that were tried, with
        ``units``, ``parameters`` and ``accuracy``, the last being as accurate where
        ``dense_as_accurate``.

    Raises:
        MissingExtra: a package of the extra ``demo`` is not installed.
        ConversionError: int8 lost more than 0.01.
    """
    from edgecnn import training

    training.start_keras()
    # Its warning about traced functions counts those of all networks in one process.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    from converters.export import export
    from edgecnn.training import images

    with tempfile.TemporaryDirectory(prefix="edgecnn-demo-") as work:
        folder = Path(work)
        write_digits(folder / "digits")
        cnn = _train(folder, "compact", CHANNELS, seed, progress)
        bundle = export(cnn.path, BOARD, out / "digits-bundle")
        images.report(cnn)
        shutil.copyfile(cnn.path / "report.html", out / "digits-report.html")
        entry = bundle.entry("classifier")
        accuracy = {kind: figures["accuracy"] for kind, figures in entry.metrics.items()}
        rivals: list[dict[str, Any]] = []
        for units in DENSE_WIDTHS:
            metrics = _train(folder, "dense", [units], seed, progress).metrics
            rivals.append({"units": units, **_pick(metrics, "parameters", "accuracy")})
            if metrics["accuracy"] >= accuracy["float"]:
                break
        return {
            "float_accuracy": accuracy["float"],
            "int8_accuracy": accuracy["int8"],
            "parameters": cnn.metrics["parameters"],
            "bytes": (bundle.path / entry.file).stat().st_size,
            "test_pictures": len(cnn.split["test"]),
            "dense": rivals,
            "dense_as_accurate": rivals[-1]["accuracy"] >= accuracy["float"],
        }


def write_digits(folder: Path) -> int:
    """scikit-learn's 1,797 digits of 8×8 pixels as ``folder/DIGIT/NUMBER.png``; how many.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    import cv2
    import numpy as np

    with needs("demo", "sklearn"):
        from sklearn.datasets import load_digits

    digits = load_digits()
    # 0…16 counts of set pixels in a 4×4 block (UCI, Optical Recognition of Handwritten Digits).
    pictures = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    for i, (picture, digit) in enumerate(zip(pictures, digits.target, strict=True)):
        file = folder / str(digit) / f"{i:04}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), picture)
    return len(pictures)


def _train(folder: Path, network: str, channels: list[int], seed: int, progress: Show) -> Run:
    from edgecnn.training import images

    name = f"{network} {'-'.join(map(str, channels))}"
    title = f"digits, {name}"
    settings = {
        "network": network, "channels": channels, "seed": seed,
        "epochs": EPOCHS, "batch_size": BATCH,
    }  # fmt: skip

    def show(step: str, done: int, of: int, figures: dict[str, float]) -> None:
        """One line, or one bar, for the whole training rather than one an epoch."""
        epoch = re.fullmatch(r"\D*(\d+)/(\d+)", step)
        if epoch:
            behind, epochs = int(epoch[1]) - 1, int(epoch[2])
            progress(title, min(behind * of + done, epochs * of - 1), epochs * of, figures)

    trained = images.train(folder / "digits", folder / name, settings, progress=show)
    progress(title, 1, 1, _pick(trained.metrics, "accuracy", "parameters"))
    return trained


def _pick(metrics: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: metrics[name] for name in names}
