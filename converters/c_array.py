"""A ``.tflite`` file as a C array, as TensorFlow Lite Micro reads one: a source and a header.

The header says in comments what cannot be seen in bytes: shapes, types and quantisation of inputs
and outputs, labels, and the operations that a resolver must be given. Both files compile as C11 and
as C++11.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from converters import flatbuffer, metadata
from edgecnn import __version__
from edgecnn.bundle import MANIFEST, Bundle
from edgecnn.errors import DataError
from edgecnn.runtime import intact
from edgecnn.storage import sha256_of, whole_file

ALIGNMENT = 16
"""Of the array in bytes: that of a FlatBuffer's buffers (schema.fbs, table Buffer)."""

A_LINE = 12
"""Bytes a line, as ``xxd -i`` writes them."""


def write(source: Path, out: Path) -> tuple[Path, Path]:
    """Write ``out`` and the header of the same name, both or neither.

    Args:
        source: a ``.tflite`` file, or a bundle with one model.
        out: the source file; ``person.cc`` gives ``person_tflite`` and ``person_tflite_len``.

    Raises:
        DataError: ``source`` is neither, or a bundle with several models.
        ModelError, BundleError: it is damaged.
        StorageError: a file cannot be written; nothing is left behind.
    """
    model, header = _model(source), out.with_suffix(".h")
    name = identifier(out.stem)
    content, facts = intact.read(model), _facts(model)
    with whole_file(header) as first, whole_file(out) as second:
        first.write_text(declaration(name, facts), "utf-8")
        second.write_text(definition(name, header.name, content), "utf-8")
    return out, header


def identifier(stem: str) -> str:
    """A C name for a file: ``face-embedder`` becomes ``face_embedder_tflite``."""
    name = re.sub(r"\W", "_", stem, flags=re.ASCII)
    return f"{'_' if name[:1].isdigit() else ''}{name}_tflite"


def declaration(name: str, facts: list[str]) -> str:
    """The header; ``facts`` are lines of its comment."""
    guard = f"EDGECNN_{name.upper()}_H"
    comment = "\n".join(f"// {line}".rstrip() for line in facts)
    return f"""{comment}
#ifndef {guard}
#define {guard}

#ifdef __cplusplus
extern "C" {{
#endif

extern const unsigned char {name}[];
extern const unsigned int {name}_len;

#ifdef __cplusplus
}}
#endif

#endif  // {guard}
"""


def definition(name: str, header: str, content: bytes) -> str:
    """The source: ``content`` byte by byte."""
    rows = (content[i : i + A_LINE] for i in range(0, len(content), A_LINE))
    lines = ",\n".join("  " + ", ".join(f"0x{byte:02x}" for byte in row) for row in rows)
    return f"""#include "{header}"

#ifdef __cplusplus
alignas({ALIGNMENT})
#else
_Alignas({ALIGNMENT})
#endif
const unsigned char {name}[] = {{
{lines}
}};
const unsigned int {name}_len = {len(content)};
"""


def _model(source: Path) -> Path:
    if (source / MANIFEST).is_file():
        files = [entry.file for entry in Bundle(source).manifest.models.values()]
        if len(files) != 1:
            raise DataError(
                f"expected one model. {source} has {', '.join(files)}: name one of these files"
            )
        return source / files[0]
    if source.is_dir():
        raise DataError(
            f"expected a .tflite file or a bundle. {source} is another folder: a run becomes a "
            "bundle by edgecnn convert"
        )
    return source


def _facts(model: Path) -> list[str]:
    """What stands in the header's comment. Texts from the file are quoted, so that none of them
    ends a line."""
    graph = flatbuffer.read(model)
    kinds = sorted({f"{o.kind} v{o.version}" for o in graph.operations})
    lines = [
        f"{json.dumps(model.name)}, {graph.file_bytes:,} bytes, as a C array by edgecnn "
        f"{__version__}.",
        f"sha256: {sha256_of(model)}",
        *(f"input: {_end(graph.tensors[i])}" for i in graph.inputs),
        *(f"output: {_end(graph.tensors[i])}" for i in graph.outputs),
        f"operations: {', '.join(json.dumps(kind)[1:-1] for kind in kinds)}",
    ]
    labels = metadata.read(model).labels
    for i, label in enumerate(labels):
        lines.append(f"label {i}: {json.dumps(label, ensure_ascii=False)}")
    return lines


def _end(tensor: flatbuffer.TensorFacts) -> str:
    """An input or output in words."""
    shape = "x".join(map(str, tensor.shape))
    text = f"{json.dumps(tensor.name)}, {tensor.dtype} {shape}"
    if len(tensor.scales) == 1:
        text += f", real = (stored - {tensor.zero_points[0]}) * {tensor.scales[0]:.9g}"
    return text
