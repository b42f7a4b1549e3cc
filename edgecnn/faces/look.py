"""When a face is embedded: where it pays.

Embedding costs more than all the rest of the chain, and the next frame of a face that was decided
on says nothing new. A look is due where the face is

* new, or not decided on yet and looked at fewer than :data:`LOOKS` times,
* in doubt: it looked like somebody else, or it jumped, was away, or has another face near by,
* better than before: larger, or more from the front, by :data:`BETTER`,

and in any case after :data:`REFRESH_S`. A name is a statement about the face of the last look:
whoever steps unnoticed into somebody's place wears the name for :data:`REFRESH_S` at most where the
face can be looked at, and for :data:`STALE_S` where it is too bad a picture.
"""

from __future__ import annotations

from edgecnn.faces.track import Track

LOOKS = 10
"""What more looks than this say is little, see :data:`edgecnn.faces.decide.FADE`."""

BETTER = 1.25
"""Factor on :func:`edgecnn.faces.quality.promise`: a quarter more shows, say 12 px instead of 10
between the eyes."""

REFRESH_S = 0.5
"""Seconds between looks at a face that is decided on: one frame in seven or eight at 15 a second,
an eighth of the cost of looking at each."""

STALE_S = 1.0
"""Seconds after the last look at which a name is no longer shown: one look may fail."""


def is_due(track: Track, decided: bool, promise: float, time_s: float) -> bool:
    """Whether to embed the track's face in this frame.

    Args:
        decided: on a name or on *unknown*.
        promise: of this frame's face, see :func:`edgecnn.faces.quality.promise`.
        time_s: of this frame.
    """
    if track.looked_s is None or time_s - track.looked_s >= REFRESH_S:
        return True
    if track.doubts or not track.steady:
        return True
    return promise > BETTER * track.best_promise or (not decided and track.looks < LOOKS)


def is_stale(track: Track, time_s: float) -> bool:
    """Whether a name from the track's last look may no longer be shown."""
    return track.looked_s is None or time_s - track.looked_s > STALE_S
