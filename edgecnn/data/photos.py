"""A folder per person: whose photos there are.

::

    photos/
      Ann/   1.jpg  2.png  …      one face in each; any name that people have
      Bob/   party.webp  …        hidden files are ignored
"""

from __future__ import annotations

from pathlib import Path

from edgecnn.data.folders import LITTER, refuse_odd_names
from edgecnn.errors import DataError, GalleryError
from edgecnn.faces.names import clean_name, folded


def list_people(root: str | Path) -> dict[str, list[Path]]:
    """Each person's files, both in order of name; nothing is opened.

    Raises:
        DataError: no such folder, nobody in it, files beside the people's folders, folders inside
            them, a person without photos, a folder whose name cannot be a person's, or two that
            are the same but for case or accents.
    """
    root = Path(root)
    shape = f"expected a folder for each person in {root}, with photos in it"
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise DataError(f"{shape}. {root} {what}: check the path")
    entries = _entries(root)
    if loose := [e.name for e in entries if not e.is_dir()]:
        raise DataError(
            f"{shape}. {len(loose)} files lie in it directly, {loose[0]} the first: "
            "move each into a folder named after its person"
        )
    if not entries:
        raise DataError(f"{shape}. It is empty: add a folder with photos of somebody")
    people: dict[str, list[Path]] = {}
    taken: dict[str, str] = {}
    for folder in entries:
        files = _entries(folder)
        try:
            name = clean_name(folder.name)
        except GalleryError as e:
            raise DataError(f"{folder} cannot be a person: {e}") from e
        if folded(name) in taken:
            raise DataError(
                f"{shape}. {folder.name} and {taken[folded(name)]} are one name: "
                "put the photos into one folder, or tell the people apart"
            )
        taken[folded(name)] = folder.name
        if inner := [f.name for f in files if f.is_dir()]:
            raise DataError(
                f"{shape}. {folder.name} holds folders itself, {inner[0]} the first: "
                "put its photos into it directly"
            )
        if not files:
            raise DataError(f"{shape}. {folder.name} is empty: add photos or remove the folder")
        people[name] = files
    return people


def _entries(folder: Path) -> list[Path]:
    try:
        found = [e for e in folder.iterdir() if e.name[0] != "." and e.name not in LITTER]
    except OSError as e:
        raise DataError(f"{folder} cannot be read ({e.strerror}): check its permissions") from e
    refuse_odd_names(folder, (entry.name for entry in found))
    return sorted(found)
