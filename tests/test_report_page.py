"""The report page and its drawings."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgecnn.errors import StorageError
from edgecnn.report import page, pictures, plots


class Balanced(HTMLParser):
    """Fails where a tag closes that is not open."""

    VOID = frozenset({"meta", "img", "br", "source"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images_without_words = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img" and not dict(attrs).get("alt"):
            self.images_without_words += 1
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag


def decoded(png: bytes) -> np.ndarray:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)


PNG = pictures.picture(np.zeros((2, 2, 1), np.uint8), order="GRAY", side=2)


def test_a_page_is_well_formed_and_escapes(tmp_path: Path) -> None:
    html = "".join(
        [
            page.paragraph("a < b"),
            page.figures({"<x>": "99.5 %\nof & all"}),
            page.table(("name", "count"), [("<b>", 1), ("c", 22)]),
            page.plot(lambda dark: PNG, "a 'drawing'", "its <caption>"),
            page.picture(PNG, "p"),
            page.gallery([(PNG, "cat → dog", "cat/1.png")]),
        ]
    )
    path = tmp_path / "deep" / "report.html"
    page.write(path, "T & <T>", [page.Section("H <1>", html), page.Section("Empty", "")])
    text = path.read_text("utf-8")
    parsed = Balanced(text)
    assert parsed.open == [] and parsed.images_without_words == 0
    assert "<title>T &amp; &lt;T&gt;</title>" in text and "<h2>H &lt;1&gt;</h2>" in text
    assert "prefers-color-scheme: dark" in text and "http" not in text
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_number_columns_align_right_and_the_first_never() -> None:
    html = page.table(("a", "b", "c"), [("1", "97.0 %", "x"), ("2", "1,204", "3")])
    assert html.count("class=n") == 3 and "<td class=n>97.0 %" in html
    assert page.table(("a",), []).count("<td") == 0


def test_a_row_of_another_length_is_a_fault() -> None:
    with pytest.raises(ValueError, match="zip"):
        page.table(("a", "b"), [("1", "2", "3")])


def test_a_page_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="could not write"):
        page.write(tmp_path / "file" / "report.html", "t", [])


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_curves_draw_any_history(rows: int, dark: bool) -> None:
    history = [
        {"stage": "a" if i < 3 else "b", "epoch": str(i), "seconds": "1", "loss": str(1 / (i + 1)),
         "val_accuracy": "" if i == 2 else "0.5"}
        for i in range(rows)
    ]  # fmt: skip
    assert decoded(plots.curves(history, dark=dark)).shape[2] == 4


@pytest.mark.parametrize("classes", [1, 2, 21, 60])
def test_confusion_matrix_draws_any_number_of_classes(classes: int) -> None:
    table = np.eye(classes, dtype=np.int64) * 3
    table[0] = 0
    names = [f"a rather long class name {i}" for i in range(classes)]
    light, dark = (decoded(plots.confusion_matrix(table, names, dark=d)) for d in (False, True))
    assert light.shape == dark.shape and (light != dark).any()


def test_dollars_in_a_class_name_are_no_formula() -> None:
    names = ["$5_and_$10", "US$", r"\$_"]
    table = np.eye(3, dtype=np.int64)
    assert decoded(plots.confusion_matrix(table, names)).shape[2] == 4


@pytest.mark.parametrize(("order", "blue_green_red"), [("RGB", [3, 2, 1]), ("BGR", [1, 2, 3])])
def test_a_picture_keeps_its_colours(order: str, blue_green_red: list[int]) -> None:
    pixels = np.full((4, 6, 3), (1, 2, 3), np.uint8)
    png = decoded(pictures.picture(pixels, order=order, side=12))
    assert png.shape == (8, 12, 3) and png[0, 0].tolist() == blue_green_red


def test_maps_stand_beside_their_picture_and_large_ones_are_made_smaller() -> None:
    small = pictures.looked_at(
        np.full((8, 8, 1), 200, np.uint8), [np.eye(2)], order="GRAY", side=16
    )
    png = decoded(small)
    assert png.shape == (16, 16 + 4 + 16, 4)
    assert png[5, 5].tolist() == [200, 200, 200, 255] and png[5, 17, 3] == 0
    # Bright on the diagonal, dark beside it; where nothing is high, nothing is bright.
    assert png[1, 21, :3].sum() > 2 * png[1, 34, :3].sum()
    flat = decoded(pictures.looked_at(np.zeros((4, 4, 3), np.uint8), [np.zeros((2, 2))]))
    assert flat[..., :3].max() < 10
    large = decoded(pictures.looked_at(np.zeros((300, 600, 3), np.uint8), [np.eye(2)] * 2))
    assert large.shape[:2] == (96, 3 * 192 + 2 * 4)


def test_a_mosaic_has_rows_of_equal_tiles() -> None:
    tiles = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1).repeat(2, 1).repeat(2, 2) * 50
    png = decoded(pictures.mosaic(tiles, columns=3, side=4))
    assert png.shape == (4 + 4 + 4, 3 * 4 + 2 * 4, 4)
    assert [png[y, x, 0] for y in (0, 8) for x in (0, 8, 16)] == [0, 50, 100, 150, 200, 0]
    assert png[8, 16, 3] == 0


def test_a_large_picture_is_not_enlarged() -> None:
    assert decoded(pictures.picture(np.zeros((120, 100, 1), np.uint8), order="GRAY")).shape[:2] == (
        120,
        100,
    )


def test_names_of_dots_that_stand_close_stand_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Any] = []
    monkeypatch.setattr(plots, "_png", lambda figure: figures.append(figure) or b"")
    close = [(1000.0 * (1 + k / 20), 0.9, 0.8, 0.95, f"network-{k}") for k in range(5)]
    plots.sizes({"convolutional": close, "dense": close[:0]}, ("parameters", "% right"))
    (ax,) = figures[0].axes
    boxes = [note.get_window_extent().extents for note in ax.texts]
    assert len(boxes) == len(close)
    for i, a in enumerate(boxes):
        assert a[2] < figures[0].bbox.x1
        for b in boxes[:i]:
            assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]
