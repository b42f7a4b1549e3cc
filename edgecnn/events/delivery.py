"""From the live loop to a receiver that may be slow or away: two threads and a queue on disk.

::

    live loop ─ offer ─► memory ─ store thread ─► DiskQueue ─ deliver thread ─► send

``offer`` does nothing that could wait. A receiver that is away keeps its events; one that refuses
an event for good loses that one, and the user is told.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from edgecnn.errors import StorageError
from edgecnn.events.queue import DiskQueue, Waiting

if TYPE_CHECKING:
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
    """

    def __init__(self, reason: str, wait_s: float | None = None):
        super().__init__(reason)
        self.wait_s = wait_s


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
        delivered, refused, failures: events delivered and dropped, and attempts that failed.
    """

    def __init__(
        self,
        name: str,
        queue: DiskQueue,
        send: Callable[[Waiting], None],
        note: Callable[[str], object],
        *,
        first_wait_s: float = FIRST_WAIT_S,
        in_memory: int = IN_MEMORY,
    ):
        self.name, self._queue, self._send, self._note = name, queue, send, note
        self.delivered = self.refused = self.failures = 0
        self._first_wait_s, self._in_memory = first_wait_s, in_memory
        self._inbox: deque[Event] = deque()
        self._overflow = 0
        self._changed = threading.Condition()
        self._ending = self._stop = self._news = False
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
            while len(self._inbox) > self._in_memory:
                self._inbox.popleft()
                self._overflow += 1
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """Events not delivered yet."""
        return len(self._inbox) + len(self._queue)

    @property
    def lost(self) -> int:
        """Events that gave way because memory or the queue was full, since the queue was made."""
        return self._overflow + self._queue.lost

    def close(self) -> None:
        """Store what is in memory, wait :data:`DRAIN_S` for the receiver, and leave the rest."""
        end_s = time.monotonic() + DRAIN_S
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._threads[0].join(DRAIN_S)
        self._threads[1].join(max(0.1, end_s - time.monotonic()))
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        self._threads[1].join(0.5)
        if left := self.waiting:
            self._note(f"{self.name}: {left} events wait in {self._queue.path} for the next run")
        if self.refused:
            self._note(f"{self.name}: refused {self.refused} events in all")
        self._queue.close()

    def _store(self) -> None:
        said = False
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._inbox or self._ending)
                batch = list(self._inbox)
                if not batch:
                    return
            try:
                self._queue.append(batch)
            except StorageError as e:
                if not said:
                    self._note(f"{self.name}: {e}")
                said = True
                if self._pause(1.0):
                    return
                continue
            said = False
            with self._changed:
                # The oldest may have given way meanwhile: only what was stored is taken out.
                stored = {id(event) for event in batch}
                while self._inbox and id(self._inbox[0]) in stored:
                    self._inbox.popleft()
                self._news = True
                self._changed.notify_all()

    def _deliver(self) -> None:
        wait_s, away_since_s, refusing = self._first_wait_s, 0.0, False
        while not self._stop:
            try:
                event = self._queue.first()
                if event is None:
                    if self._nothing_more():
                        return
                    continue
                try:
                    self._send(event)
                    self.delivered += 1
                    refusing = False
                except Refused as e:
                    self.refused += 1
                    if not refusing:
                        self._note(f"{self.name}: refused an event, which is dropped ({e})")
                    refusing = True
                self._queue.done(event.number)
                if away_since_s:
                    away_s = time.monotonic() - away_since_s
                    self._note(f"{self.name}: back after {away_s:.0f} s")
                wait_s, away_since_s = self._first_wait_s, 0.0
            except (Unreachable, StorageError) as e:
                if self._stop:
                    return
                self.failures += 1
                if not away_since_s:
                    away_since_s = time.monotonic()
                    self._note(f"{self.name}: {e}; events are kept in {self._queue.path}")
                asked_s = getattr(e, "wait_s", None) or 0.0
                if self._ending or self._pause(max(asked_s, wait_s * random.uniform(0.5, 1.0))):
                    return
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _nothing_more(self) -> bool:
        """Wait for events; true where the run ends and everything is stored and delivered."""
        with self._changed:
            if self._ending and not self._threads[0].is_alive():
                return True
            # Short at the end only, because a thread that ends wakes nobody.
            self._changed.wait_for(lambda: self._news, 0.05 if self._ending else 1.0)
            self._news = False
        return False

    def _pause(self, seconds: float) -> bool:
        """Wait; true, and at once, where the run ends."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ending, seconds)
