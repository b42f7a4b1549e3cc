"""From a bundle on the workstation to a camera that runs on boards.

A board is greeted, gets the files that it lacks into its store, stages the release beside the one
that runs, and switches to it; it goes back by itself where the new one does not become healthy.
Whatever is cut off on the way, the board runs what it ran, and the next deploy goes on.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from devices import fleet
from devices.fleet import HALF, Board, Outcome
from devices.hosts import Host
from devices.meet import examine, half, install, meet, own
from devices.release import Release, bundle_files, extras_for, make
from devices.send import check_space, fits, send, send_people, size_of
from devices.target import Target
from devices.wheelhouse import gather
from edgecnn.errors import DeployError, EdgeCNNError

STAGE_S = 1800
"""An environment of about 200 MB on the card of the slowest board, and its self-test."""

SLACK_S = 120
"""Beyond the time that a camera has to become healthy: stopping the old one, going back."""


@dataclass(frozen=True)
class Plan:
    """What a deploy is to do.

    Attributes:
        bundle: the folder.
        camera: arguments of ``edgecnn camera`` after the bundle.
        owner: the line of ``allowed_signers`` for boards that have no owner yet, '' for none.
        shadow: run it beside what runs, instead of in its place.
        canary: how many boards go first; 0: all at once.
        watch_s: how long these have to stay healthy.
        health_s: how long a camera may take to become healthy.
        keep: how many releases stay on a board.
        fresh: look for newer wheels.
        dry_run: change nothing.
        cache: of wheels; the usual one where None.
    """

    bundle: Path
    camera: Sequence[str] = ()
    owner: str = ""
    shadow: bool = False
    canary: int = 0
    watch_s: float = 60
    health_s: float = 60
    keep: int = 3
    fresh: bool = False
    dry_run: bool = False
    cache: Path | None = None


@dataclass
class Deploy:
    """One deploy to any number of boards; what boards have in common is made once.

    Raises:
        BundleError: the bundle is not whole.
    """

    plan: Plan
    tell: Callable[[str, str], object] = lambda name, text: None
    _files: Mapping[str, Path] = field(init=False)
    _wheels: dict[Target, Mapping[str, Path] | EdgeCNNError] = field(default_factory=dict)
    _lock: threading.Lock | None = None
    _healthy: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._files = bundle_files(self.plan.bundle)

    def steps(self, hosts: Sequence[Host]) -> list[fleet.Step]:
        """What :func:`devices.fleet.run` is to do."""
        names = [host.name for host in hosts]
        first = names[: self.plan.canary] if not self.plan.dry_run else []
        rest = names[len(first) :]
        if not first:
            return [("deploy", rest, self.board)]
        return [
            ("deploy to the first boards", first, self.board),
            ("watch them", first, self._watch),
            ("deploy to the others", rest, partial(self._others, first)),
        ]

    def _watch(self, board: Board) -> None:
        watch(board, self.plan.watch_s)
        self._healthy.add(board.host.name)

    def _others(self, first: Sequence[str], board: Board) -> Outcome:
        # Whatever a first board fell by, if only by not being reached.
        if sick := sorted({*first} - self._healthy):
            raise DeployError(
                f"not begun, since {', '.join(sick)} did not become and stay healthy: see what "
                "edgecnn status says of it"
            )
        return self.board(board)

    def board(self, board: Board) -> Outcome:
        """Deploy to one board.

        Raises:
            EdgeCNNError: it does not take it, or went back; it runs what it ran before.
        """
        begun = time.monotonic()
        release = self.release(board)
        if self.plan.dry_run:
            return preview(board, release)
        untouched = board.greeting["half"] is None
        if untouched:
            examine(board)
        install(board)
        if self.plan.owner:
            own(board, self.plan.owner)
        known = board.ask("missing", stdin=release.text)
        if known["id"] != release.id:
            raise DeployError(
                f"the board calls {known['id']} what is {release.id} here: its board.py is of "
                "another version: deploy with the newer edgecnn"
            )
        if known["beside" if self.plan.shadow else "runs"]:
            return Outcome("unchanged", f"release {release.id}", {"release": release.id})
        if known["current"] is None and not untouched:
            examine(board)
        if known["missing"] and not fits(size_of(release, known["missing"]), known["free_mb"]):
            board.ask("prune", *self._keep, stdin=release.text)
            known = board.ask("missing", stdin=release.text)
        sent = send(board, release, known["missing"], known["free_mb"])
        if not known["staged"]:
            self.tell(board.host.name, f"{sent / 1e6:.1f} MB sent, staging")
            board.ask("stage", *self._keep, stdin=release.text, timeout_s=STAGE_S)
        self.tell(board.host.name, "staged, starting")
        self._start(board, release)
        took = time.monotonic() - begun
        how = "runs beside the current one" if self.plan.shadow else "runs, healthy"
        told = f"release {release.id} {how}; {sent / 1e6:.1f} MB sent, {took:.0f} s"
        facts = {"release": release.id, "sent_bytes": sent, "seconds": round(took, 1)}
        return Outcome("done", told, facts)

    @property
    def _keep(self) -> tuple[str, str]:
        return "--keep", str(self.plan.keep)

    def _start(self, board: Board, release: Release) -> None:
        if self.plan.shadow:
            board.ask("shadow", release.id, *self._keep, timeout_s=SLACK_S)
            return
        if send_people(board, self.plan.bundle):
            self.tell(board.host.name, "the people enrolled in the bundle are there now")
        options = ("--health-s", f"{self.plan.health_s:g}", *self._keep)
        board.ask("activate", release.id, *options, timeout_s=2 * self.plan.health_s + SLACK_S)

    def release(self, board: Board) -> Release:
        """Greet a board, and make the release for it.

        Raises:
            DeployError: there can be none; nothing was changed.
        """
        target = meet(board)
        wheels = self._gathered(target)
        memory_mb = int(board.greeting["memory_mb"])
        return make(target, wheels, self._files, self.plan.camera, memory_mb)

    def _gathered(self, target: Target) -> Mapping[str, Path]:
        """The wheels for a kind of board; the first of them fetches, the others wait for it."""
        self._lock = self._lock or threading.Lock()
        with self._lock:
            if target not in self._wheels:
                try:
                    extras = extras_for(self.plan.camera)
                    self._wheels[target] = gather(target, extras, self.plan.cache, self.plan.fresh)
                except EdgeCNNError as e:
                    self._wheels[target] = e
        found = self._wheels[target]
        if isinstance(found, EdgeCNNError):
            raise found
        return found


def preview(board: Board, release: Release) -> Outcome:
    """What a deploy would send and do; nothing is changed.

    The board's half runs from standard input where it is not installed, or is another version.
    """
    ours = hashlib.sha256(half()).hexdigest()
    script = [HALF] if board.greeting["half"] == ours else ["-c", half().decode()]
    known = board.answer([board.host.python, *script, "missing"], release.text)
    if known["current"] is None:
        examine(board)
    missing = [release.files[digest] for digest in known["missing"]]
    size = size_of(release, known["missing"])
    facts = {"release": release.id, "sent_bytes": size, "files": sorted(p.name for p in missing)}
    if known["current"] == release.id:
        return Outcome("plan", f"release {release.id} is there already: nothing to do", facts)
    if known["current"] is None:  # else older releases may make room
        check_space(size, known["free_mb"])
    told = (
        f"would send {len(missing)} files, {size / 1e6:.1f} MB, then stage release {release.id} "
        f"and switch to it from {known['current'] or 'none'}"
    )
    if not fits(size, known["free_mb"]):
        told += f"; {known['free_mb']} MB are free, so older releases would go first"
    return Outcome("plan", told, facts)


def watch(board: Board, seconds: float, every_s: float = 5) -> None:
    """See a board stay healthy for a while.

    Raises:
        DeployError: it did not.
    """
    end = time.monotonic() + seconds
    frames = -1
    while True:
        status = board.ask("status")
        camera = status["status"] or {}
        if status["service"] != "active" or status["current"] != status["good"]:
            raise DeployError(f"it did not stay healthy: the camera is {status['service']}")
        grown = camera.get("frames", 0)
        if grown <= frames:
            raise DeployError("it did not stay healthy: no new frames: is its camera there?")
        frames = grown
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(every_s, max(left, 2.5)))
