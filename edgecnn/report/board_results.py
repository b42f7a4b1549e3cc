"""Results of ``edgecnn bench`` from many machines: a folder of JSON files, for all to add to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecnn.errors import DataError

SCHEMA = 1

NUMBER = (int, float)
MACHINE: dict[str, tuple[type, ...]] = {
    "model": (str, type(None)),
    "architecture": (str,),
    "processor": (str, type(None)),
    "processors": (int, type(None)),
    "memory_mb": (int, type(None)),
    "virtual": (str,),
    "emulated": (bool,),
    "system": (str, type(None)),
    "kernel": (str,),
    "python": (str,),
    "runtime": (str,),
}
RESULT: dict[str, tuple[type, ...]] = {
    "schema": (int,),
    "edgecnn": (str,),
    "measured": (str,),
    "machine": (dict,),
    "load_before": NUMBER,
    "bundle": (dict,),
    "frame": (dict,),
    "people": (int,),
    "threads": (dict,),
    "edgetpu": (dict,),
    "soak": (dict, type(None)),
    "use": (dict,),
    "says": (list,),
}
"""Every key, and what it may hold; no others."""

THREADS: dict[str, tuple[type, ...]] = {
    "cold": (dict,),
    "stages": (dict,),
    "invokes": (dict,),
    "peak_mb": (*NUMBER, type(None)),
}
SOAK: dict[str, tuple[type, ...]] = {
    "threads": (int,),
    "seconds": NUMBER,
    "frames": (int,),
    "samples": (list,),
}
COLD: dict[str, tuple[type, ...]] = {
    "load_ms": NUMBER,
    "stages_ms": (dict,),
    "first_frame_ms": NUMBER,
}
PERCENTILES = ("p50_ms", "p95_ms", "p99_ms")
SAMPLE: dict[str, tuple[type, ...]] = {
    "at_s": NUMBER,
    "fps": NUMBER,
    "temperature_c": (*NUMBER, type(None)),
    "throttled": (bool,),
}


def read(path: Path) -> dict[str, Any]:
    """A result, found to be one.

    Raises:
        DataError: it cannot be read, or is not of the form that ``docs/formats.md`` describes.
    """
    try:
        result = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as e:
        raise DataError(f"expected a result of edgecnn bench. {path} cannot be read ({e})") from e
    check(result, path.name)
    found: dict[str, Any] = result
    return found


def read_all(folder: Path) -> dict[str, dict[str, Any]]:
    """Every result of a folder by its name, without ``.json``.

    Raises:
        DataError: one is none, or there is none.
    """
    found = {path.stem: read(path) for path in sorted(folder.glob("*.json"))}
    if not found:
        raise DataError(
            f"expected results (*.json) in {folder}. There are none: edgecnn bench BUNDLE "
            f"--threads-each --out {folder}/NAME.json"
        )
    return found


def check(result: Any, name: str) -> None:
    """Hold a result against the form.

    Raises:
        DataError: a key is missing, foreign or holds something else, or figures contradict one
            another.
    """
    _keys(result, RESULT, name)
    if result["schema"] != SCHEMA:
        raise DataError(f"expected schema {SCHEMA} in {name}. Received: {result['schema']}")
    _keys(result["machine"], MACHINE, f"machine of {name}")
    if not result["threads"]:
        raise DataError(f"expected at least one number of threads in {name}")
    for count, found in result["threads"].items():
        where = f"threads {count} of {name}"
        _keys(found, THREADS, where)
        if "total" not in found["stages"]:
            raise DataError(f"expected the stage total in {where}")
        _keys(found["cold"], COLD, f"cold of {where}")
        warm = {stage: NUMBER for stage in found["stages"] if stage != "total"}
        _keys(found["cold"]["stages_ms"], warm, f"cold of {where}")
        for took in (*found["stages"].values(), *found["invokes"].values()):
            _percentiles(took, where)
    _keys(result["edgetpu"], {"invokes": (dict,), "why": (str,)}, f"edgetpu of {name}")
    for took in result["edgetpu"]["invokes"].values():
        _percentiles(took, f"edgetpu of {name}")
    if result["soak"] is not None:
        _keys(result["soak"], SOAK, f"soak of {name}")
        for sample in result["soak"]["samples"]:
            _keys(sample, SAMPLE, f"soak of {name}")
    if str(result["use"].get("threads")) not in result["threads"]:
        raise DataError(f"expected use of {name} to name threads that were measured")


def _percentiles(took: Any, where: str) -> None:
    _keys(took, {**dict.fromkeys(PERCENTILES, NUMBER), "runs": NUMBER}, where)
    values = [took[p] for p in PERCENTILES]
    if not 0 < values[0] <= values[1] <= values[2]:
        raise DataError(f"expected 0 < p50 <= p95 <= p99 in {where}. Received: {values}")


def _keys(found: Any, form: Mapping[str, tuple[type, ...]], where: str) -> None:
    if not isinstance(found, dict) or set(found) != set(form):
        given = sorted(found) if isinstance(found, dict) else type(found).__name__
        raise DataError(f"expected the keys {', '.join(form)} in {where}. Received: {given}")
    for key, kinds in form.items():
        value = found[key]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise DataError(
                f"expected {' or '.join(k.__name__ for k in kinds)} for {key} in {where}. "
                f"Received: {value!r}"
            )
