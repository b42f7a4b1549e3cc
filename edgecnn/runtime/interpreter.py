"""A ``.tflite`` file as a function from bytes to numbers.

The only module that knows which run time is installed: ai-edge-litert, or tflite-runtime where
only that serves (32-bit ARM, or an Edge TPU library built against it).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import MissingExtra, ModelError
from edgecnn.images import OWN_MEAN, OWN_STD, Floats, Preprocess
from edgecnn.runtime.intact import read
from edgecnn.text import TextInput

RUNTIMES = ("ai_edge_litert", "tflite_runtime")
"""Import names of the run times, in the order in which they are tried."""

EDGETPU_LIBRARY = "libedgetpu.so.1"


def runtime_module(name: str | None = None) -> Any:
    """The ``interpreter`` module of the first run time that imports, or of ``name``.

    Raises:
        MissingExtra: none is installed, or the installed one does not fit this numpy.
    """
    import importlib

    failures = []
    for package in (name,) if name else RUNTIMES:
        try:
            return importlib.import_module(f"{package}.interpreter")
        except ModuleNotFoundError as e:
            if (e.name or "").partition(".")[0] != package:
                raise
        except (ImportError, AttributeError, SystemError) as e:
            # tflite-runtime 2.14 was built for numpy 1 and says so in one of these three ways.
            failures.append(f"{package} does not import with numpy {np.__version__} ({e})")
    raise MissingExtra(
        f"expected a run time for .tflite files, found none{''.join('; ' + f for f in failures)}: "
        "pip install ai-edge-litert, or on 32-bit ARM pip install 'numpy<2' tflite-runtime"
    )


def default_threads() -> int:
    """``EDGECNN_THREADS`` where set, else the processors this process may use, at most 4."""
    told = os.environ.get("EDGECNN_THREADS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(4, usable or 1)


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model, as the file describes it.

    Attributes:
        shape: with the leading batch dimension.
        dtype: ``uint8``, ``int8`` or ``float32``, as numpy names it.
        scale, zero_point: ``real = (stored - zero_point) * scale``; scale 0 where not quantised.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int

    def dequantise(self, stored: npt.NDArray[Any]) -> Floats:
        """Stored integers to real numbers, ``float32``, the shape unchanged."""
        if self.scale == 0:
            return stored.astype(np.float32)
        # int32 first: int8 less an int8 zero point would wrap around.
        centred = stored.astype(np.int32) - self.zero_point
        return centred.astype(np.float32) * np.float32(self.scale)

    def quantise(self, real: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Real numbers to the stored type, rounded half to even and saturated."""
        if self.scale == 0:
            return real.astype(self.dtype)
        limits = np.iinfo(self.dtype)
        stored = np.rint(real / self.scale) + self.zero_point
        return np.asarray(np.clip(stored, limits.min, limits.max), self.dtype)


class Model:
    """A loaded ``.tflite`` file; one thread may use it at a time.

    Args:
        preprocess: what a byte means to the network; None for one of our own.
        edgetpu: run what the file was compiled for on an Edge TPU. Where its library and the run
            time are not of one TensorFlow, that ends the process: see
            :mod:`edgecnn.camera.accelerator`.

    Attributes:
        inputs, outputs: the :class:`Tensor` facts, in the file's order.

    Raises:
        ModelError: the file is missing, not a TFLite model, cut off, or has an op that this run
            time lacks; or there is no Edge TPU.
    """

    def __init__(
        self,
        path: str | Path,
        threads: int | None = None,
        runtime: str | None = None,
        preprocess: Preprocess | TextInput | None = None,
        edgetpu: bool = False,
    ):
        self.path = Path(path)
        self._means = (preprocess.mean, preprocess.std) if preprocess else (OWN_MEAN, OWN_STD)
        self._stored: npt.NDArray[Any] | None = None
        content = read(self.path)
        module = runtime_module(runtime)
        self.threads = threads or default_threads()
        options: dict[str, Any] = {"num_threads": self.threads}
        if edgetpu:
            options["experimental_delegates"] = [_edgetpu(module)]
        try:
            self._interpreter = module.Interpreter(model_content=content, **options)
            self._interpreter.allocate_tensors()
            inputs = self._interpreter.get_input_details()
            outputs = self._interpreter.get_output_details()
        except SystemError as e:
            # tflite-runtime 2.14 imports with numpy 2, and fails only when it meets an array.
            raise MissingExtra(
                f"{module.__name__} does not work with numpy {np.__version__} ({e}): "
                "pip install 'numpy<2', or pip install ai-edge-litert"
            ) from e
        except (ValueError, RuntimeError) as e:
            cure = "it is damaged or needs ops that this run time lacks; convert it again"
            if "failed to create XNNPACK runtime" in str(e):
                # It takes no step 256 times as fine as the sum it is made from
                # (XNNPACK, src/operators/convolution-nhwc.c), where older run times do.
                cure = (
                    "a layer in it died, so that its range has shrunk to nothing, or it is "
                    "damaged; train again with a smaller learning rate, and convert that"
                )
            raise ModelError(f"{path} does not load ({_first_line(e)}): {cure}") from e
        self._content = content  # the interpreter reads weights from it
        self.inputs = [_tensor(d) for d in inputs]
        self.outputs = [_tensor(d) for d in outputs]
        self._input_ids = [d["index"] for d in inputs]
        self._output_ids = [d["index"] for d in outputs]

    def invoke(self, *stored: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Run once on inputs of the stored type; outputs of the stored type, copied.

        Args:
            stored: one array an input; a missing leading batch dimension of 1 is added.

        Raises:
            ModelError: the run time gave up on it.
        """
        shaped = [a.reshape(t.shape) for a, t in zip(stored, self.inputs, strict=True)]
        try:
            for index, array in zip(self._input_ids, shaped, strict=True):
                self._interpreter.set_tensor(index, array)
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(i) for i in self._output_ids]
        except (ValueError, RuntimeError) as e:
            raise ModelError(
                f"{self.path} does not run ({_first_line(e)}): it is damaged, or was given "
                "another kind of input; convert it again"
            ) from e

    def from_pixels(self, pixels: npt.NDArray[np.uint8]) -> list[npt.NDArray[Any]]:
        """Run once on the bytes that :class:`edgecnn.images.Preprocess` made; stored outputs.

        What the file stores for each byte is looked up; bytes that are stored as they are, or less
        128, pass through untouched.
        """
        if self._stored is None:
            self._stored = stored_bytes(self.inputs[0], *self._means)
        if len(self._stored) == 0:
            is_signed = self.inputs[0].dtype == "int8"
            return self.invoke(np.bitwise_xor(pixels, 0x80).view(np.int8) if is_signed else pixels)
        if len(self._stored) == 1:
            return self.invoke(self._stored[0][pixels])
        channels = [table[pixels[..., c]] for c, table in enumerate(self._stored)]
        return self.invoke(np.stack(channels, axis=-1))

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> list[Floats]:
        """:meth:`from_pixels`, de-quantised: ``float32`` arrays with a leading dimension of 1."""
        outputs = self.from_pixels(pixels)
        return [t.dequantise(o) for t, o in zip(self.outputs, outputs, strict=True)]


def stored_bytes(
    tensor: Tensor, mean: tuple[float, ...], std: tuple[float, ...]
) -> npt.NDArray[Any]:
    """What a model's input stores for each byte that it sees as ``(byte - mean) / std``.

    Args:
        mean, std: one number each, or one a channel.

    Returns:
        ``(1, 256)`` or, a row a channel, ``(C, 256)`` of the tensor's type. ``(0, 256)`` where that
        is, by at most one step, the byte itself (uint8) or the byte less 128 (int8): the way that
        whoever calibrated with bytes meant it, and nothing to compute.
    """
    means, stds = np.broadcast_arrays(np.asarray(mean, np.float32), np.asarray(std, np.float32))
    real = (np.arange(256, dtype=np.float32) - means[:, None]) / stds[:, None]
    table = tensor.quantise(real)
    if tensor.dtype in ("uint8", "int8"):
        plain = np.arange(256) - (128 if tensor.dtype == "int8" else 0)
        if np.abs(table.astype(np.int32) - plain).max() <= 1:
            return table[:0]
    return table


def _edgetpu(module: Any) -> Any:
    """The delegate that hands a compiled model's operations to an Edge TPU."""
    try:
        return module.load_delegate(EDGETPU_LIBRARY)
    except OSError as e:
        raise ModelError(f"no {EDGETPU_LIBRARY} here: edgecnn doctor says which to install") from e
    except ValueError as e:  # it says no more, whatever is the matter
        raise ModelError(
            "no Edge TPU answers: plugged in, used by no other program, and permitted (group "
            "plugdev or apex)?"
        ) from e


def _first_line(e: Exception) -> str:
    return (str(e).strip().splitlines() or ["unknown"])[0]


def _tensor(details: dict[str, Any]) -> Tensor:
    scale, zero_point = details["quantization"]
    return Tensor(
        name=details["name"],
        shape=tuple(int(n) for n in details["shape"]),
        dtype=np.dtype(details["dtype"]).name,
        scale=float(scale),
        zero_point=int(zero_point),
    )
