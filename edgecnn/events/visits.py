"""What is news in a camera's events: who has come, and who has gone. No clock, no I/O.

A face has an event in every frame. Over a network two are enough, of kind ``arrived`` and ``left``;
both have the keys that every event has (:mod:`edgecnn.events.schema`), and

===========  ====================================================================================
``name``     the person or the class; null for somebody unknown
``since``    ``left`` only: the ``time`` of the arrival; ``time`` itself is that of the last look
``stay_s``   ``left`` only: seconds from the arrival to the last look
===========  ====================================================================================

>>> {"schema": 1, "event": "left", "time": "2026-05-04T09:31:12.040+00:00", "source": "/dev/video0",
...  "frame": 1801, "at_s": 73.3, "latency_ms": 38.2, "name": "Ann",
...  "since": "2026-05-04T09:30:00.125+00:00", "stay_s": 71.9}  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable

from edgecnn.events.schema import Event

GONE_AFTER_S = 10.0
"""A face that turns away, or is passed by, comes back sooner as a rule."""

SHARED = ("schema", "time", "source", "frame", "at_s", "latency_ms")


class Visits:
    """Remembers who is there.

    Args:
        gone_after_s: seconds without a look after which somebody has left.

    Attributes:
        present: name, None for unknown, to the event of the arrival and that of the last look.
        last: ``name`` and ``time`` of who came or left last; None before the first.
    """

    def __init__(self, gone_after_s: float = GONE_AFTER_S):
        self._gone_after_s = gone_after_s
        self.present: dict[str | None, tuple[Event, Event]] = {}
        self.last: Event | None = None

    def see(self, events: Iterable[Event], at_s: float) -> list[Event]:
        """The news of a frame, departures first.

        Args:
            events: of the frame; a frame without any has news too.
            at_s: of the frame, in seconds since the source began; never less than before.
        """
        news = [self._leave(n) for n in list(self.present) if self._gone(n, at_s)]
        for event in events:
            name = event.get("name", event.get("label"))
            if name is None and not event.get("decided"):
                continue  # too early to say; or no class, which is what most pictures show
            if name not in self.present:
                self.present[name] = event, event
                news.append({**_shared(event), "event": "arrived", "name": name})
            self.present[name] = self.present[name][0], event
        if news:
            self.last = {key: news[-1][key] for key in ("name", "time")}
        return news

    def end(self) -> list[Event]:
        """The run ends: whoever is there has left."""
        return [self._leave(name) for name in list(self.present)]

    def _gone(self, name: str | None, at_s: float) -> bool:
        return at_s - float(self.present[name][1]["at_s"]) > self._gone_after_s

    def _leave(self, name: str | None) -> Event:
        came, last = self.present.pop(name)
        stay_s = round(last["at_s"] - came["at_s"], 1)
        told = {"name": name, "since": came["time"], "stay_s": stay_s}
        return {**_shared(last), "event": "left", **told}


def _shared(event: Event) -> Event:
    return {key: event[key] for key in SHARED}
