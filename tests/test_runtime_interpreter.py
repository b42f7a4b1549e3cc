"""Bytes in, numbers out; and files that no longer are what they were."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgecnn.errors import MissingExtra, ModelError
from edgecnn.images import to_network
from edgecnn.runtime import interpreter
from edgecnn.runtime.intact import damage
from edgecnn.runtime.interpreter import Model, Tensor, default_threads, runtime_module

HERE = Path(__file__).parent
TINY, TINY_FLOAT = HERE / "tiny.tflite", HERE / "tiny-float.tflite"
WHOLE = TINY.read_bytes()


def pixels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)


def test_reads_its_facts_from_the_file() -> None:
    model = Model(TINY)
    (picture,), (logits,) = model.inputs, model.outputs
    assert (picture.shape, picture.dtype) == ((1, 8, 8, 3), "uint8")
    assert (picture.scale, picture.zero_point) == (1 / 128, 128)
    assert (logits.shape, logits.dtype) == ((1, 3), "uint8")


@pytest.mark.parametrize("seed", range(5))
def test_int8_computes_what_float_computes(seed: int) -> None:
    exact, ours = Model(TINY_FLOAT), Model(TINY)
    (expected,), (found,) = exact(pixels(seed)), ours(pixels(seed))
    assert found.shape == (1, 3) and found.dtype == np.float32
    lowest, highest = ours.outputs[0].dequantise(np.array([0, 255], np.uint8))
    expected = np.clip(expected, lowest, highest)  # beyond what calibration saw
    np.testing.assert_allclose(found, expected, atol=4 * ours.outputs[0].scale)


def test_bytes_pass_untouched_into_a_byte_input() -> None:
    model = Model(TINY)
    (through,) = model.from_pixels(pixels())
    (directly,) = model.invoke(pixels()[None])
    assert through.tolist() == directly.tolist() and through.dtype == np.uint8


def test_a_float_input_gets_the_range_of_the_networks() -> None:
    model = Model(TINY_FLOAT)
    (through,) = model.from_pixels(pixels())
    (directly,) = model.invoke(to_network(pixels()))
    assert through.tolist() == directly.tolist()


def test_outputs_are_copies() -> None:
    model = Model(TINY)
    first = model(pixels(0))[0]
    kept = first.copy()
    model(pixels(1))
    assert first.tolist() == kept.tolist()


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point", "stored", "real"),
    [
        ("uint8", 0.5, 128, [0, 128, 255], [-64, 0, 63.5]),
        ("int8", 0.25, -128, [-128, 0, 127], [0, 32, 63.75]),
        ("int8", 1.0, 127, [-128, 127], [-255, 0]),  # would wrap around in int8
        ("uint8", 0.5, 3, [], []),
        ("float32", 0.0, 0, [1.5, -2], [1.5, -2]),
    ],
)
def test_quantises_and_back(
    dtype: str, scale: float, zero_point: int, stored: list[float], real: list[float]
) -> None:
    tensor = Tensor("t", (len(stored),), dtype, scale, zero_point)
    assert tensor.dequantise(np.array(stored, dtype)).tolist() == real
    back = tensor.quantise(np.array(real, np.float32))
    assert back.tolist() == stored and back.dtype == dtype


def test_quantising_saturates_and_rounds_half_to_even() -> None:
    tensor = Tensor("t", (4,), "int8", 1.0, 0)
    assert tensor.quantise(np.array([-1000, 1000, 0.5, 1.5])).tolist() == [-128, 127, 0, 2]


# Files that are not what they were.

CUTS = [*(len(WHOLE) * k // 48 for k in range(48)), *(len(WHOLE) - k for k in range(1, 9))]


@pytest.mark.parametrize("length", CUTS)
def test_a_cut_off_file_is_told_in_one_line(tmp_path: Path, length: int) -> None:
    (tmp_path / "cut.tflite").write_bytes(WHOLE[:length])
    with pytest.raises(ModelError, match=r"cut\.tflite") as e:
        Model(tmp_path / "cut.tflite")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("seed", range(20))
def test_garbage_is_told(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    garbage = rng.integers(0, 256, int(rng.integers(0, 3000)), np.uint8).tobytes()
    (tmp_path / "bad.tflite").write_bytes(WHOLE[:8] + garbage)
    with pytest.raises(ModelError, match="convert"):
        Model(tmp_path / "bad.tflite")


@pytest.mark.parametrize("start", range(8, len(WHOLE), len(WHOLE) // 24))
def test_a_file_whose_end_was_never_written_is_told(start: int, tmp_path: Path) -> None:
    (tmp_path / "bad.tflite").write_bytes(WHOLE[:start] + bytes(len(WHOLE) - start))
    with pytest.raises(ModelError):
        Model(tmp_path / "bad.tflite")


@pytest.mark.parametrize("path", [TINY, TINY_FLOAT])
def test_a_whole_file_has_no_damage(path: Path) -> None:
    assert damage(path.read_bytes()) is None


@pytest.mark.parametrize("content", [b"", b"TFL3", bytes(100), b"\xff" * 100])
def test_what_is_no_model_is_damaged(content: bytes) -> None:
    assert damage(content) is not None


def test_no_file_and_another_kind_of_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        Model(tmp_path / "none.tflite")
    (tmp_path / "text.tflite").write_text("hello world")
    with pytest.raises(ModelError, match=r"expected a TFLite model. .* \(11 bytes\)"):
        Model(tmp_path / "text.tflite")


# Run times and threads.


def test_says_what_to_install_where_there_is_no_run_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "RUNTIMES", ("no_such_runtime",))
    with pytest.raises(MissingExtra, match="pip install ai-edge-litert"):
        runtime_module()


def test_says_which_run_time_does_not_fit_numpy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "broken_runtime"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "interpreter.py").write_text("raise ImportError('numpy.core.multiarray')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtra, match=r"broken_runtime does not import with numpy"):
        runtime_module("broken_runtime")


@pytest.mark.parametrize(
    ("told", "threads"), [("3", 3), ("1", 1), ("0", None), ("x", None), ("", None)]
)
def test_threads_come_from_the_environment_where_told(
    monkeypatch: pytest.MonkeyPatch, told: str, threads: int | None
) -> None:
    monkeypatch.setenv("EDGECNN_THREADS", told)
    assert default_threads() == threads or (threads is None and 1 <= default_threads() <= 4)


def test_running_a_model_loads_no_training_package() -> None:
    code = (
        "import sys, numpy as np\n"
        "from edgecnn.runtime.interpreter import Model\n"
        f"Model({str(TINY)!r})(np.zeros((8, 8, 3), np.uint8))\n"
        "print(sorted({'tensorflow', 'keras', 'matplotlib', 'jax'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HERE.parent
    )
    assert done.stdout.strip() == "[]"
