"""A report as one HTML file: no script, no outside address, light and dark as the reader has it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from edgecnn import __version__
from edgecnn.storage import whole_file


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        heading: plain text.
        html: what stands under it, as made by the functions of this module.
    """

    heading: str
    html: str


def write(path: str | Path, title: str, sections: Sequence[Section]) -> None:
    """Write a page, whole or not at all.

    Args:
        title: plain text.

    Raises:
        StorageError: the file could not be written; what stood there is as it was.
    """
    body = "\n".join(
        f"<section>\n<h2>{escape(s.heading)}</h2>\n{s.html}\n</section>" for s in sections
    )
    with whole_file(path) as draft:
        draft.write_text(
            f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n'
            f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
            f"<h1>{escape(title)}</h1>\n{body}\n<footer>edgecnn {__version__}</footer>\n"
            "</main>\n</body>\n</html>\n",
            "utf-8",
        )


def paragraph(text: str) -> str:
    """Plain text as a paragraph."""
    return f"<p>{escape(text)}</p>"


def figures(values: Mapping[str, str]) -> str:
    """Headline figures: what each is, and its value, large. A value of two lines has a remark."""
    cards = []
    for name, value in values.items():
        large, _, remark = value.partition("\n")
        note = f"<small>{escape(remark)}</small>" if remark else ""
        cards.append(f"<div><dt>{escape(name)}</dt><dd>{escape(large)}{note}</dd></div>")
    return f'<dl class="figures">{"".join(cards)}</dl>'


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of plain text; columns of numbers or percentages align right, save the first."""
    cells = [[str(cell) for cell in row] for row in rows]
    numeric = [i > 0 and all(_is_number(row[i]) for row in cells) for i in range(len(header))]

    def line(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=n' if right else ''}>{escape(cell)}</{tag}>"
            for cell, right in zip(row, numeric, strict=True)
        )

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in cells)
    return (
        f'<div class="wide"><table><thead><tr>{line("th", header)}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


FITTING = 700
"""Pixels of a drawing's width up to which it is read on a phone; wider ones scroll sideways there.
"""


def plot(draw: Callable[[bool], bytes], alt: str, caption: str = "") -> str:
    """A drawing for light and for dark readers.

    Args:
        draw: gives PNG bytes, for a dark page where its argument is true.
        alt: what it shows, for those who cannot see it.
    """
    note = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    light = draw(False)
    width = int.from_bytes(light[16:20], "big")  # of the IHDR chunk, which comes first
    opened = "<figure class=scroll>" if width > FITTING else "<figure>"
    return (
        f'{opened}<picture><source media="(prefers-color-scheme: dark)" '
        f'srcset="{_inline(draw(True))}"><img src="{_inline(light)}" '
        f'alt="{escape(alt)}"></picture>{note}</figure>'
    )


def picture(png: bytes, alt: str, caption: str = "") -> str:
    """One PNG, at its own size or the page's width."""
    note = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img src="{_inline(png)}" alt="{escape(alt)}">{note}</figure>'


def gallery(pictures: Sequence[tuple[bytes, str, str]], across: int = 1) -> str:
    """Small pictures side by side: PNG bytes, and one line in strong and one in weak type.

    Args:
        across: how many pictures stand beside one another in each PNG.
    """
    return (
        f'<div class="gallery" style="--across: {across}">'
        + "".join(
            f'<figure><img src="{_inline(png)}" alt="{escape(strong)}"><figcaption>'
            f"<b>{escape(strong)}</b><br>{escape(weak)}</figcaption></figure>"
            for png, strong, weak in pictures
        )
        + "</div>"
    )


def _inline(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode()}"


def _is_number(text: str) -> bool:
    bare = text.replace(",", "").replace("%", "").replace("–", "").strip()
    return not bare or bare.lstrip("+-").replace(".", "", 1).replace("e-", "", 1).isdigit()


STYLE = """
:root { --ink: #1c2330; --soft: #5c6675; --line: #dde2ea; --page: #f6f7f9; --card: #ffffff;
  --accent: #2456c9; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ef; --soft: #9aa5b5; --line: #2c3440; --page: #12161c; --card: #1a2029;
    --accent: #7aa5ff; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 3rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1.5rem; letter-spacing: -0.01em; }
h2 { font-size: 1.1rem; margin: 0 0 0.8rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 1.3rem 1.5rem; margin: 0 0 1.2rem; }
p { margin: 0 0 0.8rem; max-width: 46rem; }
section > :last-child { margin-bottom: 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: 1rem;
  margin: 0 0 1rem; }
.figures dt { color: var(--soft); font-size: 0.85rem; }
.figures dd { margin: 0; font-size: 1.65rem; font-weight: 650; letter-spacing: -0.02em;
  font-variant-numeric: tabular-nums; }
.figures small { display: block; font-size: 0.78rem; font-weight: 400; letter-spacing: 0;
  color: var(--soft); line-height: 1.35; }
.wide { overflow-x: auto; margin: 0 0 0.8rem; }
table { border-collapse: collapse; font-size: 0.92rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.32rem 1.4rem 0.32rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: break-word; }
th { color: var(--soft); font-weight: 500; white-space: nowrap; }
tbody tr:last-child td { border-bottom: 0; }
.n { text-align: right; white-space: nowrap; }
figure { margin: 0 0 0.8rem; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: var(--soft); font-size: 0.85rem; margin-top: 0.4rem; max-width: 46rem; }
.gallery { display: grid;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 3.4rem + 4.6rem * var(--across)), 1fr));
  gap: 1rem; }
.gallery figure { margin: 0; }
.gallery img { width: 100%; border-radius: 6px; border: 1px solid var(--line);
  image-rendering: pixelated; }
.gallery figcaption { font-size: 0.78rem; line-height: 1.35; overflow-wrap: anywhere; }
.gallery b { color: var(--ink); font-weight: 600; }
footer { color: var(--soft); font-size: 0.8rem; }
@media (max-width: 45rem) {
  section { padding: 1.1rem 1rem; }
  th, td { padding-right: 0.8rem; }
  .scroll { overflow-x: auto; }
  .scroll img { max-width: none; width: 44rem; }
}
@media print { body { background: none; } section { break-inside: avoid; } }
"""
