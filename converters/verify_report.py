"""The verification for people and for programs, beside the run: pictures, names and all.

A bundle travels, so it gets :meth:`converters.compare.Comparison.facts` alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.compare import Comparison
from edgecnn.errors import BundleError
from edgecnn.report import page, plots
from edgecnn.storage import write_json
from edgecnn.training.measures import reliability
from edgecnn.training.run import VERIFICATION

PAGE = "verification.html"
SCHEMA = 1

SHOWN = 24
"""Pictures at most of each kind."""
ROWS = 40
"""Classes or people at most in the table."""


def write(folder: Path, model: str, comparison: Comparison) -> None:
    """Write ``verification.json`` and ``verification.html`` into a run folder.

    Raises:
        StorageError: they cannot be written.
    """
    facts = {"schema": SCHEMA, "model": model, **comparison.details()}
    write_json(folder / VERIFICATION, facts)
    sections = [
        page.Section("Result", _result(comparison)),
        page.Section("Figures", _figures(comparison)),
        page.Section("Calibration and network", _findings(comparison)),
        _flips(comparison, "Worse in int8", comparison.worse),
        _flips(comparison, "Better in int8", comparison.better),
    ]
    if comparison.healing:
        sections.insert(2, page.Section("Cures", _cures(comparison.healing)))
    if comparison.groups:
        sections.insert(3, page.Section("By class or person", _groups(comparison)))
    if comparison.errors:
        sections.append(page.Section("How sure, how right", _reliability(comparison)))
    if comparison.cosines is not None:
        sections.append(page.Section("Embeddings that moved most", _moved(comparison)))
    page.write(folder / PAGE, f"int8 against float: {model}", sections)


def write_facts(folder: Path, models: dict[str, dict[str, Any]]) -> None:
    """Write ``verification.json`` into a bundle.

    Args:
        models: name in the bundle to :meth:`converters.compare.Comparison.facts`.
    """
    text = json.dumps({"schema": SCHEMA, "models": models}, indent=2) + "\n"
    (folder / VERIFICATION).write_text(text, "utf-8")


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """What stands about each model in a bundle's ``verification.json``; nothing where it has none
    or one of another version.

    Raises:
        BundleError: the file is not as this module writes it.
    """
    file = folder / VERIFICATION
    if not file.is_file():
        return {}
    try:
        facts = json.loads(file.read_text("utf-8"))
        models: dict[str, dict[str, Any]] = facts["models"] if facts["schema"] == SCHEMA else {}
        return dict(models)
    except (ValueError, KeyError, TypeError) as e:
        raise BundleError(f"{file} cannot be read ({e!r}): convert the run again") from e


def _result(comparison: Comparison) -> str:
    before, after = comparison.before, comparison.after
    name = comparison.headline
    cards = {
        f"{_plain(name)}, int8": f"{_percent(after.figures[name])}\n"
        f"{_percent(before.figures[name])} in float, {len(before):,} {comparison.part} samples",
        "Drop": f"{100 * comparison.drop:+.2f}\npoints; float less int8",
        "Same answer": f"{_percent(comparison.agreement)}\nof float and int8, right or wrong",
        "Flips": f"{len(comparison.worse)} / {len(comparison.better)}\nworse / better in int8",
    }
    if errors := comparison.errors:
        cards["Calibration error"] = (
            f"{_percent(errors[1])}\n{_percent(errors[0])} in float; mean distance of how sure and "
            "how right, 15 bins"
        )
    if (cosines := comparison.cosines) is not None:
        cards["Cosine of the two"] = (
            f"{cosines.mean():.4f}\nmean of {len(cosines):,} pictures; 5th percentile "
            f"{np.percentile(cosines, 5):.4f}, worst {cosines.min():.4f}"
        )
    return page.figures(cards)


def _figures(comparison: Comparison) -> str:
    before, after = comparison.before.figures, comparison.after.figures
    rows = [
        (_plain(k), f"{before[k]:.4f}", f"{after[k]:.4f}", f"{after[k] - before[k]:+.4f}")
        for k in before
    ]
    return page.table(("figure", "float", "int8", "change"), rows)


def _findings(comparison: Comparison) -> str:
    if not comparison.findings:
        return page.paragraph(
            "Nothing doubtful: the calibration pictures differ from one another, cover every "
            "class and are prepared as on the board; no layer is cut off or dead."
        )
    return page.table(("what", "in words"), [(f.kind, f.text) for f in comparison.findings])


def _cures(healing: dict[str, Any]) -> str:
    rows = [
        (t["what"], t["failed"], "", "", f"{t['seconds']:.0f} s", "")
        if "failed" in t
        else (t["what"], f"{t['int8']:.4f}", f"{0.0 - t['drop']:+.4f}", _percent(t["agreement"]),
              f"{t['seconds']:.0f} s", "yes" if t["helped"] and t["cure"] != "plain" else "")
        for t in healing["trials"]
    ]  # fmt: skip
    name, before = _plain(healing["headline"]), healing["float"]
    note = (
        f"Chosen by {healing['samples']:,} samples of {healing['part']} data, on which float has "
        f"{before:.4f}; everything else on this page is about other data. Outcome: "
        f"{healing['outcome']}."
    )
    header = ("tried, each on top of what had helped", f"{name}, int8", "change", "same answer",
              "time", "helped")  # fmt: skip
    return page.paragraph(note) + page.table(header, rows)


def _groups(comparison: Comparison) -> str:
    groups = comparison.groups
    rows = [
        (g.name, g.samples, _percent(g.before), _percent(g.after),
         f"{100 * (g.after - g.before):+.1f}", g.worse, g.better)
        for g in groups[:ROWS]
    ]  # fmt: skip
    header = ("class or person", "samples", "float", "int8", "change", "worse", "better")
    rest = len(groups) - len(rows)
    note = page.paragraph(f"{rest} more lost no more than these; {VERIFICATION} has all.")
    return page.table(header, rows) + (note if rest else "")


def _flips(comparison: Comparison, heading: str, rows: npt.NDArray[np.int64]) -> page.Section:
    if not len(rows):
        return page.Section(heading, page.paragraph("No answer is."))
    before, after = comparison.before, comparison.after
    cells = []
    for i in rows[:SHOWN]:
        was, now = before.draw(i), after.draw(i)
        said = [f"{a.said[i]} ({a.notes[i]})" for a in (before, after)]
        if was == now:
            cells.append((now, f"{said[0]} → {said[1]}", before.names[i]))
        else:
            cells.append((was, f"float: {said[0]}", before.names[i]))
            cells.append((now, f"int8: {said[1]}", before.names[i]))
    shown = f" ({SHOWN} of {len(rows)})" if len(rows) > SHOWN else f" ({len(rows)})"
    note = page.paragraph(
        f"What float says → what int8 says, and how sure each is. {before.legend}".strip()
    )
    return page.Section(heading + shown, note + page.gallery(cells))


def _reliability(comparison: Comparison) -> str:
    both = (("float", comparison.before), ("int8", comparison.after))
    bins = {
        name: reliability(answers.sureness, answers.hits)
        for name, answers in both
        if answers.sureness is not None and answers.hits is not None
    }
    return page.plot(
        lambda dark: plots.reliability(bins, dark=dark),
        "Share of right answers by how sure they are, for float and int8",
        "On the dashed line a network that is 80 % sure is right in 80 of 100 answers; below it, "
        "it is too sure.",
    )


def _moved(comparison: Comparison) -> str:
    vectors, cosines = comparison.before.vectors, comparison.cosines
    assert vectors is not None and cosines is not None
    worst = np.argsort(cosines, kind="stable")[:SHOWN].tolist()
    return page.gallery([(vectors.draw(i), f"{cosines[i]:.4f}", vectors.names[i]) for i in worst])


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _plain(name: str) -> str:
    return name.replace("_", " ")
