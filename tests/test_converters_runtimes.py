"""The same int8 files on old run times and the new one: ``make test-runtimes``.

Every kind of layer answers within one step of the last bit. A deep network can differ by more, and
the reason is held here too: given the same inputs each of its operations is within one step, and
what these rounded differently travels on.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import runtime_grid
import runtimes
from converter_tools import SMALL

from converters import flatbuffer
from edgecnn import networks
from edgecnn.bundle import ASSETS, Bundle, same_answer
from edgecnn.runtime.interpreter import Model

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.filterwarnings("ignore:Statistics for quantized inputs:UserWarning")

NONE_HERE = "old run times have environments of their own: make test-runtimes"
WITH_DENSE = [name for name in runtime_grid.names() if "dense" in name.lower()]


@pytest.fixture(params=runtimes.RUN_TIMES)
def old(request: pytest.FixtureRequest) -> str:
    """Each old run time that has an environment here."""
    name = str(request.param)
    if name not in runtimes.installed():
        pytest.skip(NONE_HERE)
    return name


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all files of the grid."""
    if not runtimes.installed():
        pytest.skip(NONE_HERE)
    folder = tmp_path_factory.mktemp("grid")
    for name in runtime_grid.names():
        write(folder, name)
    return folder


@pytest.fixture(scope="module")
def new_answers(grid: Path) -> dict[str, list[Any]]:
    return runtimes.answers(runtimes.NEW, grid)


def write(folder: Path, name: str, **options: Any) -> Path:
    with contextlib.redirect_stdout(io.StringIO()):  # Keras tells of every export
        return runtime_grid.write(folder, name, **options)


# What can be said without an old run time.


def test_each_kind_of_layer_that_we_use_is_in_the_grid() -> None:
    used = {(type(x).__name__, activation(x)) for n in SMALL
            for x in networks.build(n, **SMALL[n]).layers}  # fmt: skip
    there = {
        (type(x).__name__, activation(x))
        for name in runtime_grid.names()
        for x in runtime_grid.build(name).layers
    }
    assert ("DepthwiseConv2D", "linear") in used and used - there == set()


def activation(layer: Any) -> str:
    return getattr(getattr(layer, "activation", None), "__name__", "")


@pytest.mark.parametrize("name", WITH_DENSE)
def test_dense_weights_have_one_scale(name: str, tmp_path: Path) -> None:
    assert set(scales_of_dense(write(tmp_path, name))) == {1}


def test_left_to_tensorflow_they_have_one_a_channel(tmp_path: Path) -> None:
    assert scales_of_dense(write(tmp_path, "Flatten-Dense", one_scale=False)) == [6]


@pytest.mark.parametrize("entry", Bundle(ASSETS).manifest.models.values(), ids=lambda e: e.file)
def test_what_ships_has_no_dense_layer_with_more(entry: Any) -> None:
    assert set(scales_of_dense(ASSETS / entry.file)) <= {1}


def scales_of_dense(file: Path) -> list[int]:
    graph = flatbuffer.read(file)
    return [
        len(graph.tensors[o.inputs[1]].scales)
        for o in graph.operations
        if o.kind == "FULLY_CONNECTED"
    ]


# On both.


def test_each_kind_of_layer_is_within_one_step(
    old: str, grid: Path, new_answers: dict[str, list[Any]]
) -> None:
    found = runtimes.answers(old, grid)
    assert set(found) == set(runtime_grid.names())
    constant = [n for n, outputs in found.items() if min(o.std() for o in outputs) < 1]
    assert constant == []
    worst = {n: steps(found[n], new_answers[n]) for n in runtime_grid.grid()}
    assert {n: w for n, w in worst.items() if w > 1} == {}
    for name in runtime_grid.OURS:
        assert_same(found[name], new_answers[name])


def test_what_ships_answers_the_same(old: str, tmp_path: Path) -> None:
    bundle = Bundle(ASSETS)
    golden = bundle.golden()
    for name, entry in bundle.manifest.models.items():
        (tmp_path / f"{name}.tflite").write_bytes((ASSETS / entry.file).read_bytes())
        np.savez(tmp_path / f"{name}.npz", input0=golden[f"{name}.input"][:, None])
    for name, outputs in runtimes.answers(old, tmp_path).items():
        wanted = [golden[f"{name}.output{i}"] for i in range(len(outputs))]
        assert_same([o[:, 0] for o in outputs], wanted)


@pytest.mark.parametrize("name", [*Bundle(ASSETS).manifest.models, *runtime_grid.OURS])
def test_each_operation_is_within_one_step_on_the_same_inputs(name: str, grid: Path) -> None:
    file = grid / f"{name}.tflite"
    if name not in runtime_grid.OURS:
        file = ASSETS / Bundle(ASSETS).entry(name).file
    pixels = np.random.default_rng(3).integers(0, 256, (3, *Model(file).inputs[0].shape), np.uint8)
    for rows in runtimes.partings(file, pixels).values():
        assert len(rows) == len(flatbuffer.read(file).operations)
        found = [row for row in rows if row is not None]
        assert max(row.alone for row in found) <= 1
        otherwise = {row.kind for row in found if row.alone}
        means = {"MEAN"} if name in runtime_grid.OURS else set()
        assert otherwise <= {"CONV_2D", "DEPTHWISE_CONV_2D"} | means
        # Of a mean 2.14 rounds up to an eighth of the values otherwise.
        assert max(row.alone_share for row in found if row.kind != "MEAN") < 0.02
        first = next((row for row in found if row.chained), None)
        # Up to there all inputs were equal, so it is the operation itself that rounds otherwise.
        assert first is None or (first.alone, first.alone_share) == (1, first.chained_share)


def test_dense_weights_with_a_scale_a_channel_are_zeros_on_one(old: str, tmp_path: Path) -> None:
    file = write(tmp_path, "Flatten-Dense", one_scale=False)
    zero = Model(file).outputs[0].zero_point
    (new,) = runtimes.answers(runtimes.NEW, tmp_path)["Flatten-Dense"]
    (found,) = runtimes.answers(old, tmp_path)["Flatten-Dense"]
    assert new.std() > 1
    if old.endswith(" 2.9.1"):
        assert np.array_equal(found, np.full_like(found, zero))  # and not a word
    else:
        assert steps([found], [new]) <= 1


def test_how_each_rounds(old: str, grid: Path, new_answers: dict[str, list[Any]]) -> None:
    """The new one rounds the exact product to the nearest integer. The old ones' kernels in fixed
    point round twice, first to a fraction of a step: what lies just below a half goes up. (2.9.1
    has both kinds of kernels.)"""
    file = grid / "Conv2D-1x1.tflite"
    graph = flatbuffer.read(file)
    (conv,) = [o for o in graph.operations if o.kind == "CONV_2D"]
    x, w, out = (graph.tensors[t] for t in (*conv.inputs[:2], conv.outputs[0]))
    module = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = module.Interpreter(str(file))
    weights, bias = (interpreter.get_tensor(t).astype(np.int64) for t in conv.inputs[1:])
    with np.load(file.with_suffix(".npz")) as given:
        bytes_in = given["input0"][:, 0].astype(np.int64)
    # A byte less 128 is the operation's input; the zero point is that of the byte mapping.
    assert (x.scales, x.zero_points) == ((1 / 128,), (0,))
    sums = np.einsum("nhwc,oc->nhwo", bytes_in - 128, weights[:, 0, 0]) + bias
    scale = np.float64(x.scales[0]) * np.array(w.scales) / np.float64(out.scales[0])
    exact = sums * scale
    once, twice = np.rint(exact), rounded_twice(sums, scale)
    assert 0 < np.mean(once != twice) < 0.05
    new, found = (
        answer[:, 0].astype(np.int64) - 128 - out.zero_points[0]
        for answer in (new_answers["Conv2D-1x1"][0], runtimes.answers(old, grid)["Conv2D-1x1"][0])
    )
    inside = np.abs(exact + out.zero_points[0]) < 126  # the others are cut off alike
    assert np.abs(new - exact)[inside].max() < 0.5 + 1e-3
    assert ((found == once) | (found == twice))[inside].all()


def rounded_twice(
    sums: npt.NDArray[np.int64], scale: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """A 32-bit fixed-point product, rounded to integers, is shifted right, rounded again; halves go
    up both times (``MultiplyByQuantizedMultiplier``, Jacob et al. 2018, §2.2)."""
    fraction, exponent = np.frexp(scale)
    assert (exponent < 0).all()
    high = half_up(sums * np.rint(fraction * 2.0**31).astype(np.int64), np.int64(31))
    return half_up(high, -exponent.astype(np.int64))


def half_up(x: npt.NDArray[np.int64], bits: npt.NDArray[np.int64] | np.int64) -> Any:
    """``x / 2**bits``, rounded to the nearest integer, halves up."""
    return (x + (np.int64(1) << (bits - 1))) >> bits


def steps(a: list[Any], b: list[Any]) -> int:
    assert len(a) == len(b)
    return max(runtimes.apart(x, y)[0] for x, y in zip(a, b, strict=True))


def assert_same(found: list[Any], expected: list[Any]) -> None:
    """What a bundle's self-test asks for, picture by picture."""
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert all(same_answer(x, y) for x, y in zip(a, b, strict=True))
