"""A full int8 classifier from elsewhere into a bundle of our own; needs no TensorFlow.

What the file does not say of itself has to be told: labels, what a byte means to the network, the
order of channels. The threshold below which the answer is *unknown* is measured on pictures, as for
a run of our own. The file itself goes along byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from converters import flatbuffer, metadata
from converters.card import model_card
from converters.export import Part, Strangers, golden_pictures, write_bundle
from converters.models import FILES
from edgecnn.bundle import GALLERY, MANIFEST, Bundle, ModelEntry, OperatingPoint, golden_outputs
from edgecnn.classify import PROBABILITIES
from edgecnn.data.folders import label_of, list_photos, read_photos
from edgecnn.errors import DataError, ModelError
from edgecnn.faces.exchange import refuse_to_lose
from edgecnn.images import Floats, Preprocess
from edgecnn.runtime import trial
from edgecnn.runtime.interpreter import Model, Tensor
from edgecnn.storage import refuse_taken, sha256_of
from edgecnn.training.measures import accuracies, confusion, least_threshold, softmax

Numbers = tuple[float, ...]

RANGES = ((-1.0, 1.0), (0.0, 1.0), (0.0, 255.0))
"""The ranges that bytes are commonly brought to; a file whose input holds one of them, and no
other, needs no more telling. TensorFlow's and Keras's own networks take these."""

NEAR = 0.02
"""How far the ends of an input may be from those of a common range, as a share of its width: the
calibration found them, and 1/127.5 and 1/128 are both in use."""

LOST, USED = 64, 64
"""Of 256 bytes, how many at most may lie beyond what the input holds, and how many different
values at least they must become. With a wrong scale nearly all are lost, or nearly all alike."""

PASSED_OVER = ("QUANTIZE", "DEQUANTIZE", "RESHAPE")
"""Operations after a softmax that leave it one."""


@dataclass(frozen=True)
class Told:
    """What the user says of a file; None where the file is to say it.

    Attributes:
        labels: a file with a class a line, in output order.
        mean, std: the network sees a byte ``b`` as ``(b - mean) / std``: one number, or one a
            channel.
        range: what the bytes 0 and 255 become; the other way to say it.
        order: ``"RGB"``, ``"BGR"`` or ``"GRAY"``.
    """

    labels: Path | None = None
    mean: Numbers | None = None
    std: Numbers | None = None
    range: tuple[float, float] | None = None
    order: str | None = None


def from_tflite(
    file: str | Path,
    board: str,
    out: str | Path,
    *,
    data: str | Path | None,
    told: Told,
    card: str | None = None,
    replace: bool = False,
) -> Bundle:
    """Make an images bundle out of a classifier's ``.tflite`` file.

    Args:
        board: name of the target, for the manifest.
        data: a folder for each class, to measure the threshold on; classes may be left out.
        card: Markdown that opens the model card: whose model, what terms.
        replace: an existing ``out`` gives way.

    Raises:
        ModelError: the file is damaged, hostile, no full int8 classifier of one picture, or does
            not say what a byte means to it.
        DataError: there are no pictures, or labels do not match outputs or folders.
        StorageError: ``out`` exists or cannot be written; nothing is left behind.
    """
    file, out = Path(file), Path(out)
    if data is None:
        raise DataError(
            "expected pictures to measure the threshold on, without which a bundle names anything: "
            "name a folder with a folder for each class by --data"
        )
    refuse_taken(out, replace, MANIFEST)
    refuse_to_lose(out / GALLERY, None)
    graph, said = flatbuffer.read(file), metadata.read(file)
    if fault := unfit(graph):
        raise ModelError(f"expected a full int8 classifier of one picture. {file} {fault}")
    trial.check(file)
    tensor = Model(file, threads=1).inputs[0]
    preprocess = input_of(file, tensor, said, told)
    labels = labels_of(file, said, told, graph.tensors[graph.outputs[0]].shape[-1])
    facts = {"output": PROBABILITIES} if ends_in_probabilities(graph) else {}
    model = Model(file, preprocess=preprocess)
    found, targets = _answers(model, preprocess, labels, Path(data))
    probabilities = found if facts else softmax(found)
    point = least_threshold(probabilities, targets)
    scores = accuracies(confusion(probabilities.argmax(axis=1), targets, len(labels)))
    entry = ModelEntry(FILES["classifier"], preprocess, labels, facts, {"int8": scores})
    text = model_card("classifier", entry, graph, {"task": "images", "settings": {}, "card": (
        f"{card or ''}\n\nTaken as it is from `{file.name}`, sha256 {sha256_of(file)}."
    )})  # fmt: skip
    golden = golden_outputs(
        {"classifier": model}, {"classifier": golden_pictures(preprocess.shape)}
    )
    measured = f"{len(targets)} pictures of {len(set(targets.tolist()))} classes in a folder given"
    return write_bundle(
        out,
        board,
        [Part("classifier", entry, file, text, golden)],
        Strangers(OperatingPoint(**point, measured_on=measured)),
        None,
        replace,
    )


def unfit(graph: flatbuffer.Graph) -> str | None:
    """Why a file is no full int8 classifier of one picture, with the cure; None where it is."""
    builtin = set(vars(flatbuffer.schema().BuiltinOperator)) - {"CUSTOM"}
    for operation in graph.operations:
        if operation.kind == "edgetpu-custom-op":
            return "was compiled for an Edge TPU: give the file it was compiled from"
        if operation.kind not in builtin:
            return f"has a custom operation ({operation.kind}): convert it without"
    if graph.subgraphs != 1:
        return f"has {graph.subgraphs} graphs: convert it without loops and conditions"
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return (
            f"has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs: cut it down to one"
        )
    cure = (
        "convert it with a representative dataset, TFLITE_BUILTINS_INT8, and uint8 as "
        "inference_input_type and inference_output_type"
    )
    picture, output = graph.input(), graph.tensors[graph.outputs[0]]
    for what, tensor in (("takes", picture), ("gives", output)):
        if tensor.dtype not in ("int8", "uint8") or len(tensor.scales) != 1:
            return f"{what} {tensor.dtype}: {cure}"
    for operation in graph.operations:
        if any(graph.tensors[i].dtype.startswith("float") for i in operation.outputs):
            return f"has {operation.kind} in float: {cure}"
    if len(picture.shape) != 4 or picture.shape[0] != 1 or picture.shape[3] not in (1, 3):
        return (
            f"takes {picture.shape}, expected (1, height, width, 1 or 3): convert it with batch 1"
        )
    if len(output.shape) != 2 or output.shape[0] != 1 or output.shape[1] < 2:
        return f"gives {output.shape}, expected (1, classes): name a classifier"
    return None


def ends_in_probabilities(graph: flatbuffer.Graph) -> bool:
    """Whether the outputs are probabilities already: a softmax, or a sigmoid, is the last thing
    computed."""
    makers = {i: operation for operation in graph.operations for i in operation.outputs}
    at = graph.outputs[0]
    while at in makers and makers[at].kind in PASSED_OVER:
        at = makers[at].inputs[0]
    return at in makers and makers[at].kind in ("SOFTMAX", "LOGISTIC")


def input_of(file: Path, tensor: Tensor, said: metadata.Metadata, told: Told) -> Preprocess:
    """How a picture becomes the input: as told, else as the file's metadata says, else by the
    range that its quantisation holds.

    Raises:
        ModelError: none of these says it, or what was told does not fit the file.
    """
    h, w, channels = tensor.shape[1:]
    order = told.order or said.order or ("GRAY" if channels == 1 else "RGB")
    if (order == "GRAY") != (channels == 1):
        raise ModelError(
            f"expected an order for {channels} channel{'s' * (channels > 1)}. Received: {order}: "
            f"choose --order {'GRAY' if channels == 1 else 'RGB or BGR'}"
        )
    lowest, highest = tensor.dequantise(np.array(_limits(tensor), tensor.dtype)).tolist()
    mean, std = _means(told, said) or _by_range(file, lowest, highest)
    try:
        preprocess = Preprocess((w, h), order, mean=mean, std=std)
    except DataError as e:
        raise ModelError(f"{e}: correct --mean and --std") from e
    means, stds = np.broadcast_arrays(np.array(mean)[:, None], np.array(std)[:, None])
    real = (np.arange(256) - means) / stds
    step = tensor.scale
    lost = int(((real < lowest - step) | (real > highest + step)).sum(axis=1).max())
    used = min(len(np.unique(row)) for row in tensor.quantise(real))
    if lost > LOST or used < USED:
        raise ModelError(
            f"expected bytes to become {lowest:.3g} to {highest:.3g}, which the input of {file} "
            f"holds. By this mean and std they become {real.min():.3g} to {real.max():.3g}: mean "
            "and std are in bytes, so that 0.485 of the range 0 to 1 is 123.675"
        )
    return preprocess


def _limits(tensor: Tensor) -> tuple[int, int]:
    info = np.iinfo(tensor.dtype)
    return int(info.min), int(info.max)


def _means(told: Told, said: metadata.Metadata) -> tuple[Numbers, Numbers] | None:
    if (told.mean is None) != (told.std is None) or (told.range and told.mean):
        raise ModelError("expected --mean and --std, or --range alone: give both or the other")
    if told.mean is not None and told.std is not None:
        return told.mean, told.std
    if told.range is not None:
        return _of_range(*told.range)
    return (said.mean, said.std) if said.mean and said.std else None


def _of_range(low: float, high: float) -> tuple[Numbers, Numbers]:
    if not high > low:
        raise ModelError(
            f"expected a range from low to high. Received: {low:g},{high:g}: swap them"
        )
    std = 255 / (high - low)
    return (-low * std,), (std,)


def _by_range(file: Path, lowest: float, highest: float) -> tuple[Numbers, Numbers]:
    for low, high in RANGES:
        near = NEAR * (high - low)
        if abs(lowest - low) <= near and abs(highest - high) <= near:
            return _of_range(low, high)
    raise ModelError(
        f"expected to find what a byte means to {file}. It has no such metadata, and its input "
        f"holds {lowest:.3g} to {highest:.3g}, which is no common range: say it with --range, or "
        "--mean and --std"
    )


def labels_of(file: Path, said: metadata.Metadata, told: Told, count: int) -> tuple[str, ...]:
    """The labels, one an output.

    Raises:
        DataError: there are none, one is empty, or not as many as outputs.
    """
    source, labels = f"the metadata of {file}", said.labels
    if told.labels is not None:
        source = str(told.labels)
        try:
            labels = metadata.parse_labels(told.labels.read_bytes())
        except OSError as e:
            raise DataError(f"{source} cannot be read ({e.strerror}): check the path") from e
        except UnicodeDecodeError as e:
            raise DataError(f"{source} is no text in UTF-8: name a file with a label a line") from e
    if len(labels) != count or "" in labels:
        raise DataError(
            f"expected {count} labels, a line for each output of {file}. {source} has "
            f"{len([label for label in labels if label])}: name the right file by --labels; often "
            "a first line for the background is missing or too many"
        )
    return labels


def _answers(
    model: Model, preprocess: Preprocess, labels: tuple[str, ...], data: Path
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Outputs ``(N, classes)`` and class numbers ``(N,)`` of all pictures in a folder."""
    names = list_photos(data)
    folders = sorted({label_of(name) for name in names})
    if strange := [f for f in folders if labels.count(f) != 1]:
        raise DataError(
            f"expected folders named after labels, each after one. {data} has: "
            f"{', '.join(strange[:3])}; the labels begin with {', '.join(labels[:3])}: rename them"
        )
    photos = read_photos(data, names, preprocess)
    targets = np.array([labels.index(label_of(name)) for name in photos.names], np.int64)
    return np.concatenate([model(pixels)[0] for pixels in photos.pixels]), targets
