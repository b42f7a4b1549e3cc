"""Files that crash a run time, hang it or take all memory, and 2,400 that might."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hostile_files import COUNT, KINDS, mutated

from edgecnn.errors import MissingExtra, ModelError
from edgecnn.runtime import trial
from edgecnn.runtime.flat import FlatBuffer
from edgecnn.runtime.intact import damage
from edgecnn.runtime.interpreter import Model, Tensor

HERE = Path(__file__).parent
TINY, TINY_FLOAT = HERE / "tiny.tflite", HERE / "tiny-float.tflite"
WHOLE = TINY.read_bytes()


def test_mutated_files_neither_end_the_process_nor_show_a_traceback(tmp_path: Path) -> None:
    """Of 2,400 files, 600 of each kind, every one is refused in one line or works, in a process
    that opens them all as ``bench`` does: tried by forks of a second process, loaded and run itself
    what passes. It proves that for these files, with the run time that is installed; not that no
    file can get through.
    """
    for seed in range(COUNT):
        (tmp_path / f"{seed:04}.tflite").write_bytes(mutated(WHOLE, seed))
    done = subprocess.run(
        [sys.executable, HERE / "hostile_files.py", tmp_path],
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert len(found["refused"]) + len(found["working"]) == COUNT
    assert [fault for fault in found["refused"] if "\n" in fault or ": " not in fault] == []
    assert sum("is damaged or cut off" in fault for fault in found["refused"]) > COUNT / 2
    # A changed weight or name still works; nothing that was cut off does.
    kinds = {KINDS[int(Path(name).stem) % len(KINDS)] for name in found["working"]}
    assert kinds == set(KINDS) - {"cut off"}


def at(field: Callable[[FlatBuffer], int], kind: str, value: float) -> bytes:
    """The tiny model with one number of its first graph overwritten."""
    changed = bytearray(WHOLE)
    struct.pack_into(f"<{kind}", changed, field(FlatBuffer(WHOLE)), value)
    return bytes(changed)


def graph(file: FlatBuffer) -> int:
    return file.tables(file.root, 2)[0]


def quantisation(file: FlatBuffer) -> int:
    return file.table(file.tables(graph(file), 0)[0], 4)


def first_operator(file: FlatBuffer) -> int:
    return file.tables(graph(file), 3)[0]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (at(lambda f: f.vector(quantisation(f), 3, 8)[0], "q", 256), "a zero point beyond"),
        (at(lambda f: f.vector(quantisation(f), 2, 4)[0], "f", -1.0), "a scale that is not"),
        (at(lambda f: f.vector(quantisation(f), 2, 4)[0], "f", float("nan")), "a scale that is"),
        (at(lambda f: f.vector(f.tables(graph(f), 0)[0], 0, 4)[0], "i", -1), "shape (-1, 8, 8, 3)"),
        (at(lambda f: f.vector(first_operator(f), 1, 4)[0], "i", 10), "reads what nothing has"),
        (at(lambda f: f.vector(first_operator(f), 1, 4)[0], "i", 99), "reads what nothing has"),
        (at(lambda f: f.vector(first_operator(f), 2, 4)[0], "i", 0), "a tensor is written twice"),
        (at(lambda f: f.vector(first_operator(f), 2, 4)[0], "i", 99), "writes what is not there"),
        (at(lambda f: f.field(f.root, 2, 4), "I", 2**31), "something leads outside its"),
    ],
)
def test_what_is_impossible_is_told_without_running_it(content: bytes, fault: str) -> None:
    assert fault in str(damage(content))


def test_a_small_file_that_describes_an_endless_one_is_told_at_once() -> None:
    # 5,000 graphs that are one and the same; offsets lead forwards, so it is copied behind them.
    count, place = 5000, graph(FlatBuffer(WHOLE))
    offsets = [4 * (count - i) + place for i in range(count)]
    grown = bytearray(WHOLE + struct.pack(f"<{count + 1}I", count, *offsets) + WHOLE)
    field = FlatBuffer(WHOLE).field(FlatBuffer(WHOLE).root, 2, 4)
    struct.pack_into("<I", grown, field, len(WHOLE) - field)
    assert "over and over" in str(damage(bytes(grown)))


# A stand-in for a run time that does what a hostile file can make one do.

RUNTIME = """
import os, signal, time
import numpy as np

class Interpreter:
    def __init__(self, model_content, num_threads):
        self.asked = bytes(model_content).rpartition(b"do:")[2].decode()
    def allocate_tensors(self):
        if self.asked == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.asked == "abort":
            os.abort()
        if self.asked == "hang":
            time.sleep(60)
        if self.asked == "memory":
            self.held = [np.empty(1 << 28) for _ in range(1 << 10)]
        if self.asked == "raise":
            raise KeyError("odd")
    def get_input_details(self):
        return []
    get_output_details = get_input_details
    def invoke(self):
        pass
"""


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    package = tmp_path / "hostile_runtime"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "interpreter.py").write_text(RUNTIME)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return package.name


def asking(folder: Path, what: str) -> Path:
    path = folder / f"{what}.tflite"
    path.write_bytes(WHOLE + b"do:" + what.encode())
    return path


def test_each_way_to_fail_is_one_line_and_the_next_file_is_tried(
    tmp_path: Path, runtime: str
) -> None:
    ways = {
        "crash": "crash.tflite crashes the run time (SIGSEGV)",
        "abort": "abort.tflite crashes the run time (SIGABRT)",
        "hang": "hang.tflite does not end within 3 s",
        "memory": "memory.tflite takes more than 1024 MiB of memory",
        "raise": "raise.tflite cannot be run (KeyError: 'odd')",
    }
    files = [asking(tmp_path, what) for what in (*ways, "well")]
    *found, last = trial.faults(files, runtime, timeout_s=3)
    for fault, expected in zip(found, ways.values(), strict=True):
        assert fault is not None and expected in fault and "\n" not in fault
    assert last is None


def test_whole_files_run(tmp_path: Path) -> None:
    assert trial.faults([TINY, TINY_FLOAT]) == [None, None]
    assert trial.faults([]) == []
    trial.check(TINY)


@pytest.mark.parametrize(
    ("dtype", "largest"), [("uint8", 255), ("int8", 127), ("int16", 32767), ("int32", 1),
                           ("float32", 1), ("bool", True)],
)  # fmt: skip
def test_inputs_to_try_a_model_with(dtype: str, largest: float) -> None:
    zeros, full, noise = trial.inputs_for(Tensor("t", (2, 3), dtype, 0.0, 0))
    assert {a.dtype for a in (zeros, full, noise)} == {np.dtype(dtype)}
    assert not zeros.any() and (full == largest).all() and noise.max() <= largest


def test_what_is_no_model_is_told_as_ever(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.tflite cannot be read \(No such file"):
        trial.check(TINY, tmp_path / "none.tflite")


def test_no_run_time_is_no_fault_of_the_file() -> None:
    with pytest.raises(MissingExtra, match="pip install"):
        trial.faults([TINY], "no_such_runtime")


def test_a_run_time_that_gives_up_is_told_in_one_line() -> None:
    model = Model(TINY)
    with pytest.raises(ModelError, match=r"tiny\.tflite does not run .*another kind of input"):
        model.invoke(np.zeros((8, 8, 3), np.float64))
