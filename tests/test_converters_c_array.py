"""A model as a C array: a compiler reads it, and the bytes come back."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from converters import c_array, metadata
from edgecnn.bundle import ASSETS, Bundle
from edgecnn.errors import DataError, ModelError
from edgecnn.images import Preprocess

TINY = Path(__file__).parent / "tiny.tflite"

PROGRAM = """
#include <stdint.h>
#include <stdio.h>
#include "face-net.h"
int main(void) {
  if ((uintptr_t)face_net_tflite % 16) return 3;
  return fwrite(face_net_tflite, 1, face_net_tflite_len, stdout) == face_net_tflite_len ? 0 : 4;
}
"""


@pytest.mark.parametrize(
    ("suffix", "compiler", "standard"),
    [(".c", "cc", "c11"), (".cc", "c++", "c++11"), (".cpp", "c++", "c++20")],
)
def test_a_compiler_reads_the_bytes_back(
    tmp_path: Path, suffix: str, compiler: str, standard: str
) -> None:
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler} here")
    source, header = c_array.write(TINY, tmp_path / f"face-net{suffix}")
    main = tmp_path / f"main{suffix}"
    main.write_text(PROGRAM)
    strict = [f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    build = [compiler, *strict, str(source), str(main), "-o", str(tmp_path / "run")]
    subprocess.run(build, check=True, timeout=60)
    done = subprocess.run([tmp_path / "run"], capture_output=True, check=True, timeout=60)
    assert done.stdout == TINY.read_bytes()
    assert header == tmp_path / "face-net.h"


def test_a_c_object_serves_a_c_program_and_a_c_plus_plus_one(tmp_path: Path) -> None:
    if not shutil.which("c++"):
        pytest.skip("no c++ here")
    source, _ = c_array.write(TINY, tmp_path / "face-net.c")
    (tmp_path / "main.cc").write_text(PROGRAM)
    subprocess.run(["cc", "-c", source, "-o", tmp_path / "net.o"], check=True, timeout=60)
    link = ["c++", tmp_path / "main.cc", tmp_path / "net.o", "-o", tmp_path / "run"]
    subprocess.run(link, check=True, timeout=60)
    done = subprocess.run([tmp_path / "run"], capture_output=True, check=True, timeout=60)
    assert done.stdout == TINY.read_bytes()


def test_the_header_tells_what_bytes_do_not_show(tmp_path: Path) -> None:
    shutil.copy(TINY, tmp_path / "m.tflite")
    # Labels that would end a comment's line, or lengthen it by the next one.
    labels = ("ant", "back\\", "*/ bee")
    metadata.write(tmp_path / "m.tflite", "classifier", Preprocess((8, 8)), labels)
    _, header = c_array.write(tmp_path / "m.tflite", tmp_path / "m.cc")
    lines = header.read_text("utf-8").splitlines()
    comment = lines[: lines.index("#ifndef EDGECNN_M_TFLITE_H")]
    assert all(line.startswith("// ") and not line.endswith("\\") for line in comment)
    digest = sha256((tmp_path / "m.tflite").read_bytes()).hexdigest()
    assert f"// sha256: {digest}" in comment
    (picture,) = (line for line in comment if line.startswith("// input: "))
    assert picture.endswith(", uint8 1x8x8x3, real = (stored - 128) * 0.0078125")
    (output,) = (line for line in comment if line.startswith("// output: "))
    assert ", uint8 1x3, real = (stored - " in output
    kinds = "CONV_2D v3, DEPTHWISE_CONV_2D v3, FULLY_CONNECTED v4, QUANTIZE v1, RESHAPE v1"
    assert f"// operations: {kinds}" in comment
    assert [json.loads(line.split(": ", 1)[1]) for line in comment[-3:]] == list(labels)


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("person", "person_tflite"),
        ("face-embedder.v2", "face_embedder_v2_tflite"),
        ("3d", "_3d_tflite"),
        ("größe", "gr__e_tflite"),
        ("int", "int_tflite"),
    ],
)
def test_names_are_those_of_c(stem: str, name: str) -> None:
    assert c_array.identifier(stem) == name


@pytest.mark.parametrize("size", [1, 12, 13])
def test_lines_of_twelve_bytes(size: int) -> None:
    text = c_array.definition("n", "n.h", bytes(range(size)))
    rows = text.split("{\n")[1].split("\n};")[0].splitlines()
    assert [row.count("0x") for row in rows] == {1: [1], 12: [12], 13: [12, 1]}[size]
    assert f"const unsigned int n_len = {size};" in text


def test_a_bundle_of_one_model_does_and_one_of_several_is_asked_which(
    tmp_path: Path, edgecnn: Callable[..., tuple[int, str, str]]
) -> None:
    with pytest.raises(DataError, match=r"has .*face-embedder\.tflite.*: name one of these files"):
        c_array.write(ASSETS, tmp_path / "m.cc")
    file = Bundle(ASSETS).entry("detector").file
    code, printed, _ = edgecnn(
        "export", ASSETS / file, "--format", "c-array", "--out", tmp_path / "d.cc"
    )
    assert code == 0 and "d.cc: c-array, " in printed and "d.h: c-array, " in printed
    assert f"d_tflite_len = {(ASSETS / file).stat().st_size};" in (tmp_path / "d.cc").read_text()


def test_what_is_no_model_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "bad.tflite").write_bytes(TINY.read_bytes()[:100])
    with pytest.raises(DataError, match=r"expected a \.tflite file or a bundle"):
        c_array.write(tmp_path / "run", tmp_path / "m.cc")
    with pytest.raises(ModelError):
        c_array.write(tmp_path / "bad.tflite", tmp_path / "m.cc")
    with pytest.raises(ModelError, match="cannot be read"):
        c_array.write(tmp_path / "none.tflite", tmp_path / "m.cc")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.tflite", "run"]
