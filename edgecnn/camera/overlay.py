"""Boxes and names on a picture.

Names are Unicode, and OpenCV 4's fonts are ASCII: there ``Zoë`` is drawn as ``Zoe``, and a
letter that has no ASCII relative as ``?``. OpenCV 5 brings a font for most scripts, which is used
where it is; right-to-left names are drawn letter by letter, without joining the letters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from edgecnn.events.schema import Label
from edgecnn.faces.types import Recognition
from edgecnn.images import Image

# Blue and orange of Okabe & Ito's palette, told apart with every kind of colour vision; BGR.
NAMED_BGR = (178, 114, 0)
UNKNOWN_BGR = (0, 94, 213)
TEXT_BGR = (255, 255, 255)

UNKNOWN = "unknown"
TEXT_SHARE = 1 / 26
"""Height of the letters over the shorter side of the picture: 18 px at 640×480."""

SMALLEST_TEXT = 10
"""Pixels; letters below that cannot be read."""

WEIGHT = 500
"""Of OpenCV 5's font: a little above regular (400), for light letters on a dark ground."""

WIDEST = 0.6
"""A label's width over the picture's; the middle of a longer name is left out."""

RELATIVES = str.maketrans(
    {
        **{"ß": "ss", "ẞ": "SS", "Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "Ø": "O", "ø": "o"},
        **{"Đ": "D", "đ": "d", "Ð": "D", "ð": "d", "Þ": "Th", "þ": "th", "Ł": "L", "ł": "l"},
        **{"ı": "i", "’": "'", "‘": "'", "–": "-", "—": "-", "…": "..."},
    }
)
"""Letters that Unicode does not take apart into an ASCII letter and an accent."""


def draw(image_bgr: Image, outcome: Sequence[Recognition] | Label) -> Image:
    """A copy of a picture with a box and a label for each face, or the one label on top.

    Args:
        image_bgr: ``(H, W, 3)`` uint8 BGR of any size.
        outcome: what was recognised.
    """
    picture = image_bgr.copy()
    if isinstance(outcome, Label):
        known = outcome.label is not None
        text = f"{outcome.label or UNKNOWN} {outcome.probability:.2f}"
        _label(picture, text, (0, 0), NAMED_BGR if known else UNKNOWN_BGR)
        return picture
    # Unknown first: where labels overlap, the names stay readable.
    for face in sorted(outcome, key=lambda f: f.name is not None):
        _face(picture, face)
    return picture


def to_ascii(text: str) -> str:
    """The nearest ASCII: accents go, letters without an ASCII relative become ``?``.

    >>> to_ascii("Zoë Groß, Łódź, Дмитрий")
    'Zoe Gross, Lodz, ???????'
    """
    composed = unicodedata.normalize("NFC", text).translate(RELATIVES)
    letters = []
    for letter in composed:
        ascii_part = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
        letters.append(ascii_part or "?")
    return "".join(letters)


def text_height(image_bgr: Image) -> int:
    """Pixels from the top of a capital letter to its foot, for a picture of this size."""
    return max(SMALLEST_TEXT, round(int(min(image_bgr.shape[:2])) * TEXT_SHARE))


def _face(picture: Image, face: Recognition) -> None:
    import cv2

    colour = UNKNOWN_BGR if face.name is None else NAMED_BGR
    left, top, right, bottom = (round(float(edge)) for edge in face.detection.box_xyxy)
    line = max(1, text_height(picture) // 8)
    cv2.rectangle(picture, (left, top), (right, bottom), colour, line, cv2.LINE_AA)
    name = UNKNOWN if face.name is None else face.name
    text = name if face.score is None else f"{name} {face.score:.2f}"
    _label(picture, text, (left, top), colour, below=bottom)


def _label(
    picture: Image,
    text: str,
    corner_xy: tuple[int, int],
    colour: tuple[int, int, int],
    below: int | None = None,
) -> None:
    """Text on its own ground, its foot on a box's top edge; under the box where that is too high.

    The whole label stays inside the picture where it fits in at all.
    """
    import cv2

    height, pad = text_height(picture), max(2, text_height(picture) // 4)
    canvas = (picture.shape[1], picture.shape[0])
    text = _shorten(" ".join(text.split()), canvas, height, round(WIDEST * canvas[0]))
    wide = _width(text, canvas, height) + 2 * pad
    tall = round(1.35 * height) + 2 * pad  # letters such as g and y reach below the foot
    left = max(0, min(corner_xy[0], canvas[0] - wide))
    top = corner_xy[1] - tall
    if top < 0:
        top = 0 if below is None or below + tall > canvas[1] else below
    top = min(top, max(0, canvas[1] - tall))
    cv2.rectangle(picture, (left, top), (left + wide, top + tall), colour, cv2.FILLED)
    _write(picture, text, (left + pad, top + pad + height), height)


def _shorten(text: str, canvas_wh: tuple[int, int], height: int, most: int) -> str:
    """Cut the middle out of a text until it is at most that many pixels wide."""
    whole = text
    keep = len(text)
    while keep > 4 and _width(text, canvas_wh, height) > most:
        keep -= 1
        text = whole[: (keep + 1) // 2] + ".." + whole[len(whole) - keep // 2 :]
    return text


def _font() -> Any:
    """OpenCV 5's Unicode font, or None."""
    import cv2

    return cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None


def _width(text: str, canvas_wh: tuple[int, int], height: int) -> int:
    import cv2

    font = _font()
    if font is not None:
        how = (font, _font_size(height), WEIGHT)
        return int(cv2.getTextSize(canvas_wh, text, (0, height), *how)[2])
    old = (cv2.FONT_HERSHEY_SIMPLEX, _scale(height), 1)
    return int(cv2.getTextSize(to_ascii(text), *old)[0][0])


def _write(picture: Image, text: str, foot_xy: tuple[int, int], height: int) -> None:
    import cv2

    font = _font()
    if font is not None:
        how = (font, _font_size(height), WEIGHT)
        cv2.putText(picture, _left_to_right(text), foot_xy, TEXT_BGR, *how)
        return
    weight = max(1, round(height / 10))
    old = (cv2.FONT_HERSHEY_SIMPLEX, _scale(height), TEXT_BGR, weight, cv2.LINE_AA)
    cv2.putText(picture, to_ascii(text), foot_xy, *old)


def _left_to_right(text: str) -> str:
    """The letters in the order in which they stand: right-to-left runs are turned around."""
    words = []
    for word in text.split(" "):
        from_right = any(unicodedata.bidirectional(c) in ("R", "AL") for c in word)
        words.append(word[::-1] if from_right else word)
    first = [unicodedata.bidirectional(c) for c in text if c.isalpha()][:1]
    if first and first[0] in ("R", "AL"):
        words.reverse()
    return " ".join(words)


def _font_size(height: int) -> int:
    return round(height / 0.7)  # capitals of OpenCV 5's "sans" (Rubik) are 0.7 em high


def _scale(height: int) -> float:
    return height / 22  # FONT_HERSHEY_SIMPLEX capitals are 22 px high at scale 1
