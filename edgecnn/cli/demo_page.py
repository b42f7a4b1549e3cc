"""What the demo leaves behind, and whether it met its goals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.cli import demo_sheet
from edgecnn.cli.demo_faces import FIRST, SECOND
from edgecnn.errors import StorageError

if TYPE_CHECKING:
    from edgecnn.camera.sources.synthetic import SyntheticCamera
    from edgecnn.cli.demo_faces import Watched

SUMMARY, SHEET, REPORT = "summary.json", "contact-sheet.png", "report.html"

FILES = {
    REPORT: "this page",
    SUMMARY: "the figures",
    SHEET: "the contact sheet",
    "video.mp4": f"what was recognised with {FIRST} enrolled",
    "events.jsonl": "the same as events, one a face and frame",
    "video-both.mp4": "with both enrolled",
    "events-both.jsonl": "the same as events",
    "gallery.sqlite": "the people enrolled",
    "digits-report.html": "the training of the digits",
    "digits-bundle/card.md": "the digits' int8 bundle",
}


def check(out: Path) -> None:
    """Whether the demo may write to ``out``.

    Raises:
        StorageError: there is something that no demo wrote.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        former = json.loads((out / SUMMARY).read_text("utf-8"))
        if {"digits", "faces"} <= set(former):
            return
    except (OSError, ValueError, TypeError):
        pass  # no summary of a demo: not ours to replace
    raise StorageError(
        f"expected a former demo or nothing in {out}. It holds something else: choose another --out"
    )


def write(
    out: Path,
    digits: dict[str, Any],
    faces: dict[str, Any],
    source: SyntheticCamera,
    tours: Sequence[Watched],
) -> dict[str, Any]:
    """Write the summary, the sheet and the report into ``out``; returns the summary."""
    from edgecnn.report import page

    summary = {"digits": digits, "faces": faces}
    (out / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    sheet = demo_sheet.contact_sheet(source, *tours)
    (out / SHEET).write_bytes(sheet)
    sections = [
        page.Section("What came out", page.figures(_headlines(summary))),
        page.Section(
            "Contact sheet",
            page.picture(sheet, "six frames of the synthetic camera with names drawn in"),
        ),
        page.Section("Faces", _faces(faces, tours)),
        page.Section("Digits", _digits(digits)),
        page.Section("Files", _files(out)),
    ]
    page.write(out / REPORT, "edgecnn demo", sections)
    return summary


def missed_goals(summary: dict[str, Any]) -> list[str]:
    """The goals of the demo that were missed, in words; empty where all were met."""
    digits, faces = summary["digits"], summary["faces"]
    second = faces["second_run"]
    drop = digits["float_accuracy"] - digits["int8_accuracy"]
    return [
        words
        for missed, words in (
            (drop > 0.01 + 1e-9, f"int8 lost {drop:.3f} of the accuracy, at most 0.01 is allowed"),
            (not _enough(faces), f"{FIRST} was named in {_share(faces)}, expected 95 %"),
            (
                faces["strangers_named"] > 0 or second["strangers_named"] > 0,
                f"a stranger was named in {faces['strangers_named']} + "
                f"{second['strangers_named']} frames",
            ),
            (faces["named_wrong"] > 0, f"a wrong name in {faces['named_wrong']} frames"),
            *(
                (not _enough(second[name]), f"{name}, enrolled too, was named in "
                 f"{_share(second[name])}, expected 95 %")
                for name in (FIRST, SECOND)
            ),
        )
        if missed
    ]  # fmt: skip


def lines(summary: dict[str, Any], out: Path) -> list[str]:
    """What the command prints at the end."""
    digits, faces = summary["digits"], summary["faces"]
    stranger, both = faces["stranger"], faces["second_run"]
    return [
        f"digits      float {digits['float_accuracy']:.4f}, int8 {digits['int8_accuracy']:.4f}, "
        f"{digits['parameters']:,} parameters; {_rival(digits)}",
        f"faces       {FIRST}, enrolled from one photo, was named in {_share(faces)}",
        f"            {SECOND}, a stranger, was found in {stranger['found']} of "
        f"{stranger['whole']} and named in {stranger['named_right'] + stranger['named_wrong']}; "
        f"frames with a name where none belongs: {faces['strangers_named']}",
        f"            both enrolled: {FIRST} {_share(both[FIRST])}, "
        f"{SECOND} {_share(both[SECOND])}",
        f"speed       {faces['fps']:.0f} frames a second ({faces['latency_ms']['p50_ms']:.1f} ms; "
        f"p95 {faces['latency_ms']['p95_ms']:.1f})",
        *(f"{'written' if i == 0 else '':<12}{out / name}"
          for i, name in enumerate((REPORT, SHEET, "video.mp4", "events.jsonl", SUMMARY))),
    ]  # fmt: skip


def _enough(counts: dict[str, int]) -> bool:
    return counts["named_right"] >= 0.95 * counts["whole"]


def _share(counts: dict[str, int]) -> str:
    share = counts["named_right"] / max(1, counts["whole"])
    return f"{counts['named_right']} of {counts['whole']} frames ({share:.1%})"


def _rival(digits: dict[str, Any]) -> str:
    best = max(digits["dense"], key=lambda rival: rival["accuracy"])
    if digits["dense_as_accurate"]:
        best = digits["dense"][-1]
        return f"a dense network needs {best['parameters']:,} for as much"
    return (
        f"no dense network got there, the best of {len(digits['dense'])} has "
        f"{best['accuracy']:.4f} with {best['parameters']:,}"
    )


def _headlines(summary: dict[str, Any]) -> dict[str, str]:
    digits, faces = summary["digits"], summary["faces"]
    return {
        "named where her face is whole": f"{faces['named_right'] / max(1, faces['whole']):.1%}\n"
        f"{_share(faces)}",
        "frames with a stranger named": f"{faces['strangers_named']}\n"
        f"the stranger was found in {faces['stranger']['found']} frames",
        "frames a second": f"{faces['fps']:.0f}\nrecognition, on this machine",
        "digits, int8": f"{digits['int8_accuracy']:.1%}\nfloat {digits['float_accuracy']:.1%}, "
        f"{digits['bytes']:,} bytes",
    }


def _faces(faces: dict[str, Any], tours: Sequence[Watched]) -> str:
    from edgecnn.report import page

    both = faces["second_run"]
    rows = [
        (run, name, c["whole"], c["found"], c["named_right"], c["named_wrong"], c["missed"])
        for run, name, c in (
            (f"{FIRST} enrolled", FIRST, faces),
            (f"{FIRST} enrolled", SECOND, faces["stranger"]),
            ("both enrolled", FIRST, both[FIRST]),
            ("both enrolled", SECOND, both[SECOND]),
        )
    ]
    head = ("run", "face of", "whole", "found", "named right", "named wrong", "unknown or missed")
    stages = "; ".join(f"{stage} {ms:.1f} ms" for stage, ms in faces["stages_ms"].items())
    return "\n".join(
        [
            page.paragraph(
                f"A synthetic camera goes over {faces['frames']} frames: it pans, zooms, turns by "
                "up to 25°, goes out of focus, through half-shadows and near darkness; sensor "
                f"noise and JPEG compression as of a webcam. {faces['empty_frames']} frames show "
                f"nobody. {FIRST} was enrolled from one photo. Mean time a frame: {stages}."
            ),
            page.plot(
                lambda dark: demo_sheet.timeline(tours[0], dark),
                "over the time of the tour, when each face is whole and what it was called",
                f"The first tour, with only {FIRST} enrolled; time in seconds.",
            ),
            page.table(head, rows),
        ]
    )


def _digits(digits: dict[str, Any]) -> str:
    from edgecnn.report import page

    rows = [
        ("compact CNN", f"{digits['parameters']:,}", f"{digits['float_accuracy']:.4f}"),
        ("the same in int8", f"{digits['parameters']:,}", f"{digits['int8_accuracy']:.4f}"),
        *(
            (f"dense, {r['units']} units", f"{r['parameters']:,}", f"{r['accuracy']:.4f}")
            for r in digits["dense"]
        ),
    ]
    return page.paragraph(
        f"On {digits['test_pictures']} digits that none of them was trained on: {_rival(digits)}."
    ) + page.table(("network", "parameters", "accuracy"), rows)


def _files(out: Path) -> str:
    links = (
        f'<li><a href="{escape(name)}">{escape(name)}</a>: {escape(what)}</li>'
        for name, what in FILES.items()
        if name == REPORT or (out / name).exists()
    )
    return f"<ul>{''.join(links)}</ul>"
