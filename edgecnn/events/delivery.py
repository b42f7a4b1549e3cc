"""From the live loop to a receiver that may be slow or away: two threads and a queue on disk.

::

    live loop ─ offer ─► memory ─ store thread ─► DiskQueue ─ deliver thread ─► send

``offer`` does nothing that could wait. A receiver that is away keeps its events; one that refuses
an event for good loses that one. Where events are lost, they are counted and the user is told.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from edgecnn.errors import StorageError
from edgecnn.events.queue import DiskQueue, Waiting
from edgecnn.events.schema import Event

IN_MEMORY = 10_000
"""Events on their way to a disk that is slow or full; beyond that the oldest are lost."""

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
"""Seconds between attempts: doubled each time, each between half of it and all of it at random, so
that twenty boards do not come back at once."""

DRAIN_S = 3.0
"""How long the end of a run waits for a receiver. What is left waits on disk for the next run."""


class Unreachable(Exception):
    """The receiver cannot take events now; they are kept.

    Args:
        reason: for the user.
        wait_s: how long the receiver asks to be left alone, where it does.
        said: the user knows already.
    """

    def __init__(self, reason: str, wait_s: float = 0.0, said: bool = False):
        super().__init__(reason)
        self.wait_s, self.said = wait_s, said


class Refused(Exception):
    """The receiver will never take this event; it is dropped."""


class Delivery:
    """Delivers one event after the other, in their order.

    Args:
        name: of the receiver, for the user.
        queue: closed by :meth:`close`.
        send: gives the receiver one event and returns when it has it.
        note: takes a line for the user; called from other threads.

    Attributes:
        delivered, refused: events that the receiver took, and that it never will.
        lost: events that gave way because the queue, or memory before a full disk, was full.
        failures: attempts that failed and are made again.
    """

    def __init__(
        self,
        name: str,
        queue: DiskQueue,
        send: Callable[[Waiting], None],
        note: Callable[[str], object],
        *,
        first_wait_s: float = FIRST_WAIT_S,
        longest_wait_s: float = LONGEST_WAIT_S,
        in_memory: int = IN_MEMORY,
    ):
        self.name, self._queue, self._send, self._note = name, queue, send, note
        self.delivered = self.refused = self.lost = self.failures = 0
        self._waits_s = first_wait_s, longest_wait_s
        self._in_memory = in_memory
        self._inbox: deque[Event] = deque()
        self._batch: list[Event] = []
        self._full_said = False
        self._news = self._ending = self._stored = self._give_up = False
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=target, name=f"edgecnn-{part}-{name}", daemon=True)
            for part, target in (("store", self._store), ("deliver", self._deliver))
        ]
        for thread in self._threads:
            thread.start()

    def offer(self, events: Iterable[Event]) -> None:
        """Take events over; returns at once."""
        with self._changed:
            self._inbox.extend(events)
            self._bound()
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """Events not delivered yet.

        Raises:
            StorageError: the queue cannot be read.
        """
        return len(self._inbox) + len(self._batch) + len(self._queue)

    def close(self) -> None:
        """Store what is in memory, wait :data:`DRAIN_S` for the receiver, and leave the rest."""
        end_s = time.monotonic() + DRAIN_S
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(max(0.1, end_s - time.monotonic()))
        with self._changed:
            self._give_up = True
            self._changed.notify_all()
        self._threads[1].join(0.5)
        self._sum_up()
        self._queue.close()

    def _sum_up(self) -> None:
        unstored = len(self._inbox) + len(self._batch)
        self.lost += unstored
        try:
            if kept := len(self._queue):
                where = self._queue.path
                self._note(f"{self.name}: {kept} events wait in {where} for the next run")
        except StorageError as e:
            self._note(f"{self.name}: {e}")
        if self.refused or self.lost:
            self._note(f"{self.name}: refused {self.refused} events in all, lost {self.lost}")

    def _bound(self) -> None:
        while len(self._inbox) > self._in_memory:
            self._inbox.popleft()
            self.lost += 1

    def _store(self) -> None:
        failing = False
        while self._take():
            try:
                dropped = self._queue.append(self._batch)
            except StorageError as e:
                with self._changed:
                    self._inbox.extendleft(reversed(self._batch))
                    self._batch = []
                    self._bound()
                if not failing:
                    self._note(f"{self.name}: {e}; until then events are kept in memory")
                failing = True
                if self._pause(self._waits_s[0]):
                    break
                continue
            failing = False
            with self._changed:
                self._batch = []
                self.lost += dropped
                self._news = True
                self._changed.notify_all()
            if dropped and not self._full_said:
                self._full_said = True
                self._note(f"{self.name}: {self._queue.limit} events wait: the oldest are lost")
        with self._changed:
            self._stored = True
            self._changed.notify_all()

    def _take(self) -> bool:
        """Wait for events and move them into the batch; false where the run ends without any."""
        with self._changed:
            self._changed.wait_for(lambda: self._inbox or self._ending)
            self._batch = list(self._inbox)
            self._inbox.clear()
            return bool(self._batch)

    def _deliver(self) -> None:
        wait_s, taken = self._waits_s[0], 0
        away_since_s: float | None = None
        while not self._give_up:
            try:
                event = self._queue.first()
                if event is None:
                    if self._nothing_more():
                        return
                    continue
                if event.number != taken:  # else only taking it out of the queue had failed
                    self._hand_over(event)
                    taken = event.number
                self._queue.done(event.number)
            except (Unreachable, StorageError) as e:
                if self._give_up:
                    return
                self.failures += 1
                if away_since_s is None and not getattr(e, "said", False):
                    away_since_s = time.monotonic()
                    self._note(f"{self.name}: {e}; events wait in {self._queue.path}")
                asked_s = getattr(e, "wait_s", 0.0)
                if self._pause(max(asked_s, wait_s * random.uniform(0.5, 1.0))):
                    return
                wait_s = min(2 * wait_s, self._waits_s[1])
                continue
            if away_since_s is not None:
                self._note(f"{self.name}: back after {time.monotonic() - away_since_s:.0f} s")
                self._full_said = False
            wait_s, away_since_s = self._waits_s[0], None

    def _hand_over(self, event: Waiting) -> None:
        try:
            self._send(event)
            self.delivered += 1
        except Refused as e:
            if not self.refused:
                self._note(f"{self.name}: refused an event, which is dropped ({e})")
            self.refused += 1

    def _nothing_more(self) -> bool:
        """Wait for events; true where the run ends and everything is stored and delivered."""
        with self._changed:
            self._changed.wait_for(lambda: self._news or self._stored or self._give_up)
            more, self._news = self._news, False
            return not more

    def _pause(self, seconds: float) -> bool:
        """Wait before the next attempt, which comes at once where the run ends meanwhile; true
        where it had ended before: that attempt was the last."""
        with self._changed:
            if not self._ending:
                self._changed.wait_for(lambda: self._ending, seconds)
                return False
            return True
