"""How the board is: heat, clock and load, from the kernel's own files.

===============================================  ==================================================
``sys/class/thermal/thermal_zone*/``             ``temp`` and ``trip_point_*_{type,temp}``, in
                                                 thousandths of a degree (Linux,
                                                 Documentation/driver-api/thermal/sysfs-api.rst)
``sys/devices/system/cpu/cpu*/cpufreq/``         ``scaling_max_freq``: the kernel lowers it to
                                                 cool (Documentation/admin-guide/pm/cpufreq.rst)
``sys/devices/platform/soc*/*firmware/``         ``get_throttled`` of a Raspberry Pi, whose
                                                 firmware slows it down behind the kernel's back
``proc/pressure/cpu``                            share of the last 10 s in which something waited
                                                 for a processor
                                                 (Documentation/accounting/psi.rst)
``proc/loadavg``                                 where there is no ``pressure``: Raspberry Pi OS
                                                 has it off unless booted with ``psi=1``
===============================================  ==================================================

A file that is missing, or does not answer, tells nothing, and nothing is concluded from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

THERMAL = Path("/sys/class/thermal")

FALLBACK_THROTTLE_C = 80.0
"""Where a Raspberry Pi's firmware begins to lower the clock (Raspberry Pi documentation, "Frequency
management and thermal control"); also taken where a board names no trip point of its own."""

BELOW_CRITICAL_C = 10.0
"""A board that names only where it switches itself off is taken to slow down this far below."""

PI_THROTTLED = 0b1110
"""Bits of ``get_throttled``: clock capped, throttled, soft temperature limit reached, at present
(Raspberry Pi documentation, ``vcgencmd get_throttled``)."""


@dataclass(frozen=True)
class Vitals:
    """One look at the board; None for what it does not tell.

    Attributes:
        temperature_c: of the zone that is nearest to its limit.
        throttle_c: where that zone begins to slow the board down.
        throttled: it is slowed down at present.
        pressure: 0…1, share of the time in which something waited for a processor.
        load: processes that run or want to, a processor; used where ``pressure`` is None.
    """

    temperature_c: float | None = None
    throttle_c: float = FALLBACK_THROTTLE_C
    throttled: bool = False
    pressure: float | None = None
    load: float | None = None


class Board:
    """Reads a board's files.

    Args:
        root: where ``/`` is; another folder for tests.
    """

    def __init__(self, root: Path = Path("/")):
        self._root = root
        self._full_hz = self._highest_hz()

    def look(self) -> Vitals:
        """How it is now."""
        zones = [(limit - degrees, degrees, limit) for degrees, limit in self._zones()]
        _, degrees, limit = min(zones, default=(0.0, None, FALLBACK_THROTTLE_C))
        pressure = self._pressure()
        load = self._load() if pressure is None else None
        return Vitals(degrees, limit, self._is_throttled(), pressure, load)

    def _zones(self) -> list[tuple[float, float]]:
        """Degrees, and where it gets slower, of each zone of the processor or the board."""
        folder = self._root / THERMAL.relative_to("/")
        return [(degrees, _throttle_c(zone)) for zone, degrees in _sensors(folder)]

    def _highest_hz(self) -> dict[str, float]:
        pattern = "sys/devices/system/cpu/cpu*/cpufreq/scaling_max_freq"
        read = {p.parts[-3]: _number(p) for p in self._root.glob(pattern)}
        return {cpu: hz for cpu, hz in read.items() if hz}

    def _is_throttled(self) -> bool:
        for cpu, hz in self._highest_hz().items():
            self._full_hz[cpu] = max(hz, self._full_hz.get(cpu, 0.0))
            if hz < self._full_hz[cpu]:
                return True
        for path in self._root.glob("sys/devices/platform/soc*/*firmware/get_throttled"):
            text = _text(path)
            if re.fullmatch(r"(0x)?[0-9a-f]+", text) and int(text, 16) & PI_THROTTLED:
                return True
        return False

    def _pressure(self) -> float | None:
        told = re.search(r"^some avg10=([\d.]+)", _text(self._root / "proc/pressure/cpu"), re.M)
        return float(told.group(1)) / 100 if told else None

    def _load(self) -> float | None:
        told = re.match(r"[\d.]+", _text(self._root / "proc/loadavg"))
        cpus = len(list(self._root.glob("sys/devices/system/cpu/cpu[0-9]*"))) or 1
        return float(told.group()) / cpus if told else None


def temperatures(folder: Path = THERMAL) -> dict[str, float]:
    """Each thermal zone (``thermal_zone0 cpu-thermal``) to its degrees Celsius; empty where none
    tells."""
    return {
        f"{zone.name} {_text(zone / 'type')}".strip(): degrees for zone, degrees in _sensors(folder)
    }


def _sensors(folder: Path) -> Iterator[tuple[Path, float]]:
    for zone in sorted(folder.glob("thermal_zone*")):
        thousandths = _number(zone / "temp")
        # A sensor that is broken, or far from all others, says 0 or absurd things.
        if thousandths is not None and 1e3 < thousandths < 150e3:
            yield zone, thousandths / 1e3


def _throttle_c(zone: Path) -> float:
    """Where a zone makes the kernel slow the board down, in degrees."""
    trips: dict[str, list[float]] = {}
    for path in zone.glob("trip_point_*_type"):
        at = _number(path.with_name(path.name.replace("_type", "_temp")))
        if at is not None and at > 0:
            trips.setdefault(_text(path), []).append(at / 1e3)
    if "passive" in trips:
        return min(trips["passive"])
    highest = min(trips.get("critical", []) + trips.get("hot", []), default=float("inf"))
    return min(FALLBACK_THROTTLE_C, highest - BELOW_CRITICAL_C)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:  # missing, or a sensor that is switched off
        return ""


def _number(path: Path) -> float | None:
    text = _text(path)
    return float(text) if re.fullmatch(r"-?\d+", text) else None
