"""The page of ``edgecnn evaluate --open-set --out DIR``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.data import aligned
from edgecnn.report import page, pictures, plots
from edgecnn.storage import storing
from edgecnn.training import open_set
from edgecnn.training.open_set_run import OpenSet, fnir_text, percent
from edgecnn.training.strangers import UPRIGHT

REPORT = "open-set.html"


def write(found: OpenSet, out: str | Path) -> Path:
    """Write the page into a folder, which is made where there is none.

    Raises:
        StorageError: it cannot be written.
        MissingExtra: matplotlib is not installed.
    """
    figures, path = found.figures, Path(out) / REPORT
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    rates, missed = open_set.det(found.trials)
    point = (figures["strangers_named"]["rate"], figures["enrolled_missed"])
    bars = [(f["fpir"], f["low"], f["high"]) for f in figures["fnir"] if f["fnir"] is not None]
    sections = [
        page.Section("Will it name strangers?", _overview(figures)),
        page.Section(
            "Strangers named against people missed",
            page.plot(
                lambda dark: plots.trade_off(rates, missed, point, bars, dark=dark),
                "Detection error trade-off of strangers named and of the enrolled missed",
                f"{figures['enrolled_at_once']} people enrolled at once; bars are 90 % intervals. "
                "Everybody is looked at once; the camera looks more than once before it says a "
                "name.",
            )
            + page.table(
                ("strangers named (FPIR)", "enrolled missed (FNIR)"),
                [(f"{100 * one['fpir']:g} %", fnir_text(one)) for one in figures["fnir"]],
            ),
        ),
        page.Section("Most easily confused", _confused(found)),
    ]
    if figures["groups"]:
        sections.append(page.Section("By group", _table(figures)))
    if figures["notes"]:
        notes = "".join(page.paragraph(_sentence(note)) for note in figures["notes"])
        sections.append(page.Section("Notes", notes))
    page.write(path, "Strangers", sections)
    return path


def _overview(figures: Mapping[str, Any]) -> str:
    named, misnamed = figures["strangers_named"], figures["enrolled_misnamed"]
    return page.figures(
        {
            "Wrong names in 1,000 visits of strangers": f"{1000 * named['rate']:.2f}\n"
            f"{1000 * named['low']:.2f} to {1000 * named['high']:.2f}, 90 %; "
            f"{1000 * figures['rate_asked']:g} were asked for",
            "Wrong names in 1,000 visits of the enrolled": f"{1000 * misnamed['rate']:.2f}\n"
            f"{1000 * misnamed['low']:.2f} to {1000 * misnamed['high']:.2f}, 90 %",
            "Not recognised": f"{100 * figures['enrolled_missed']:.1f} %\n"
            f"of {figures['enrolled_trials']} enrolled people, looked at once",
            "Threshold": f"{figures['threshold']:.3f}\non average over "
            f"{figures['galleries']} galleries",
        }
    ) + page.paragraph(
        f"{figures['people']:,} people with {figures['faces']:,} faces; "
        f"{figures['enrolled_at_once']} of them enrolled at once, and everybody else a stranger: "
        f"{figures['stranger_trials']:,} trials."
    )


def _confused(found: OpenSet) -> str:
    """The pairs with their faces, the enrolled person's first photo on the left."""
    pairs = found.figures["confused"]
    first: dict[str, str] = {}
    for file, person in found.people.items():
        first.setdefault(person, file)
    files = {f for pair in pairs for f in (first[pair["taken_for"]], pair["file"])}
    faces = aligned.load(found.folder, dict.fromkeys(sorted(files), ""), UPRIGHT)
    pixels = dict(zip(faces.files, faces.pixels, strict=True))
    cells = []
    for pair in pairs:
        both = np.hstack([pixels[first[pair["taken_for"]]], pixels[pair["file"]]])
        said = f"{pair['score']:.2f}, {'named' if pair['named'] else 'not named'}"
        cells.append((pictures.picture(both, order="BGR", side=224), said,
                      f"{pair['taken_for']}, and {pair['person']}"))  # fmt: skip
    return page.gallery(cells)


def _table(figures: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{g['set']}, {g['group']}",
            g["people"],
            percent(g["against_the_enrolled"]),
            percent(g["within_the_group"]),
        )
        for g in figures["groups"]
    ]
    head = ("group", "people", "strangers named", "strangers named, the enrolled of the group too")
    return page.table(head, rows) + page.paragraph(
        "With 90 % intervals; groups as the faces' sources label them. In the last column "
        f"{figures['enrolled_in_a_group']} people of the group are enrolled at once with one face "
        "each; it is not measured for few people, nor where the faces have no identities."
    )


def _sentence(note: str) -> str:
    return note[0].upper() + note[1:] + "."
