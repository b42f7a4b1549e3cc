"""A second model on the live feed, beside the one that decides: ``edgecnn camera --shadow OTHER``.

The new model sees the newest frame whenever it has time, in a process of its own
(:mod:`edgecnn.camera.shadow_child`), and is compared with what the old one said of the same frame
(:mod:`edgecnn.camera.compare`). Events, web page and video know nothing of it. It is written as a
sink, so that a thread feeds it and the loop never waits for it; of a recording it sees every frame.

It is for the loop to keep its rate. So the shadow takes a quarter of the time (:data:`SHARE`), at a
low priority, and rests while the board is warm or busy, before the governor would spare the loop.
Whatever goes wrong with it is said once, stands in the status, and costs the comparison alone.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.bundle import MANIFEST, Bundle
from edgecnn.camera.compare import KINDS, Comparison, Example, Seen, seen
from edgecnn.camera.governor import BUSY, LOADED, MARGIN_C
from edgecnn.camera.pipeline import KEPT_LATENCIES, Result, Stats
from edgecnn.camera.sinks.beside import Backlog
from edgecnn.camera.status import percentiles
from edgecnn.camera.vitals import Vitals
from edgecnn.errors import DataError, GalleryError, StorageError
from edgecnn.faces.embed import fingerprint
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.vault import Key
from edgecnn.runtime.child import environment
from edgecnn.runtime.timing import summarise
from edgecnn.storage import sha256_of

SHARE = 0.25
"""Of the time in which the shadow computes; its heat is a quarter of a model's, too."""

LOOK_EVERY_S = 0.8
"""It never rests longer than until then: a track that is not seen for a second is lost."""

GIVES_WAY = 0.75
"""Of the pressure or load from which the governor lowers the loop's rate; the shadow rests from
there."""

GIVES_WAY_C = 2.5
"""Degrees below where the governor does."""

HUNG_S = 20.0
"""Without an answer; a frame takes a board under a second, ten times that on a busy processor. Well
below what :mod:`edgecnn.camera.guard` waits for the loop, which waits for it in a recording."""

START_S = 45.0
"""To import and load; a slow card takes 15 s."""

LEAVE_S = 2.0
"""What a frame under way may hold up the end of a run by."""


@dataclass(frozen=True)
class Wanted:
    """What is to run beside, as the user names it.

    Attributes:
        bundle: the new one.
        gallery: of people enrolled with its embedder; None looks for one, see :func:`plan`.
        pictures: a folder for pictures of disagreements, None for none.
    """

    bundle: Path
    gallery: Path | None = None
    pictures: Path | None = None


@dataclass(frozen=True)
class Plan:
    """What runs beside, found to fit; see :func:`plan`.

    Attributes:
        bundle: the new one.
        gallery: of the people, None for a bundle without.
        key: of that gallery.
        pictures: a folder for pictures of disagreements, None for none.
    """

    bundle: Bundle
    gallery: Path | None
    key: Key | None
    pictures: Path | None


def plan(old: Bundle, old_gallery: Path | None, wanted: Wanted, key: Key | None = None) -> Plan:
    """Whether a bundle can run beside another, and with which people.

    One embedder shares the people: they stand in the old bundle's gallery, or will. Another one
    needs people enrolled with it: in the gallery that is named, or in its own bundle.

    Raises:
        BundleError: it is no bundle.
        DataError: it is for another task.
        GalleryError: it has another embedder, and no people that were enrolled with it.
    """
    bundle = Bundle(wanted.bundle)
    if bundle.manifest.task != old.manifest.task:
        raise DataError(
            f"expected a bundle for task {old.manifest.task} as --shadow, like {old.path}. "
            f"{bundle.path} is for {bundle.manifest.task}"
        )
    if bundle.manifest.task != "faces":
        return Plan(bundle, None, None, wanted.pictures)
    people = wanted.gallery
    if people is None and fingerprint(bundle) == fingerprint(old):
        return Plan(bundle, old_gallery or old.gallery, key, wanted.pictures)
    if people is None and bundle.gallery.exists():
        people = bundle.gallery
    if people is not None:
        Gallery(people, fingerprint(bundle), key=key).close()
        return Plan(bundle, people, key, wanted.pictures)
    raise GalleryError(
        f"expected people for {bundle.path}: its embedder is another than {old.path}'s, so that "
        f"nobody enrolled there is known to it: edgecnn enroll {bundle.path} NAME PHOTOS…, or name "
        "a gallery made with it by --shadow-gallery"
    )


def gives_way(vitals: Vitals) -> bool:
    """Whether the shadow rests: earlier than :func:`edgecnn.camera.governor.reason` slows the loop
    down."""
    degrees = vitals.temperature_c
    warm = degrees is not None and degrees >= vitals.throttle_c - MARGIN_C - GIVES_WAY_C
    busy = (vitals.pressure or 0.0) >= GIVES_WAY * BUSY
    return vitals.throttled or warm or busy or (vitals.load or 0.0) >= GIVES_WAY * LOADED


class Shadow:
    """The new model beside the loop, a sink of it.

    Args:
        plan: what runs.
        stats: of the run, for the old model's latency and how the board is.
        stop: ends the run.
        live: whether the source goes on by itself; of a recording every frame is compared.
        note: takes a line once the shadow has ended before its time.
        threads, strangers, missed: as for the old model.
        hung_s, start_s: see :data:`HUNG_S` and :data:`START_S`.

    Attributes:
        comparison: the counts so far.
        fault: why it ended, None while it runs.
        rested: frames passed over to spare the board.
    """

    backlog = Backlog(room=1, drops=True)

    def __init__(
        self,
        plan: Plan,
        stats: Stats,
        stop: threading.Event,
        live: bool,
        note: Callable[[str], object] = lambda line: None,
        *,
        threads: int | None = None,
        strangers: float | None = None,
        missed: float | None = None,
        hung_s: float | None = None,
        start_s: float | None = None,
    ):
        self.comparison = Comparison()
        self.fault: str | None = None
        self.rested = 0
        self._plan, self._stats, self._stop, self._live, self._note = plan, stats, stop, live, note
        self._pictures = plan.pictures
        self._hung_s = HUNG_S if hung_s is None else hung_s
        self._start_s = START_S if start_s is None else start_s
        self._sha256 = sha256_of(plan.bundle.path / MANIFEST)
        self._lock = threading.Lock()
        self._latencies_ms: deque[float] = deque(maxlen=KEPT_LATENCIES)
        self._examples: list[dict[str, Any]] = []
        self._ready, self._began_s = False, time.monotonic()
        self._unread = b""
        self._child = subprocess.Popen(
            [sys.executable, "-m", "edgecnn.camera.shadow_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # where the run times log
            bufsize=0,
            env=environment(),
        )
        assert self._child.stdin is not None
        os.set_blocking(self._child.stdin.fileno(), False)
        key = plan.key
        orders = {
            "bundle": str(plan.bundle.path),
            "gallery": str(plan.gallery) if plan.gallery else None,
            "key": [key.kind, key.secret.hex()] if key else None,
            "threads": threads,
            "strangers": strangers,
            "missed": missed,
        }
        self._send(json.dumps(orders).encode() + b"\n")

    def write(self, result: Result) -> None:
        """Let the new model see a frame, and compare. Raises nothing: the loop must go on."""
        if self.fault is not None or self._stop.is_set():
            return
        try:
            self._compare(result)
        except Exception as e:  # whatever it is, it is the new model's affair, not the camera's
            self._end(f"{type(e).__name__}: {e}")

    def close(self) -> None:
        """End the process."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe:
                pipe.close()

    def report(self) -> dict[str, Any]:
        """What it came to so far; ``docs/formats.md`` explains the keys."""
        with self._lock:
            new, counts = summarise(list(self._latencies_ms)), self.comparison.counts
            old = self._stats.stages.taken.get("recognise")
            before = old.summary if old else summarise([])
            return {
                "bundle": self._sha256,
                "frames": self.comparison.frames,
                "agree": self.comparison.agree,
                "disagree": self.comparison.disagree,
                "kinds": {kind: counts[kind] for kind in KINDS},
                "undecided": counts["undecided"],
                "rested": self.rested,
                "latency_ms": percentiles(new["p50_ms"], new["p95_ms"], new["runs"]),
                "old_latency_ms": percentiles(before["p50_ms"], before["p95_ms"], before["runs"]),
                "examples": list(self._examples),
                "fault": self.fault,
            }

    def _compare(self, result: Result) -> None:
        governor = self._stats.pace.governor
        if self._live and governor is not None and gives_way(governor.vitals):
            self.rested += 1
            return
        if not self._is_ready():
            return
        begun_s = time.monotonic()
        image = result.sharp_bgr
        facts = {"height": image.shape[0], "width": image.shape[1], "time_s": result.frame.time_s}
        self._send(json.dumps(facts).encode() + b"\n" + image.tobytes())
        answer = self._receive(self._hung_s) if self.fault is None else None
        if answer is None:
            return
        found = [Seen(tuple(box), *others) for box, *others in answer["seen"]]
        with self._lock:
            self._latencies_ms.append(answer["ms"])
            new = self.comparison.add(seen(result.outcome), found, result.frame.time_s)
        for example in new:
            self._keep(example, result, found)
        if self._live:
            self._rest(time.monotonic() - begun_s)

    def _is_ready(self) -> bool:
        """Whether the models are loaded. A live source is not made to wait for it."""
        if not self._ready:
            wait_s = 0.0 if self._live else self._start_s
            late = time.monotonic() - self._began_s > self._start_s
            answer = self._receive(wait_s, patient=self._live and not late, says_s=self._start_s)
            self._ready = answer is not None
        return self._ready

    def _rest(self, took_s: float) -> None:
        rest_s = min(took_s * (1 / SHARE - 1), max(0.0, LOOK_EVERY_S - took_s))
        self._stop.wait(rest_s)

    def _keep(self, example: Example, result: Result, found: list[Seen]) -> None:
        facts = {
            "time": result.taken_at.isoformat(timespec="milliseconds"),
            "frame": result.frame.index,
            **example.facts(self._plan.bundle.manifest.task),
        }
        with self._lock:
            self._examples.append(facts)
            number = len(self._examples)
        if self._pictures is None:
            return
        from edgecnn.camera.shadow_pictures import save

        try:
            save(self._pictures / f"{number:02d}-{example.kind}.png", result, found)
        except StorageError as e:
            self._pictures = None
            self._note(f"{e}. No more pictures of what the shadow sees otherwise")

    def _send(self, message: bytes) -> None:
        """Write to the child, which may have stopped to read."""
        assert self._child.stdin is not None
        pipe, rest = self._child.stdin.fileno(), memoryview(message)
        until_s = time.monotonic() + self._hung_s
        try:
            while rest:
                if select.select([], [pipe], [], 0.2)[1]:
                    rest = rest[os.write(pipe, rest) :]
                elif time.monotonic() > until_s or self._stop.is_set():
                    self._end(f"it has taken no frame for {self._hung_s:g} s")
                    return
        except BrokenPipeError:
            self._end(self._how_it_ended())

    def _receive(
        self, wait_s: float, patient: bool = False, says_s: float | None = None
    ) -> dict[str, Any] | None:
        """The next answer; None where there is none.

        Args:
            patient: no answer yet is no fault.
            says_s: how long it was waited for in all.
        """
        assert self._child.stdout is not None
        out, until_s = self._child.stdout.fileno(), time.monotonic() + wait_s
        while b"\n" not in self._unread:
            left_s = until_s - time.monotonic()
            there, _, _ = select.select([out], [], [], min(max(left_s, 0.0), 0.2))
            if there:
                piece = os.read(out, 1 << 16)
                if not piece:
                    self._end(self._how_it_ended())
                    return None
                self._unread += piece
            elif self._stop.is_set() and time.monotonic() > until_s - wait_s + LEAVE_S:
                return None
            elif left_s <= 0:
                if not patient:
                    self._end(
                        f"it did not answer within {wait_s if says_s is None else says_s:g} s"
                    )
                return None
        line, _, self._unread = self._unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "fault" in answer:
            self._end(answer["fault"])
            return None
        return answer

    def _how_it_ended(self) -> str:
        code = self._child.wait(LEAVE_S)
        return f"it crashed ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"

    def _end(self, why: str) -> None:
        self._child.kill()
        if self.fault is None and not self._stop.is_set():  # at the end, all processes may be ended
            self.fault = why
            self._note(
                f"the shadow {self._plan.bundle.path} has ended: {why}. Recognition goes on with "
                "the old model"
            )


def words(report: dict[str, Any], name: str) -> list[str]:
    """A report as lines to print.

    Args:
        report: of :meth:`Shadow.report`.
        name: of the new bundle.
    """
    both = report["agree"] + report["disagree"]
    if not report["frames"]:
        lines = [f"shadow {name}: no frame was compared"]
    else:
        share = f"{report['agree'] / both:.1%} alike" if both else "none that both have decided on"
        lines = [f"shadow {name}: {both} judgements in {report['frames']} frames, {share}"]
    lines += [f"  {says}: {n}" for kind, says in KINDS.items() if (n := report["kinds"][kind])]
    if report["undecided"]:
        lines.append(f"  not decided yet by one of them: {report['undecided']}")
    if report["rested"]:
        lines.append(f"  it rested for {report['rested']} frames, to spare the board")
    new, old = report["latency_ms"], report["old_latency_ms"]
    if new["p50"] is not None and old["p50"] is not None:
        lines.append(
            f"  recognising took it {new['p50']:.1f} ms (p95 {new['p95']:.1f}) at a low priority, "
            f"the old model {old['p50']:.1f} ms (p95 {old['p95']:.1f})"
        )
    if report["fault"]:
        lines.append(f"  it ended before its time: {report['fault']}")
    return lines
