"""The one form of an event, whichever way it leaves: a line of a file, MQTT or a webhook.

An event is a flat JSON object. Every one has

=============  ==================================================================================
``schema``     1; a new number when a key changes its meaning or goes (a new key keeps it, and so
               does a new kind of event)
``event``      ``"face"``, ``"label"`` or ``"source"``; over a network also ``"started"``,
               ``"arrived"`` and ``"left"``, see :mod:`edgecnn.events.visits`
``time``       when the picture was taken, ISO 8601 in UTC with milliseconds; for a file, when it
               was read
``source``     what was watched, credentials masked
=============  ==================================================================================

A face or a label also has

=============  ==================================================================================
``frame``      number of the frame, from 0; a live source leaves out those it had no time for
``at_s``       seconds since the source began; in a file the place in the recording
``latency_ms`` from the picture's arrival to the event
=============  ==================================================================================

A face event, one a face and frame, has moreover

===========  ====================================================================================
``track``    number of the track: the same face keeps it from frame to frame
``name``     the person, or null for unknown
``decided``  whether the looks at the face suffice; while false, no name is not yet *unknown*
``score``    cosine similarity to the nearest person enrolled at the last look at the face, -1…1;
             null where nothing was compared
``box``      ``[left, top, right, bottom]`` in pixels of the frame
===========  ====================================================================================

A label event (an ``images`` bundle), one a frame, has instead

===============  ================================================================================
``label``        the class, or null where no class reached the threshold
``probability``  of the most probable class, 0…1
===============  ================================================================================

A source event, one when a live source stops and one when it is back, has ``state``, ``"lost"`` or
``"back"``, and

==========  =====================================================================================
``reason``  lost: why, in words
``away_s``  back: seconds that it was away
==========  =====================================================================================

>>> {"schema": 1, "event": "face", "time": "2026-05-04T09:30:00.125+00:00", "source": "/dev/video0",
...  "frame": 42, "at_s": 1.4, "track": 3, "name": "Ann", "decided": true,
...  "score": 0.7134, "box": [212, 90, 301, 214], "latency_ms": 38.2}  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

from edgecnn.faces.types import Recognition

SCHEMA = 1

Event = dict[str, Any]


class Label(NamedTuple):
    """What an ``images`` bundle says of a picture.

    Attributes:
        label: the class, or None for *unknown*.
        probability: of the most probable class, 0…1.
    """

    label: str | None
    probability: float


def moment_of(
    *, taken_at: datetime, source: str, frame: int, at_s: float, latency_ms: float
) -> Event:
    """The keys that all events of a frame share, ``event`` excepted.

    Args:
        taken_at: when the picture was taken, with a time zone.
    """
    return {
        "schema": SCHEMA,
        "time": _utc(taken_at),
        "source": source,
        "frame": frame,
        "at_s": round(at_s, 3),
        "latency_ms": round(latency_ms, 1),
    }


def events_of(outcome: Sequence[Recognition] | Label, moment: Event) -> list[Event]:
    """The events of one frame: one a face, or the one label. No face, no event.

    Args:
        moment: from :func:`moment_of`.
    """
    if isinstance(outcome, Label):
        said = {"label": outcome.label, "probability": round(float(outcome.probability), 4)}
        return [event("label", moment, **said)]
    return [event("face", moment, **_face(face)) for face in outcome]


def event(kind: str, moment: Event, **told: Any) -> Event:
    """One event, its kind first."""
    return {"schema": moment["schema"], "event": kind, **moment, **told}


def source_lost(source: str, reason: str, at: datetime) -> Event:
    """A live source stopped.

    Args:
        at: when that was noticed, with a time zone.
    """
    return {**_of_source(source, at), "state": "lost", "reason": reason}


def source_back(source: str, away_s: float, at: datetime) -> Event:
    """A live source gives frames again; ``at`` as above."""
    return {**_of_source(source, at), "state": "back", "away_s": round(away_s, 1)}


def _of_source(source: str, at: datetime) -> Event:
    return {"schema": SCHEMA, "event": "source", "time": _utc(at), "source": source}


def _utc(time: datetime) -> str:
    return time.astimezone(timezone.utc).isoformat(timespec="milliseconds")


def _face(face: Recognition) -> Event:
    return {
        "track": int(face.track),
        "name": face.name,
        "decided": bool(face.decided),
        "score": None if face.score is None else round(float(face.score), 4),
        "box": [round(float(edge)) for edge in face.detection.box_xyxy],
    }
