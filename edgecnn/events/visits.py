"""What is news in a camera's events: who has come, and who has gone. No clock, no I/O.

A face has an event in every frame. Over a network these kinds are enough:

===========  ====================================================================================
``started``  the camera's first frame. Nobody is there yet, whatever was said before: a run that
             was killed, or had no power any more, told of no departure
``arrived``  somebody is there who was not
``left``     somebody was not seen for 10 s, or the camera ends
===========  ====================================================================================

They have the keys that every event has (:mod:`edgecnn.events.schema`), and

===========  ====================================================================================
``name``     ``arrived`` and ``left``: the person or the class; null for somebody unknown, be it
             one or several
``since``    ``left`` only: the ``time`` of the arrival; ``time`` itself is that of the last look
``stay_s``   ``left`` only: seconds from the arrival to the last look
===========  ====================================================================================

>>> {"schema": 1, "event": "left", "time": "2026-05-04T09:31:12.040+00:00", "source": "/dev/video0",
...  "frame": 1801, "at_s": 73.3, "latency_ms": 38.2, "name": "Ann",
...  "since": "2026-05-04T09:30:00.125+00:00", "stay_s": 71.9}  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable

from edgecnn.events.schema import Event, event

GONE_AFTER_S = 10.0
"""A face that turns away, or is passed by, comes back sooner as a rule."""


class Visits:
    """Remembers who is there.

    Args:
        gone_after_s: seconds without a look after which somebody has left.

    Attributes:
        present: name, None for unknown, to the moments of the arrival and of the last look.
        last: ``name`` and ``time`` of who came or left last; None before the first.
    """

    def __init__(self, gone_after_s: float = GONE_AFTER_S):
        self._gone_after_s, self._started = gone_after_s, False
        self.present: dict[str | None, tuple[Event, Event]] = {}
        self.last: Event | None = None

    def see(self, moment: Event, events: Iterable[Event]) -> list[Event]:
        """The news of a frame, departures first.

        Args:
            moment: of the frame, its ``at_s`` never less than before.
            events: of the frame; a frame without any has news too.
        """
        news = [] if self._started else [event("started", moment)]
        self._started = True
        gone_s = moment["at_s"] - self._gone_after_s
        gone = [name for name, (_, last) in self.present.items() if last["at_s"] < gone_s]
        visits = [self._leave(name) for name in gone]
        for one in events:
            name = one.get("name", one.get("label"))
            if name is None and not one.get("decided"):
                continue  # too early to say; or no class, which is what most pictures show
            if name not in self.present:
                visits.append(event("arrived", moment, name=name))
            came, _ = self.present.get(name, (moment, moment))
            self.present[name] = came, moment
        self._remember(visits)
        return news + visits

    def end(self) -> list[Event]:
        """The run ends: whoever is there has left."""
        visits = [self._leave(name) for name in list(self.present)]
        self._remember(visits)
        return visits

    def _remember(self, visits: list[Event]) -> None:
        if visits:
            self.last = {key: visits[-1][key] for key in ("name", "time")}

    def _leave(self, name: str | None) -> Event:
        came, last = self.present.pop(name)
        stay_s = round(last["at_s"] - came["at_s"], 1)
        return event("left", last, name=name, since=came["time"], stay_s=stay_s)
