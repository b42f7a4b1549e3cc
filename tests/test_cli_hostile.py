"""Commands that take a ``.tflite`` file from anywhere: one line, exit 2, no traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_files import COUNT, mutated

from converters import flatbuffer
from edgecnn.errors import ModelError
from edgecnn.runtime import trial

TINY = Path(__file__).parent / "tiny.tflite"
WHOLE = TINY.read_bytes()

Edgecnn = Callable[..., tuple[int, str, str]]


def test_inspect_reads_mutated_files_or_refuses_them_in_one_line(tmp_path: Path) -> None:
    file, refused = tmp_path / "x.tflite", 0
    for seed in range(COUNT):
        file.write_bytes(mutated(WHOLE, seed))
        try:
            flatbuffer.layers(flatbuffer.read(file))
        except ModelError as e:
            assert "\n" not in str(e)
            refused += 1
    assert COUNT / 2 < refused < COUNT


@pytest.mark.parametrize("command", [("inspect",), ("bench", "--runs", 1, "--model")])
def test_a_cut_off_file(edgecnn: Edgecnn, tmp_path: Path, command: tuple[object, ...]) -> None:
    (tmp_path / "cut.tflite").write_bytes(WHOLE[:2000])
    code, out, err = edgecnn(*command, tmp_path / "cut.tflite")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "cut.tflite is damaged or cut off (something leads outside its 2000 bytes" in err


def test_bench_tries_a_file_elsewhere_before_it_loads_it(
    edgecnn: Edgecnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "faults", lambda paths: [f"{p} crashes the run time" for p in paths])
    code, out, err = edgecnn("bench", "--runs", 1, "--model", TINY)
    assert (code, out) == (2, "") and err == f"edgecnn: {TINY} crashes the run time\n"
