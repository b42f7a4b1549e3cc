"""To forget somebody in gallery and events, and to look whether anything is left of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.events.queue import SUFFIX, forget_in
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.names import composed
from edgecnn.privacy.lines import check_free, is_events, rewrite
from edgecnn.privacy.traces import PIECE, Hit, Report, Traces, files_of, pieces, search


@dataclass(frozen=True)
class Forgotten:
    """What became of people.

    Attributes:
        embeddings: how many were theirs.
        taken: files of lines and queues, and how many events went from each.
        report: what is left, in the gallery and the other files.
    """

    embeddings: int
    taken: dict[Path, int]
    report: Report


def forget(gallery: Gallery, names: Sequence[str], also: Sequence[Path] = ()) -> Forgotten:
    """Forget people, and prove it.

    The gallery comes last: where something fails before, they are still enrolled, and the same can
    be done again.

    Args:
        also: files and folders to search too. Files of lines among them are written anew without
            the people's events, which go from queues, too; everything else is left as it is.

    Raises:
        GalleryError: somebody is not enrolled; nothing was changed.
        DataError: there is no such file or folder.
        StorageError: a file of lines is being written to, or something cannot be written.
    """
    traces = traces_of(gallery, names)
    files = files_of(also)
    taken = take_out(files, names)
    before = gallery.cells()
    count = gallery.forget(*names)
    report = search(files, traces, also)
    _search_gallery(gallery, traces, before, report)
    return Forgotten(count, taken, report)


def traces_of(gallery: Gallery, names: Sequence[str]) -> list[Traces]:
    """What people who are enrolled would be found by.

    Raises:
        GalleryError: somebody is not enrolled.
    """
    for name in names:
        gallery.check(name)
    wanted = [composed(name) for name in names]
    known = [*gallery.samples(), *gallery.negatives()]
    return [Traces.of(n, [s.embedding for s in known if s.name == n]) for n in wanted]


def take_out(files: Sequence[Path], names: Sequence[str]) -> dict[Path, int]:
    """Take events about people out of files of lines and out of queues; others are left alone.

    Returns:
        Each file that had any, and how many.

    Raises:
        StorageError: a file of lines is being written to (then nothing was changed), or one of
            them cannot be written.
    """
    unwanted = {composed(name) for name in names}
    lines = [path for path in files if is_events(path)]
    for path in lines:
        check_free(path)

    def keep(event: dict[str, object]) -> bool:
        name = event.get("name")
        return not (isinstance(name, str) and composed(name) in unwanted)

    counts = {path: rewrite(path, keep) for path in lines}
    for path in files:
        if path.name.endswith(SUFFIX):
            counts[path] = sum(forget_in(path, name) for name in sorted(unwanted))
    return {path: count for path, count in counts.items() if count}


def _search_gallery(
    gallery: Gallery, traces: Sequence[Traces], before: Sequence[bytes], report: Report
) -> None:
    """Every byte of the gallery, and of its journal if there is one.

    Looked for are the names and whatever stood in the cells that are gone, sealed or not. What the
    cells of others hold is theirs: *Ann* stands in *Annabel*, who stays, and three letters stand in
    some embedding of thousands.
    """
    cells = gallery.cells()
    gone = {p for cell in set(before) - set(cells) if len(cell) >= PIECE for p in pieces(cell)}
    for path in files_of([gallery.path]):
        data = path.read_bytes()
        report.files, report.size = report.files + 1, report.size + len(data)
        left = [p for p in gone if p in data and not any(p in cell for cell in cells)]
        names = sum(_unexplained(data, t, cells) for t in traces)
        if names:
            report.hits.append(Hit(path, "the name", names))
        if left:
            report.hits.append(Hit(path, "an embedding", len(left)))


def _unexplained(data: bytes, traces: Traces, cells: Sequence[bytes]) -> int:
    """How often a name stands where no cell has it."""
    holders = [(cell, i) for cell in cells for i in traces.in_bytes(cell, short=3)]
    return sum(
        not any(at >= i and data[at - i : at - i + len(cell)] == cell for cell, i in holders)
        for at in traces.in_bytes(data, short=3)
    )
