"""The report of an embedder's training: ``report.html``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.data.aligned import AlignedFaces
from edgecnn.faces.verify import pair_scores, verification_pairs
from edgecnn.images import Floats
from edgecnn.report import page, pictures, plots
from edgecnn.training.run import REPORT, Run

SHOWN = 12
"""Pairs of each kind among the worst mistakes."""
DRAWN = 20_000
"""Pairs drawn for the distributions."""


def write_report(
    run: Run, metrics: Mapping[str, Any], faces: AlignedFaces, embeddings: Floats
) -> None:
    """Write ``report.html`` into the run folder.

    Args:
        metrics: what goes into ``metrics.json``.
        faces, embeddings: of the held-out test people; ``(N, D)`` of unit length.
    """
    point = metrics["operating_point"]
    pairs, same = verification_pairs(faces.persons, DRAWN, run.facts["settings"]["seed"])
    scores = pair_scores(embeddings, pairs)
    sections = [
        page.Section(
            "Result on people held out",
            page.figures(
                {
                    "Verification accuracy": f"{100 * metrics['accuracy']:.2f} %\\nsame person or "
                    "not, ten folds",
                    "TAR at FAR 0.1 %": f"{100 * metrics['tar_at_far_1e-3']:.2f} %",
                    "Threshold": f"{point['threshold']:.3f}\\nfalse accept rate "
                    f"{point['error_rate']:.1e} in {point['trials']:,} comparisons",
                    "Parameters": f"{metrics['parameters']:,}",
                }
            ),
        ),
        page.Section(
            "Learning curves",
            page.plot(
                lambda dark: plots.curves(run.history, dark=dark),
                "Losses and validation figures by epoch",
                "Stage by stage left of the dashed line, the whole network right of it.",
            ),
        ),
        page.Section(
            "Same person or not",
            page.plot(
                lambda dark: plots.histograms(
                    {"two people": scores[~same], "one person": scores[same]},
                    point["threshold"],
                    "cosine similarity; the dashed line is the threshold",
                    dark=dark,
                ),
                "Distributions of the similarity of pairs of one and of two people",
            ),
        ),
        page.Section(
            "Different people, most alike", _worst(faces, pairs, scores, ~same, highest=True)
        ),
        page.Section(
            "One person by label, least alike", _worst(faces, pairs, scores, same, highest=False)
        ),
    ]
    page.write(run.path / REPORT, "An embedder for faces", sections)


def _worst(
    faces: AlignedFaces,
    pairs: npt.NDArray[np.int64],
    scores: Floats,
    of: npt.NDArray[np.bool_],
    *,
    highest: bool,
) -> str:
    """Pairs side by side, the worst first, each once."""
    order = np.argsort(-scores if highest else scores, kind="stable")
    shown = {tuple(sorted(pairs[i].tolist())): i for i in order[of[order]][: 4 * SHOWN][::-1]}
    cells = []
    for (a, b), i in list(shown.items())[::-1][:SHOWN]:
        picture = pictures.picture(np.hstack([faces.pixels[a], faces.pixels[b]]), side=224)
        cells.append((picture, f"{scores[i]:.2f}", f"{faces.files[a]}, {faces.files[b]}"))
    return page.gallery(cells)
