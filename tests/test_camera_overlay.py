"""Boxes and names: where they are, that they can be read, and that no picture is too odd."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from camera_tools import face

from edgecnn.camera import overlay
from edgecnn.events.schema import Label
from edgecnn.faces.types import Detection, Recognition


def at(box_xyxy: tuple[float, ...], name: str | None = "Ann") -> Recognition:
    detection = Detection(np.array(box_xyxy, np.float32), 0.9, np.zeros((5, 2), np.float32))
    return Recognition(detection, 1, name, 0.8)


def grey(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


def count(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((picture == colour).all(axis=2).sum())


def letters(picture: np.ndarray) -> int:
    """Pixels nearly as bright as text; thin strokes are blended with their ground."""
    return int((picture >= 180).all(axis=2).sum())


def test_draws_on_a_copy() -> None:
    picture = grey(640, 480)
    drawn = overlay.draw(picture, [face()])
    assert (picture == 90).all() and not (drawn == 90).all()
    assert drawn.shape == picture.shape and drawn.dtype == np.uint8


def test_nobody_leaves_the_picture_as_it_is() -> None:
    assert (overlay.draw(grey(64, 48), []) == 90).all()


def test_named_and_unknown_differ_in_colour() -> None:
    known = overlay.draw(grey(640, 480), [at((100, 100, 300, 300), "Ann")])
    unknown = overlay.draw(grey(640, 480), [at((100, 100, 300, 300), None)])
    assert count(known, overlay.NAMED_BGR) > 500 and count(known, overlay.UNKNOWN_BGR) == 0
    assert count(unknown, overlay.UNKNOWN_BGR) > 500 and count(unknown, overlay.NAMED_BGR) == 0


def test_the_box_is_where_the_face_is() -> None:
    drawn = overlay.draw(grey(640, 480), [at((100, 120, 300, 320))])
    for x, y in ((100, 220), (300, 220), (200, 320)):
        assert tuple(drawn[y, x]) == overlay.NAMED_BGR
    assert (drawn[130:310, 110:290] == 90).all(), "the face itself stays visible"


def contrast(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Contrast ratio of WCAG 2.2, 1…21."""

    def luminance(bgr: tuple[int, ...]) -> float:
        linear = [(v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4) for v in
                  (c / 255 for c in bgr)]  # fmt: skip
        return 0.0722 * linear[0] + 0.7152 * linear[1] + 0.2126 * linear[2]

    bright, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("ground", [overlay.NAMED_BGR, overlay.UNKNOWN_BGR])
def test_text_stands_out_from_its_ground(ground: tuple[int, int, int]) -> None:
    assert contrast(overlay.TEXT_BGR, ground) >= 3, "WCAG 2.2 AA for large text"


def label_of(drawn: np.ndarray, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is drawn outside a box."""
    outside = (drawn != 90).any(axis=2)
    outside[box[1] - 6 : box[3] + 7, box[0] - 6 : box[2] + 7] = False
    ys, xs = np.nonzero(outside)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


@pytest.mark.parametrize("size", [(160, 120), (640, 480), (1920, 1080)])
def test_letters_grow_with_the_picture(size: tuple[int, int]) -> None:
    w, h = size
    box = (w // 3, h // 2, w // 2, h * 3 // 4)
    _, top, _, bottom = label_of(overlay.draw(grey(w, h), [at(box)]), box)
    assert 0.04 <= (bottom - top) / h <= 0.16


@pytest.mark.parametrize(
    "box",
    [(0, 0, 60, 60), (600, 0, 640, 60), (-80, -80, 30, 30), (610, 440, 700, 520), (0, 0, 640, 480)],
)
def test_a_label_at_the_edge_stays_inside(box: tuple[int, ...]) -> None:
    drawn = overlay.draw(grey(640, 480), [at(box, "Bartholomew")])
    whole = overlay.draw(grey(1400, 480), [at((300, 200, 400, 300), "Bartholomew")])
    assert letters(drawn) == pytest.approx(letters(whole), rel=0.1)


def test_a_long_name_loses_its_middle_and_keeps_its_score() -> None:
    drawn = overlay.draw(grey(640, 480), [at((300, 200, 400, 300), "Wolfeschlegelstein" * 12)])
    left, _, right, _ = label_of(drawn, (300, 200, 400, 300))
    assert right - left <= 0.7 * 640


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (7, 2), (20, 20), (4000, 10)])
@pytest.mark.parametrize("outcome", [[at((0, 0, 5, 5))], Label("cat", 0.9)])
def test_no_picture_is_too_small(size: tuple[int, int], outcome: object) -> None:
    assert overlay.draw(grey(*size), outcome).shape == (size[1], size[0], 3)  # type: ignore[arg-type]


def test_a_label_is_written_in_the_corner() -> None:
    drawn = overlay.draw(grey(640, 480), Label("cat", 0.93))
    assert count(drawn[:60, :200], overlay.NAMED_BGR) > 500
    assert (drawn[100:] == 90).all()
    assert count(overlay.draw(grey(640, 480), Label(None, 0.3)), overlay.UNKNOWN_BGR) > 500


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Ann", "Ann"),
        ("", ""),
        ("Zoë Müller", "Zoe Muller"),
        ("Zoe\u0308", "Zoe"),
        ("Groß Łódź Øre Æsir", "Gross Lodz Ore AEsir"),
        ("O’Neill – jr.", "O'Neill - jr."),
        ("Дмитрий", "???????"),
        ("张伟", "??"),
        ("Ann 😀", "Ann ?"),
    ],
)
def test_names_for_a_font_that_has_ascii_alone(name: str, plain: str) -> None:
    assert overlay.to_ascii(name) == plain


@pytest.mark.parametrize(
    "name", ["Zoë", "Дмитрий", "张伟", "משה", "محمد", "प्रिया", "😀", "A\nB\tC"]
)
def test_any_name_is_drawn(name: str) -> None:
    drawn = overlay.draw(grey(640, 480), [at((200, 200, 300, 300), name)])
    assert letters(drawn) > 10


def test_other_scripts_are_question_marks_only_where_opencv_has_no_font_for_them() -> None:
    drawn = [
        overlay.draw(grey(640, 480), [at((200, 200, 300, 300), name)]) for name in ("Дима", "????")
    ]
    assert np.array_equal(*drawn) != hasattr(cv2, "FontFace")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ann Lee 0.80", "Ann Lee 0.80"),
        ("אבג 0.80", "0.80 גבא"),
        ("אבג דהו", "והד גבא"),
        ("Ann אבג", "Ann גבא"),
    ],
)
def test_right_to_left_names_are_turned_around(name: str, shown: str) -> None:
    assert overlay._left_to_right(name) == shown
