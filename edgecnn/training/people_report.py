"""The report of a gallery: every photo with its fate, and whom the camera may not recognise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgecnn.faces.leave_one_out import Check
from edgecnn.faces.photo import USED, Photo
from edgecnn.report import page
from edgecnn.report.pictures import picture
from edgecnn.training.run import REPORT, Run

SAY = {
    "right": "recognised by the others",
    "wrong": "would be called {nearest}",
    "unknown": "too unlike the others: unknown",
    "alone": "no other photo to know it by",
}


def write_report(
    run: Run, photos: Sequence[Photo], checks: Sequence[Check], metrics: Mapping[str, Any]
) -> None:
    """Write ``report.html`` into the run folder."""
    accuracy = metrics["leave_one_out_accuracy"]
    tested = sum(c.answer != "alone" for c in checks)
    overview = page.figures(
        {
            "people": str(metrics["people"]),
            "photos used": f"{metrics['photos_used']}\nof {metrics['photos']}, "
            f"{metrics['photos_redundant']} more would add nothing",
            "recognised": (
                "–\nneeds two photos of somebody"
                if accuracy is None
                else f"{accuracy:.0%}\nof {tested} photos, each by the others"
            ),
            "named wrongly": str(metrics["leave_one_out_wrong"]),
            "unknown": str(metrics["leave_one_out_unknown"]),
        }
    ) + page.paragraph(
        "Each photo was compared with the gallery as it would be without that photo, at the "
        f"threshold {metrics['threshold']:.3f} of the bundle."
    )
    if "adaptation" in metrics:
        overview += page.paragraph(f"Adaptation to these people: {metrics['adaptation']['why']}.")
    sections = [page.Section("Will they be recognised?", overview)]
    if advice := _advice(metrics):
        sections.append(page.Section("What to do", "".join(page.paragraph(a) for a in advice)))
    if metrics["most_alike"]:
        rows = [(a, b, f"{cosine:.2f}") for a, b, cosine in metrics["most_alike"]]
        sections.append(
            page.Section("Most alike", page.table(("person", "person", "cosine"), rows))
        )
    for name in dict.fromkeys(p.name for p in photos):
        sections.append(page.Section(name, _person(name, photos, checks)))
    page.write(run.path / REPORT, "People", sections)


def _advice(metrics: Mapping[str, Any]) -> list[str]:
    left = [f"{name}: no usable photo, so not enrolled." for name in metrics["left_out"]]
    confused = [
        f"{a} and {b} look like one person ({cosine:.2f}): where both are, neither is named."
        for a, b, cosine in metrics["confused"]
    ]
    return left + confused + [line for lines in metrics["advice"].values() for line in lines]


def _person(name: str, photos: Sequence[Photo], checks: Sequence[Check]) -> str:
    by_source = {c.source: c for c in checks if c.name == name}
    mine = [p for p in photos if p.name == name]
    shown = []
    for photo in mine:
        if photo.face is None:
            continue
        strong = _said(by_source[photo.source]) if photo.usable else photo.fate
        if photo.usable and photo.fate != USED:
            strong = f"{photo.fate}; {strong}"
        shown.append((picture(photo.face, order="BGR"), strong, photo.source))
    unseen = [(p.source, p.fate) for p in mine if p.face is None]
    return (page.gallery(shown) if shown else "") + (
        page.table(("photo without a face to show", "why"), unseen) if unseen else ""
    )


def _said(check: Check) -> str:
    score = check.other if check.answer == "wrong" else check.own
    figure = "" if score is None else f" ({score:.2f})"
    return SAY[check.answer].format(nearest=check.nearest) + figure
