"""The one form of an event, whichever way it leaves: a line of a file, MQTT or a webhook.

An event is a flat JSON object. Every one has

=============  ==================================================================================
``schema``     1; a new number when a key changes its meaning or goes (a new key keeps it, and so
               does a new kind of event)
``event``      ``"face"`` or ``"label"``; over a network also ``"started"``, ``"arrived"`` and
               ``"left"``, see :mod:`edgecnn.events.visits`
``time``       when the picture was taken, ISO 8601 in UTC with milliseconds; for a file, when it
               was read
``source``     what was watched, credentials masked
``frame``      number of the frame, from 0; a live source leaves out those it had no time for
``at_s``       seconds since the source began; in a file the place in the recording
``latency_ms`` from the picture's arrival to the event
=============  ==================================================================================

A face event, one a face and frame, also has

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
        "time": taken_at.astimezone(timezone.utc).isoformat(timespec="milliseconds"),
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


def _face(face: Recognition) -> Event:
    return {
        "track": int(face.track),
        "name": face.name,
        "decided": bool(face.decided),
        "score": None if face.score is None else round(float(face.score), 4),
        "box": [round(float(edge)) for edge in face.detection.box_xyxy],
    }
