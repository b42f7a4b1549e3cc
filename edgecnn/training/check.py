"""What the check of a folder asks of a split, of the detector and of trained networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edgecnn import training
from edgecnn.bundle import ASSETS, Bundle
from edgecnn.data.check import Finding, without_face
from edgecnn.data.folders import PARTS, read_photos, split
from edgecnn.data.look import Seen
from edgecnn.errors import DataError
from edgecnn.faces.detect import Detector
from edgecnn.images import Preprocess
from edgecnn.training.run import Run


def parts_of(seen: Sequence[Seen], run_path: Path | None, seed: int) -> dict[str, str]:
    """Name to part: of a run, or of the split that a training would make; empty where neither.

    Raises:
        DataError: ``run_path`` is no run.
    """
    if run_path is not None:
        parts = {part: Run(run_path).split.get(part, []) for part in PARTS}
    else:
        good = [one for one in seen if not one.fault]
        try:
            parts = split([o.name for o in good], [o.digest for o in good], seed=seed)
        except DataError:  # too few pictures of a class to train on; balance says so
            return {}
    return {name: part for part, names in parts.items() for name in names}


def faceless(folder: Path, seen: Sequence[Seen]) -> list[Finding]:
    """Pictures without a whole face, by the detector that ships."""
    return without_face(folder, seen, Detector.of(Bundle(ASSETS)))


def mislabelled(
    folder: Path, seen: Sequence[Seen], found: Sequence[Finding], seed: int,
    *, progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Finding], str]:  # fmt: skip
    """Pictures that networks take for another class, and what to say where that cannot be told.

    Broken pictures are left out, and copies, which would be seen in training.

    Args:
        found: what is known to be wrong already.
        progress: called with epochs done and in all.
    """
    training.start_keras()
    from edgecnn.training.folds import doubtful, out_of_fold

    out = {f.name for f in found if f.kind in ("broken", "flat", "duplicate", "near-duplicate")}
    good = [one for one in seen if one.name not in out]
    classes = sorted({one.label for one in good})
    if len(classes) < 2:
        return [], "wrong labels cannot be told: fewer than two classes have pictures"
    sizes = {one.size_wh for one in good}
    own = sizes.pop() if len(sizes) == 1 else (64, 64)
    size = own if min(own) >= 8 and max(own) <= 64 else (64, 64)
    order = "GRAY" if all(one.is_grey for one in good) else "RGB"
    # A picture in two classes is what the rest decides about.
    pixels = read_photos(folder, [o.name for o in good], Preprocess(size, order),
                         skip_broken=True)  # fmt: skip
    targets = np.array([classes.index(n.partition("/")[0]) for n in pixels.names], np.int64)
    try:
        said = out_of_fold(pixels.pixels, targets, len(classes), seed=seed, progress=progress)
    except DataError as e:
        return [], f"wrong labels cannot be told: {e}"
    return [
        Finding("label", pixels.names[i], f"{classes[said[i].argmax()]} by {said[i].max():.0%}")
        for i in doubtful(said, targets)
    ], ""
