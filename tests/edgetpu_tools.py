"""A stand-in for Coral's compiler whose files the run time loads, and a bundle to try it on."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from edgecnn.bundle import ASSETS, MANIFEST, Bundle

SCRIPT = """#!{python}
import pathlib, sys
out, source = pathlib.Path(sys.argv[sys.argv.index("-o") + 1]), pathlib.Path(sys.argv[-1])
if source.stem in {refuses!r}:
    print("Internal compiler error. Aborting!")
    sys.exit(1)
# Behind the model, where a run time does not look, what marks a compiled one.
(out / (source.stem + "_edgetpu.tflite")).write_bytes(source.read_bytes() + b"edgetpu-custom-op")
print("Edge TPU Compiler version 16.0.384591198")
print("Number of Edge TPU subgraphs: 1")
"""


def compiler(folder: Path, *refuses: str) -> Path:
    """The stand-in as a script in a folder; it refuses models of these names."""
    script = folder / "edgetpu_compiler"
    script.write_text(SCRIPT.format(python=sys.executable, refuses=refuses))
    script.chmod(0o755)
    return script


def shipped(path: Path) -> Path:
    """A copy of the bundle that ships: what its manifest names, and no more."""
    path.mkdir()
    for name in (MANIFEST, *Bundle(ASSETS).manifest.files):
        shutil.copy(ASSETS / name, path / name)
    return path
