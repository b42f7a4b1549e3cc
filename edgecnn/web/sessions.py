"""Who is logged in: random numbers in memory, gone when the program ends."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

IDLE_S = 12 * 3600.0
"""After so long without a request a session ends. A page that is open asks every second."""

LONGEST_S = 7 * 86400.0
MOST = 64
"""Sessions at once; the one used longest ago gives way."""


@dataclass
class Session:
    """One browser that knows the password.

    Attributes:
        token: what each form must bring along (CSRF).
        began_s, used_s: by the clock of :class:`Sessions`.
    """

    token: str
    began_s: float
    used_s: float


class Sessions:
    """All sessions.

    Args:
        clock: seconds that do not go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self) -> str:
        """A new session's number: never one that the browser brought along."""
        now, number = self._clock(), secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[number] = Session(secrets.token_urlsafe(32), now, now)
            while len(self._sessions) > MOST:
                self._sessions.popitem(last=False)
        return number

    def get(self, number: str) -> Session | None:
        """The session of that number, used now; None where there is none or its time is over."""
        now = self._clock()
        with self._lock:
            session = self._sessions.get(number)
            if session is None:
                return None
            if now - session.used_s > IDLE_S or now - session.began_s > LONGEST_S:
                del self._sessions[number]
                return None
            session.used_s = now
            self._sessions.move_to_end(number)
            return session

    def end(self, number: str) -> None:
        """Log out."""
        with self._lock:
            self._sessions.pop(number, None)

    def end_all(self) -> None:
        """Log everybody out."""
        with self._lock:
            self._sessions.clear()
