"""The report of a detector's training: ``report.html``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgecnn.faces.detect import Faces
from edgecnn.faces.recall import Hits, hits
from edgecnn.images import Floats, Image
from edgecnn.report import page, plots
from edgecnn.training.run import REPORT, Run

SHOWN = 24
"""Pictures at most among the worst mistakes."""
RATES = (0.01, 0.02, 0.05, 0.1, 0.5)
"""False boxes a picture at which recall is listed."""
GREEN, RED = (40, 200, 60), (40, 40, 230)
"""Of labelled faces and of found boxes, BGR."""


def write_report(
    run: Run,
    metrics: Mapping[str, float],
    *,
    names: Sequence[str],
    pictures: Sequence[Image],
    truth: Sequence[Floats],
    found: Sequence[Faces],
) -> None:
    """Write ``report.html`` into the run folder.

    Args:
        metrics: what goes into ``metrics.json``.
        names, pictures, truth: the test pictures, ``(H, W, 3)`` RGB each, and their faces.
        found: what the network finds in them, low scores too.
    """
    measured = hits(found, truth)
    threshold = run.facts["score_threshold"]
    sections = [
        page.Section(
            "Result",
            page.figures(
                {
                    "Faces found": f"{100 * metrics['recall']:.1f} %\nof {measured.faces} in "
                    f"{measured.pictures} held-out pictures",
                    "False boxes": f"{metrics['false_boxes']:.3f}\na picture",
                    "Landmarks": f"{metrics['landmark_error']:.1f} %\nmean distance, in shares of "
                    "the distance of the eyes",
                    "Score threshold": f"{threshold:.2f}\nchosen on the validation pictures",
                }
            ),
        ),
        page.Section(
            "Learning curves",
            page.plot(
                lambda dark: plots.curves(run.history, dark=dark),
                "Loss, recall and landmark error by epoch",
                "Recall at the allowed rate of false boxes, on validation photos (plain) and on "
                "mosaics and tilted faces made of them (hard).",
            ),
        ),
        page.Section("Recall by rate of false boxes", _rates(measured)),
        _worst(names, pictures, truth, found, threshold),
        page.Section(
            "Settings",
            page.table(
                ("setting", "value"),
                [(k, v) for k, v in run.facts["settings"].items() if k != "data"],
            ),
        ),
    ]
    page.write(run.path / REPORT, "Finding faces", sections)


def _rates(measured: Hits) -> str:
    rows = []
    for rate in RATES:
        at = measured.at(measured.threshold(rate))
        rows.append((f"{rate:g}", f"{100 * at['recall']:.1f} %", f"{at['landmark_error']:.1f} %"))
    return page.table(("false boxes a picture", "faces found", "landmark error"), rows)


def _worst(
    names: Sequence[str],
    pictures: Sequence[Image],
    truth: Sequence[Floats],
    found: Sequence[Faces],
    threshold: float,
) -> page.Section:
    worst = []
    for k, (faces, (boxes, scores, marks)) in enumerate(zip(truth, found, strict=True)):
        one = hits([(boxes, scores, marks)], [faces])
        kept = one.scores >= threshold
        missed = len(faces) - int((kept & one.right).sum())
        false = one.scores[kept & ~one.right]
        if missed or len(false):
            worst.append((missed + float(false.sum()), missed, len(false), k))
    shown = []
    for _, missed, false_count, k in sorted(worst, reverse=True)[:SHOWN]:
        kept = found[k][1] >= threshold
        png = marked(pictures[k], truth[k], found[k][0][kept])
        shown.append((png, f"{missed} missed, {false_count} false", names[k]))
    html = page.paragraph("Green: labelled. Red: found.") + page.gallery(shown)
    return page.Section("The worst mistakes", html if shown else page.paragraph("None."))


def marked(picture: Image, truth: Floats, boxes: Floats) -> bytes:
    """A PNG of an ``(H, W, 3)`` RGB picture with its faces, ``(N, 14)``, in green and the boxes
    that were found, ``(M, 4)``, in red."""
    import cv2

    drawn = np.ascontiguousarray(picture[..., ::-1])
    for some, colour in ((truth[:, :4], GREEN), (boxes, RED)):
        for box in some:
            x0, y0, x1, y1 = (int(v) for v in box)
            cv2.rectangle(drawn, (x0, y0), (x1, y1), colour, 2)
    return bytes(cv2.imencode(".png", drawn)[1])
