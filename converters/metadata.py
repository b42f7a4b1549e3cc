"""TFLite metadata: what other programs need to use a model file as it is.

MediaPipe Tasks and the TFLite Task Library find in it how pixels become the input, in which order
the channels are, and what the outputs are called. Labels stand in a text file inside a zip archive
at the end of the model file, which every reader of the model passes over.

Source of the layout: ``metadata_schema.fbs``, version 1.5 ("TensorFlow Lite Metadata"). The slots
and numbers below are its; the identifier ``M001`` is that of its file.
"""

from __future__ import annotations

import struct
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from converters.insert import entry, with_entry
from edgecnn.errors import ModelError
from edgecnn.images import ZERO_BYTE, Preprocess
from edgecnn.runtime import intact
from edgecnn.runtime.flat import FlatBuffer
from edgecnn.storage import whole_file

NAME = "TFLITE_METADATA"
LABELS = "labels.txt"
MAX_LABELS_BYTES = 1 << 20
"""A label file above this is not read: a small archive can unpack to an endless one."""

OLDEST_PARSER = "1.0.0"
"""The version of the schema that had all that is written here."""

NORMALISATION, FEATURE, IMAGE = 1, 1, 2
"""``ProcessUnitOptions.NormalizationOptions``, ``ContentProperties.FeatureProperties`` and
``ContentProperties.ImageProperties``."""

AXIS_LABELS, VALUE_LABELS = 2, 3
"""``AssociatedFileType``: a label for each place of an axis, or for each value."""

COLOUR_SPACES = {"RGB": 1, "GRAY": 2}
"""``ColorSpaceType``, which has none for BGR."""

OUTPUTS = {
    "classifier": ("logits", "One logit a label; the softmax of all is the probabilities."),
    "embedder": ("embedding", "A raw embedding: normalise it, then compare by cosine."),
}


@dataclass(frozen=True)
class Metadata:
    """What a file says about itself; None or empty where it says nothing.

    Attributes:
        mean, std: the network sees a byte ``b`` as ``(b - mean) / std``: one number each, or one a
            channel.
        order: ``"RGB"`` or ``"GRAY"``.
        labels: of the first output, in its order.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    order: str | None = None
    labels: tuple[str, ...] = ()


def write(
    path: str | Path,
    kind: str,
    preprocess: Preprocess,
    labels: tuple[str, ...] = (),
    *,
    stored: str = "full int8",
) -> None:
    """Put the metadata of a ``classifier`` or an ``embedder`` into its file, which has none yet.

    The network, its weights and the alignment stay as they are.

    Args:
        labels: class names in output order; empty for an embedder.
        stored: what the network computes in, in words.

    Raises:
        ModelError: the file is damaged, or has metadata.
        StorageError: it cannot be written.
    """
    content = intact.read(path)
    if entry(content, NAME) is not None:
        raise ModelError(f"expected a file without metadata. {path} has some: convert it again")
    content = with_entry(content, NAME, _metadata(kind, preprocess, labels, stored))
    with whole_file(path) as draft:
        draft.write_bytes(_with_labels(content, labels) if labels else content)


def read(path: str | Path) -> Metadata:
    """What a file says about its first input and output; nothing where it has no metadata, or
    metadata that leads outside itself.

    Raises:
        ModelError: the model itself is damaged.
    """
    content = intact.read(path)
    found = entry(content, NAME)
    if found is None:
        return Metadata()
    try:
        return _understood(FlatBuffer(found), content)
    except (struct.error, ValueError, IndexError, OverflowError, zipfile.BadZipFile,
            NotImplementedError, RuntimeError, KeyError, EOFError):  # fmt: skip
        return Metadata()


def _understood(file: FlatBuffer, content: bytes) -> Metadata:
    graph = file.tables(file.root, 3)[0]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    order: str | None = None
    labels: tuple[str, ...] = ()
    for picture in file.tables(graph, 2)[:1]:
        for unit in file.tables(picture, 4):
            if file.scalar(unit, 0, "B") == NORMALISATION:
                options = file.table(unit, 1)
                mean, std = (file.numbers(options, slot, "f") for slot in (0, 1))
        held = file.table(picture, 3)
        if held and file.scalar(held, 0, "B") == IMAGE:
            space = file.scalar(file.table(held, 1), 0, "b")
            order = {number: name for name, number in COLOUR_SPACES.items()}.get(int(space))
    for output in file.tables(graph, 3)[:1]:
        for associated in file.tables(output, 6):
            if file.scalar(associated, 2, "b") in (AXIS_LABELS, VALUE_LABELS):
                labels = labels or _labels(content, file.text(associated, 0))
    return Metadata(mean, std, order, labels)


def _labels(content: bytes, name: str) -> tuple[str, ...]:
    with zipfile.ZipFile(BytesIO(content)) as archive, archive.open(name) as lines:
        return parse_labels(lines.read(MAX_LABELS_BYTES))


def parse_labels(text: bytes) -> tuple[str, ...]:
    """A label a line, in UTF-8; lines that are empty at the end count for nothing.

    Raises:
        UnicodeDecodeError: it is no text.
    """
    return tuple(line.strip() for line in text.decode("utf-8-sig").rstrip().splitlines())


def _with_labels(content: bytes, labels: tuple[str, ...]) -> bytes:
    """The file with an archive behind it; the same bytes for the same labels."""
    whole = BytesIO(content)
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_STORED) as archive:
        lines = "".join(" ".join(label.split()) + "\n" for label in labels)
        archive.writestr(zipfile.ZipInfo(LABELS, (1980, 1, 1, 0, 0, 0)), lines)
    return whole.getvalue()


def _metadata(kind: str, preprocess: Preprocess, labels: tuple[str, ...], stored: str) -> bytes:
    from flatbuffers import Builder

    to = Builder(1024)
    w, h = preprocess.size_wh
    byte = [float(ZERO_BYTE)]
    options = _table(to, {0: _floats(to, byte), 1: _floats(to, byte)})
    unit = _table(to, {1: options}, {0: ("Uint8", NORMALISATION)})
    size = _table(to, {}, {0: ("Uint32", w), 1: ("Uint32", h)})
    space = COLOUR_SPACES.get(preprocess.order, 0)
    image = _table(to, {1: size}, {0: ("Int8", space)})
    content = _table(to, {1: image}, {0: ("Uint8", IMAGE)})
    stats = _table(to, {0: _floats(to, [255.0]), 1: _floats(to, [0.0])})
    picture = _table(to, {
        0: to.CreateString("image"),
        1: to.CreateString(f"{w}×{h} pixels, {preprocess.order}, a byte each channel."),
        3: content, 4: _tables(to, [unit]), 5: stats,
    })  # fmt: skip
    named = {}
    if labels:
        what = to.CreateString("The labels, one a line, in the order of the output.")
        name = to.CreateString(LABELS)
        file = _table(to, {0: name, 1: what}, {2: ("Int8", AXIS_LABELS)})
        named = {6: _tables(to, [file])}
    feature = _table(to, {1: _table(to, {})}, {0: ("Uint8", FEATURE)})
    name, what = (to.CreateString(text) for text in OUTPUTS[kind])
    output = _table(to, {0: name, 1: what, 3: feature, **named})
    graph = _table(to, {2: _tables(to, [picture]), 3: _tables(to, [output])})
    about = f"A {stored} {kind}, made with edgecnn."
    root = _table(to, {
        0: to.CreateString(kind), 1: to.CreateString(about), 3: _tables(to, [graph]),
        7: to.CreateString(OLDEST_PARSER),
    })  # fmt: skip
    to.Finish(root, b"M001")
    return bytes(to.Output())


def _table(
    to: Any, leads: dict[int, int], numbers: dict[int, tuple[str, int]] | None = None
) -> int:
    """A table of offsets and of numbers, each by its slot."""
    to.StartObject(8)
    for slot, place in leads.items():
        to.PrependUOffsetTRelativeSlot(slot, place, 0)
    for slot, (kind, number) in (numbers or {}).items():
        getattr(to, f"Prepend{kind}Slot")(slot, number, 0)
    return int(to.EndObject())


def _tables(to: Any, tables: list[int]) -> int:
    to.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        to.PrependUOffsetTRelative(table)
    return int(to.EndVector())


def _floats(to: Any, values: list[float]) -> int:
    to.StartVector(4, len(values), 4)
    for value in reversed(values):
        to.PrependFloat32(value)
    return int(to.EndVector())
