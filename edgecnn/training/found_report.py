"""What was found out about a run after its training, as parts of its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DataError
from edgecnn.images import Floats
from edgecnn.report import page, plots
from edgecnn.training import measures, robustness, robustness_report
from edgecnn.training.run import LATENCY, ROBUSTNESS, SPEED, VERIFICATION, Run

CLASSES = 10
"""Of those that int8 changed most, so many at most."""


def sections(run: Run) -> list[page.Section]:
    """A part for each file that is there, and one that says how to get the others.

    Raises:
        DataError: a file is not as its command writes it.
    """
    found, missing = [], []
    for name, (heading, draw, command) in PARTS.items():
        facts = run.found(name)
        if facts is None:
            missing.append((heading, command))
            continue
        try:
            found.append(page.Section(heading, draw(facts)))
        except (KeyError, TypeError, ValueError, IndexError) as e:
            raise DataError(
                f"{run.path / name} is not as edgecnn writes it ({e!r}): remove it and "
                "measure again"
            ) from e
    if missing:
        rows = page.table(("what", "measured by"), missing)
        found.append(page.Section("Not measured yet", rows))
    return found


def reliability(run: Run, sureness: Floats, hits: npt.NDArray[np.bool_]) -> page.Section:
    """How sure and how right, for float, and for int8 where it was verified on test data.

    Args:
        sureness, hits: ``(N,)`` of the float network on the test data.
    """
    bins = {"float": measures.reliability(sureness, hits)}
    errors = {"float": measures.calibration_error(sureness, hits)}
    proof = run.found(VERIFICATION) or {}
    if proof.get("part") == "test" and "reliability" in proof:
        bins["int8"] = np.asarray(proof["reliability"]["int8"], np.float32)
        errors["int8"] = proof["calibration_error"]["int8"]
    said = ", ".join(f"{100 * error:.2f} % in {name}" for name, error in errors.items())
    return page.Section(
        "How sure, how right",
        page.plot(
            lambda dark: plots.reliability(bins, dark=dark),
            "Share of right answers by how sure they are",
            f"Expected calibration error on {len(hits):,} test pictures: {said} "
            f"({measures.BINS} bins, Guo et al. 2017). On the dashed line, 80 % sure is right in "
            "80 of 100 answers; below it, the network is too sure. Larger dots are more answers.",
        ),
    )


def _verified(proof: Mapping[str, Any]) -> str:
    before, after = proof["float"], proof["int8"]
    rows = [(name.replace("_", " "), before[name], after[name]) for name in before]
    if errors := proof.get("calibration_error"):
        rows.append(("calibration error", errors["float"], errors["int8"]))
    html = page.table(
        ("figure", "float", "int8", "change"),
        [(name, f"{was:.4f}", f"{now:.4f}", f"{now - was:+.4f}") for name, was, now in rows],
    )
    html += page.paragraph(
        f"Of {proof['samples']:,} {proof['part']} pictures, int8 gets {proof['worse']} wrong that "
        f"float had right, and {proof['better']} the other way; {100 * proof['agreement']:.2f} % "
        "of the answers are the same. verification.html in this folder shows each that changed."
    )
    changed = [g for g in proof.get("groups", []) if g["worse"] or g["better"]][:CLASSES]
    if changed:
        html += page.table(
            ("class", "samples", "float", "int8", "worse", "better"),
            [(g["name"], g["samples"], f"{100 * g['float']:.1f} %", f"{100 * g['int8']:.1f} %",
              g["worse"], g["better"]) for g in changed],
        )  # fmt: skip
    return html


def _robustness(found: Mapping[str, Any]) -> str:
    curves = robustness.from_dict(found["curves"])
    claims = [*found["independence"], *found["verdicts"]]
    return page.plot(
        lambda dark: robustness_report.draw(curves, dark),
        "Accuracy by strength of each disturbance",
        f"{found['pictures']:,} pictures; bands are 95 % intervals.",
    ) + "".join(map(page.paragraph, claims))


def _speed(speed: Mapping[str, Any]) -> str:
    return page.figures(
        {
            "int8 file": f"{speed['int8_bytes']:,} bytes\n{speed['float_bytes']:,} in float, "
            f"{speed['float_bytes'] / speed['int8_bytes']:.1f} times as many",
            "One picture, int8": f"{speed['int8_ms']:.3g} ms\n{speed['float_ms']:.3g} ms in float; "
            f"median of the bare network, one thread, {speed['machine']}",
            "Int8 beside float": f"{speed['times']:.2f} times\nas fast "
            f"({speed['low']:.2f} to {speed['high']:.2f}), measured in turn; converted for "
            f"{speed['target']}",
        }
    )


def _latency(found: Mapping[str, Any]) -> str:
    took = {**found["stages"], **{f"invoke {k}": v for k, v in found["invokes"].items()}}
    percentiles = ("p50_ms", "p95_ms", "p99_ms")
    rows = [(name, *(f"{of[p]:.3f}" for p in percentiles)) for name, of in took.items()]
    width, height = found["frame_wh"]
    return page.table(("stage", "p50, ms", "p95, ms", "p99, ms"), rows) + page.paragraph(
        f"Of a {width}×{height} picture, {found['threads']} threads, {found['machine']}: "
        f"{found['fps']:.1f} pictures a second."
    )


PARTS: dict[str, tuple[str, Callable[[Mapping[str, Any]], str], str]] = {
    VERIFICATION: ("Float against int8", _verified, "edgecnn convert RUN --for BOARD --out BUNDLE"),
    SPEED: ("Size and speed", _speed, "edgecnn convert RUN --for BOARD --out BUNDLE"),
    LATENCY: ("Latency", _latency, "edgecnn report RUN --bundle BUNDLE"),
    ROBUSTNESS: ("Robustness", _robustness, "edgecnn robustness RUN PICTURES --out CARD"),
}
"""File in the run folder to heading, what draws it, and the command that makes it."""
