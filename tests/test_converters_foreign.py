"""A classifier from elsewhere becomes a bundle, and answers there what it should."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from foreign_files import (
    TINY,
    TINY_FLOAT,
    changed,
    quantised,
    with_custom,
    with_softmax,
    with_two,
)

from converters import metadata
from converters.foreign import Told, from_tflite
from edgecnn.bundle import Bundle
from edgecnn.classify import Classifier, softmax
from edgecnn.errors import DataError, EdgeCNNError, ModelError, StorageError
from edgecnn.images import Preprocess
from edgecnn.runtime.interpreter import Model, Tensor, stored_bytes

NAMES = ("ant", "bee", "cat")
ORIGINAL = Model(TINY_FLOAT)
"""The network before it was quantised: the oracle."""


def pictures(count: int, seed: int = 0) -> Any:
    """RGB, as the network gets them."""
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8)


def exact(pixels: Any, mean: Any = 128.0, std: Any = 128.0) -> Any:
    """Logits of the original for pixels that it sees as ``(byte - mean) / std``."""
    return ORIGINAL.invoke(((pixels - np.float32(mean)) / np.float32(std)).astype(np.float32))[0][0]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    (tmp_path / "labels.txt").write_text("\n".join(NAMES) + "\n")
    return tmp_path / "labels.txt"


def folder(path: Path, answer: Callable[[Any], Any], count: int = 60) -> Path:
    """Pictures, each in the folder of the class that ``answer`` gives logits for."""
    for i, pixels in enumerate(pictures(count)):
        label = NAMES[int(answer(pixels).argmax())]
        (path / label).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path / label / f"{i}.png"), pixels[..., ::-1])
    return path


BYTES = ("UINT8", 1 / 128, 128)

FORMS = [
    # Quantisation of the input, what is told, and the mean and std that it comes to.
    pytest.param(BYTES, {}, (127.5, 127.5), id="-1 to 1"),
    pytest.param(("INT8", 1 / 128, 0), {}, (127.5, 127.5), id="int8"),
    pytest.param(("UINT8", 1 / 255, 0), {}, (0, 255), id="0 to 1"),
    pytest.param(("INT8", 1 / 255, -128), {}, (0, 255), id="0 to 1, int8"),
    pytest.param(("UINT8", 0.8 / 255, 64), {"range": (-0.2, 0.6)}, (63.75, 318.75), id="range"),
    pytest.param(("UINT8", 1.9 / 255, 128), {"mean": (100.0, 128.0, 150.0),
                 "std": (163.0, 170.0, 180.0)}, None, id="a mean a channel"),
    pytest.param(("INT8", 1.9 / 255, 0), {"mean": (100.0, 128.0, 150.0),
                 "std": (163.0, 170.0, 180.0)}, None, id="a mean a channel, int8"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "told", "means"), FORMS)
def test_it_answers_what_the_original_would(
    tmp_path: Path, labels: Path, form: Any, told: dict[str, Any], means: Any
) -> None:
    mean, std = means or (told["mean"], told["std"])
    file = changed(tmp_path / "their.tflite", quantised("inputs", *form))
    data = folder(tmp_path / "data", lambda pixels: exact(pixels, mean, std))
    bundle = from_tflite(file, "coral-usb", tmp_path / "out", data=data, told=Told(labels, **told))
    entry = Bundle(tmp_path / "out").entry("classifier")
    assert (bundle.path / "model.tflite").read_bytes() == file.read_bytes()
    assert bundle.self_test() == {"classifier": 0}
    assert (entry.labels, entry.input.order, entry.input.size_wh) == (NAMES, "RGB", (8, 8))
    if means:
        assert (entry.input.mean, entry.input.std) == ((mean,), (std,))
    assert entry.metrics["int8"]["accuracy"] > 0.9  # two steps of rounding flip what is close
    classify, output = Classifier(bundle), Model(file).outputs[0]
    lowest, highest = output.dequantise(np.array([0, 255], np.uint8))
    for pixels in pictures(20, seed=1):
        found = bundle.model("classifier")(pixels)[0][0]
        expected = np.clip(exact(pixels, mean, std), lowest, highest)  # what calibration saw
        np.testing.assert_allclose(found, expected, atol=5 * output.scale)
        probabilities = classify.probabilities(pixels[..., ::-1])
        np.testing.assert_allclose(probabilities, softmax(found), atol=1e-6)


def test_by_the_wrong_normalisation_it_would_be_wrong(tmp_path: Path, labels: Path) -> None:
    # The same file and pictures as "0 to 1" above, read as our own networks are.
    file = changed(tmp_path / "their.tflite", quantised("inputs", "UINT8", 1 / 255, 0))
    ours = Model(file)
    apart = [np.abs(ours(p)[0][0] - exact(p, 0, 255)).max() for p in pictures(20)]
    assert np.mean(apart) > 5 * ours.outputs[0].scale


def test_the_threshold_is_measured(tmp_path: Path, labels: Path) -> None:
    data = folder(tmp_path / "data", lambda pixels: Model(TINY)(pixels)[0][0])
    bundle = from_tflite(TINY, "x86-64", tmp_path / "out", data=data, told=Told(labels))
    point = bundle.manifest.operating_point
    assert point is not None and (point.error_rate, point.trials) == (0, 60)
    sureness = [softmax(Model(TINY)(p)[0][0]).max() for p in pictures(60)]
    assert point.threshold == pytest.approx(min(sureness), abs=1e-6)
    assert point.measured_on == "60 pictures of 3 classes in a folder given"
    card = (bundle.path / "model.md").read_text("utf-8")
    assert "Taken as it is from `tiny.tflite`, sha256 " in card and "| accuracy | 1.0000 |" in card
    assert "| mean, std | 127.5, 127.5, of bytes |" in card and "calibration" not in card


def test_probabilities_of_its_own_stay_what_they_are(tmp_path: Path, labels: Path) -> None:
    file = changed(tmp_path / "their.tflite", with_softmax)
    data = folder(tmp_path / "data", exact)
    bundle = from_tflite(file, "x86-64", tmp_path / "out", data=data, told=Told(labels))
    assert bundle.entry("classifier").facts == {"output": "probabilities"}
    classify = Classifier(bundle)
    for pixels in pictures(10, seed=1):
        found = classify.probabilities(pixels[..., ::-1])
        np.testing.assert_allclose(found, softmax(exact(pixels)), atol=0.03)


def test_what_the_file_says_of_itself_is_enough(tmp_path: Path) -> None:
    file = changed(tmp_path / "their.tflite")
    metadata.write(file, "classifier", Preprocess((8, 8)), NAMES)
    data = folder(tmp_path / "data", exact)
    bundle = from_tflite(file, "x86-64", tmp_path / "out", data=data, told=Told())
    entry = bundle.entry("classifier")
    assert (entry.labels, entry.input) == (NAMES, Preprocess((8, 8)))


def test_channels_in_another_order(tmp_path: Path, labels: Path) -> None:
    data = folder(tmp_path / "data", lambda pixels: exact(pixels[..., ::-1]))
    bundle = from_tflite(
        TINY, "x86-64", tmp_path / "out", data=data, told=Told(labels, order="BGR")
    )
    assert bundle.entry("classifier").metrics["int8"]["accuracy"] > 0.9


REFUSED = [
    ([with_custom("Odd")], "has a custom operation (Odd): convert it without"),
    ([with_custom("edgetpu-custom-op")], "was compiled for an Edge TPU"),
    ([with_two("outputs")], "has 1 inputs and 2 outputs"),
    ([with_two("inputs")], "has 2 inputs and 1 outputs"),
    ([quantised("inputs", "FLOAT32", 1, 0)], "takes float32: convert it with a representative"),
    ([quantised("outputs", "FLOAT32", 1, 0)], "gives float32: convert it with a representative"),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "message"), REFUSED, ids=[m[:30] for _, m in REFUSED])
def test_what_is_no_full_int8_classifier_of_one_picture(
    tmp_path: Path, labels: Path, edits: Any, message: str
) -> None:
    file = changed(tmp_path / "their.tflite", *edits)
    with pytest.raises(ModelError) as e:
        from_tflite(file, "x86-64", tmp_path / "out", data=tmp_path, told=Told(labels))
    assert str(e.value).startswith("expected a full int8 classifier of one picture. ")
    assert message in str(e.value) and not (tmp_path / "out").exists()


def refusal(tmp_path: Path, file: Path = TINY, data: Path | None = None, **told: Any) -> str:
    with pytest.raises(EdgeCNNError) as e:
        from_tflite(file, "x86-64", tmp_path / "out", data=data or tmp_path, told=Told(**told))
    assert "\n" not in str(e.value) and not (tmp_path / "out").exists()
    return str(e.value)


def test_a_float_model(tmp_path: Path, labels: Path) -> None:
    assert "takes float32" in refusal(tmp_path, TINY_FLOAT, labels=labels)


def test_a_normalisation_that_nothing_tells(tmp_path: Path, labels: Path) -> None:
    file = changed(tmp_path / "t.tflite", quantised("inputs", "UINT8", 0.0187, 113))
    text = refusal(tmp_path, file, labels=labels)
    assert "holds -2.11 to 2.66, which is no common range: say it with --range" in text


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}, "0.485 of the range 0 to"),
        ({"mean": (0.0,), "std": (1.0,)}, "By this mean and std they become 0 to 255"),
        ({"mean": (127.5,), "std": (1e5,)}, "mean and std are in bytes"),
        ({"mean": (128.0,)}, "expected --mean and --std, or --range alone"),
        ({"mean": (128.0,), "std": (128.0,), "range": (-1.0, 1.0)}, "or --range alone"),
        ({"range": (1.0, -1.0)}, "expected a range from low to high"),
        ({"mean": (128.0,), "std": (0.0,)}, "above 0"),
        ({"order": "GRAY"}, "expected an order for 3 channels. Received: GRAY: choose --order RGB"),
    ],
)
def test_what_does_not_fit_the_file(
    tmp_path: Path, labels: Path, told: dict[str, Any], message: str
) -> None:
    assert message in refusal(tmp_path, labels=labels, **told)


@pytest.mark.parametrize("text", ["ant\nbee\n", "ant\nbee\ncat\ndog\n", "ant\n\ncat\n", ""])
def test_labels_that_are_not_as_many_as_outputs(tmp_path: Path, text: str) -> None:
    (tmp_path / "wrong.txt").write_text(text)
    assert "expected 3 labels, a line for each" in refusal(tmp_path, labels=tmp_path / "wrong.txt")


def test_no_labels_anywhere(tmp_path: Path) -> None:
    assert "the metadata of " in refusal(tmp_path) and "has 0" in refusal(tmp_path)


def test_pictures_of_a_class_that_it_does_not_have(tmp_path: Path, labels: Path) -> None:
    data = folder(tmp_path / "data", exact)
    (data / "ant").rename(data / "spider")
    assert "folders named after labels, each after one" in refusal(
        tmp_path, data=data, labels=labels
    )


def test_no_pictures_and_a_bundle_in_the_way(tmp_path: Path, labels: Path) -> None:
    with pytest.raises(DataError, match="expected pictures to measure the threshold on"):
        from_tflite(TINY, "x86-64", tmp_path / "out", data=None, told=Told(labels))
    (tmp_path / "out").mkdir()
    with pytest.raises(StorageError, match="exists already"):
        from_tflite(TINY, "x86-64", tmp_path / "out", data=tmp_path, told=Told(labels))


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point", "means", "rows"),
    [
        ("uint8", 1 / 128, 128, ((128,), (128,)), []),
        ("uint8", 1 / 127.5, 127, ((127.5,), (127.5,)), []),  # half a step beside
        ("int8", 1 / 128, 0, ((128,), (128,)), []),
        ("uint8", 2.0, 0, ((0,), (1,)), [[0, 0, 1, 50, 128]]),  # halves to even
        ("int8", 2.0, -128, ((0,), (1,)), [[-128, -128, -127, -78, 0]]),
        ("uint8", 1.0, 0, ((0, 100), (1, 0.5)), [[0, 1, 2, 100, 255], [0, 0, 0, 0, 255]]),
        ("float32", 0.0, 0, ((0,), (255,)), [[0, 1 / 255, 2 / 255, 100 / 255, 1]]),
    ],
)
def test_what_an_input_stores_for_a_byte(
    dtype: str, scale: float, zero_point: int, means: Any, rows: Any
) -> None:
    tensor = Tensor("t", (1, 2, 2, 3), dtype, scale, zero_point)
    table = stored_bytes(tensor, *means)
    assert table.dtype == dtype and table.shape == (len(rows), 256)
    for row, expected in zip(table, rows, strict=True):
        assert row[[0, 1, 2, 100, 255]].tolist() == pytest.approx(expected)


def test_the_command(tmp_path: Path, labels: Path, edgecnn: Any) -> None:
    data = folder(tmp_path / "data", exact)
    words = ["convert", "--from-tflite", TINY, "--labels", labels, "--data", data]
    words += ["--for", "coral-usb", "--out"]
    code, out, err = edgecnn(*words, tmp_path / "out", "--range", "-1,1")
    assert (code, err) == (0, "") and "accuracy              int8 " in out
    assert "float" not in out and "measured error rate" in out
    code, out, _ = edgecnn("evaluate", tmp_path / "out", "--data", data, "--json")
    assert code == 0 and '"pictures": 60' in out
    for extra, message in [
        (["--max-drop", "0.5"], "--max-drop is not for --from-tflite"),
        ([tmp_path], "RUN is not for --from-tflite"),
        (["--mean", "1,2"], "expected 1 or 3 numbers, as in N,N,N. Received: 1,2"),
        (["--range", "x,1"], "expected 2 numbers, as in N,N. Received: x,1"),
    ]:
        code, _, err = edgecnn(*words, tmp_path / "other", *extra)
        assert code == 2 and message in err
    (tmp_path / "card.md").write_bytes("# Café".encode("latin-1"))
    code, _, err = edgecnn(*words, tmp_path / "other", "--card", tmp_path / "card.md")
    assert code == 2 and f"{tmp_path / 'card.md'} is no text in UTF-8" in err
    code, _, err = edgecnn("convert", "run", "--for", "x86-64", "--out", "x", "--labels", labels)
    assert code == 2 and "--labels is for --from-tflite" in err
