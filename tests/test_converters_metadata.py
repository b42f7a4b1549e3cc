"""What a file tells other programs about itself, and what stays as it was."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from converters import flatbuffer, insert, metadata
from converters.metadata import LABELS, NAME, Metadata, parse_labels
from edgecnn.errors import ModelError
from edgecnn.images import Preprocess
from edgecnn.runtime.intact import damage
from edgecnn.runtime.interpreter import Model

TINY = Path(__file__).parent / "tiny.tflite"
NAMES = ("ant", "bee", "cät")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    shutil.copy(TINY, tmp_path / "model.tflite")
    return tmp_path / "model.tflite"


def test_written_and_read(file: Path) -> None:
    assert metadata.read(file) == Metadata()
    metadata.write(file, "classifier", Preprocess((8, 8)), NAMES)
    assert metadata.read(file) == Metadata((128.0,), (128.0,), "RGB", NAMES)
    with zipfile.ZipFile(file) as archive:
        assert archive.read(LABELS).decode() == "ant\nbee\ncät\n"
    with pytest.raises(ModelError, match="expected a file without metadata"):
        metadata.write(file, "classifier", Preprocess((8, 8)), NAMES)


@pytest.mark.parametrize(("order", "found"), [("RGB", "RGB"), ("GRAY", "GRAY"), ("BGR", None)])
def test_the_order_of_channels(file: Path, order: str, found: str | None) -> None:
    metadata.write(file, "embedder", Preprocess((8, 8), order))
    assert metadata.read(file) == Metadata((128.0,), (128.0,), found, ())
    assert not zipfile.is_zipfile(file)


def test_the_same_facts_give_the_same_bytes(file: Path, tmp_path: Path) -> None:
    shutil.copy(TINY, tmp_path / "again.tflite")
    for path in (file, tmp_path / "again.tflite"):
        metadata.write(path, "classifier", Preprocess((8, 8)), NAMES)
    assert file.read_bytes() == (tmp_path / "again.tflite").read_bytes()


def test_the_network_is_what_it_was(file: Path) -> None:
    metadata.write(file, "classifier", Preprocess((8, 8)), NAMES)
    assert damage(file.read_bytes()) is None
    before, after = flatbuffer.read(TINY), flatbuffer.read(file)
    assert (after.tensors, after.operations) == (before.tensors, before.operations)
    assert (after.inputs, after.outputs) == (before.inputs, before.outputs)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    for one in pixels:
        assert Model(file).from_pixels(one)[0].tolist() == Model(TINY).from_pixels(one)[0].tolist()


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 5000])
def test_all_that_was_there_moves_by_whole_16_bytes(size: int) -> None:
    whole, payload = TINY.read_bytes(), bytes(range(256)) * 20
    grown = insert.with_entry(whole, "X", payload[:size])
    assert grown.endswith(whole[8:]) and (len(grown) - len(whole)) % 16 == 0
    assert grown[4:8] == b"TFL3" and damage(grown) is None
    assert insert.entry(grown, "X") == payload[:size]
    again = insert.with_entry(grown, "another name", b"second")
    assert insert.entry(again, "X") == payload[:size]
    assert insert.entry(again, "another name") == b"second"
    version = insert.entry(whole, "min_runtime_version")
    assert version and insert.entry(again, "min_runtime_version") == version
    assert insert.entry(again, "none") is None


def test_the_schema_of_the_run_time_reads_it_too() -> None:
    generated = flatbuffer.schema()
    grown = insert.with_entry(TINY.read_bytes(), "X", b"payload")
    model = generated.ModelT.InitFromObj(generated.Model.GetRootAs(grown))
    assert model.metadata[-1].name == b"X"
    assert bytes(model.buffers[model.metadata[-1].buffer].data) == b"payload"
    assert model.version == 3 and len(model.signatureDefs) == 1


def test_metadata_that_leads_outside_itself_says_nothing(file: Path) -> None:
    metadata.write(file, "classifier", Preprocess((8, 8)), NAMES)
    whole = insert.entry(file.read_bytes(), NAME)
    assert whole is not None
    rng, told = np.random.default_rng(0), set()
    for _ in range(300):
        changed = np.frombuffer(whole, np.uint8).copy()
        changed[rng.integers(0, len(changed), 4)] = rng.integers(0, 256, 4)
        content = insert.with_entry(TINY.read_bytes(), NAME, changed.tobytes())
        file.write_bytes(content)
        told.add(metadata.read(file).order)
    assert told >= {"RGB", None}


def test_an_archive_that_unpacks_to_a_giant_is_not_unpacked(file: Path) -> None:
    metadata.write(file, "classifier", Preprocess((8, 8)), NAMES)
    content = file.read_bytes()
    file.write_bytes(content[: content.index(b"PK\x03\x04")])
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(LABELS, "x" * (64 << 20))
    assert sum(map(len, metadata.read(file).labels)) <= metadata.MAX_LABELS_BYTES


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (b"", ()),
        (b"a\nb", ("a", "b")),
        (b"a\r\n b \r\n\r\n", ("a", "b")),
        (b"\xef\xbb\xbfa\n\nb\n", ("a", "", "b")),
    ],
)
def test_label_files(text: bytes, labels: tuple[str, ...]) -> None:
    assert parse_labels(text) == labels
