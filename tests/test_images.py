"""Reading pictures, and the one preprocessing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.errors import DataError
from edgecnn.images import Preprocess, decode_image, read_image, to_network


def picture(height: int = 20, width: int = 30) -> np.ndarray:
    """Blue grows to the right, green downwards, red is 200."""
    image = np.full((height, width, 3), 200, np.uint8)
    image[..., 0] = np.arange(width) * 255 // (width - 1)
    image[..., 1] = (np.arange(height) * 255 // (height - 1))[:, None]
    return image


def test_bytes_to_the_range_of_the_networks() -> None:
    found = to_network(np.array([0, 64, 128, 255], np.uint8))
    assert found.tolist() == [-1, -0.5, 0, 127 / 128] and found.dtype == np.float32


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".ppm", ".webp", ".tiff"])
def test_reads_what_opencv_wrote(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"Zoë and 花{suffix}"
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if suffix == ".webp" else []
    ok, data = cv2.imencode(suffix, picture(), options)
    assert ok
    file.write_bytes(data.tobytes())
    assert np.array_equal(read_image(file), picture())


def test_a_grey_file_has_three_channels(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "g.png"), picture()[..., 0])
    assert read_image(tmp_path / "g.png").shape == (20, 30, 3)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_what_is_no_picture_is_told(data: bytes) -> None:
    with pytest.raises(DataError, match=r"a\.jpg is not a picture .*: remove or replace it"):
        decode_image(data, "a.jpg")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(DataError, match="cannot be read"):
        read_image(tmp_path)


@pytest.mark.parametrize(
    ("order", "expected"), [("BGR", [1, 2, 3]), ("RGB", [3, 2, 1]), ("GRAY", [2])]
)
def test_channel_order(order: str, expected: list[int]) -> None:
    image = np.full((4, 4, 3), (1, 2, 3), np.uint8)  # grey: 0.114·1 + 0.587·2 + 0.299·3 = 2.2
    found = Preprocess((4, 4), order)(image)
    assert found.shape == (4, 4, len(expected)) and found.dtype == np.uint8
    assert found[1, 1].tolist() == expected


def test_grey_pictures_fill_all_channels() -> None:
    image = np.full((4, 4), 7, np.uint8)
    assert Preprocess((4, 4))(image)[0, 0].tolist() == [7, 7, 7]
    assert Preprocess((4, 4), "GRAY")(image).shape == (4, 4, 1)


def test_the_right_size_is_left_alone() -> None:
    assert np.array_equal(Preprocess((30, 20), "BGR")(picture()), picture())


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
@pytest.mark.parametrize("size_wh", [(16, 16), (64, 48), (5, 40), (1, 1)])
def test_any_size_becomes_the_input(fit: str, size_wh: tuple[int, int]) -> None:
    preprocess = Preprocess(size_wh, fit=fit)
    assert preprocess(picture()).shape == preprocess.shape == (size_wh[1], size_wh[0], 3)


def test_letterbox_fills_the_rest_with_the_zero_byte() -> None:
    preprocess = Preprocess((60, 60), "BGR", "letterbox")
    found = preprocess(picture(20, 30))
    assert preprocess.scale(picture(20, 30)) == (2, 2)
    assert (found[40:] == 128).all() and (found[:40, :, 2] == 200).all()


def test_stretch_scales_each_axis_by_itself() -> None:
    assert Preprocess((60, 10)).scale(picture(20, 30)) == (2, 0.5)


def test_shrinking_averages() -> None:
    stripes = np.zeros((40, 40, 3), np.uint8)
    stripes[:, ::2] = 200
    found = Preprocess((10, 10))(stripes)
    assert found.min() == found.max() == 100


def test_facts_come_back() -> None:
    preprocess = Preprocess((32, 24), "GRAY", "letterbox")
    assert Preprocess.from_dict(preprocess.to_dict()) == preprocess


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order": "HSV"}, "expected order RGB, BGR or GRAY"),
        ({"fit": "crop"}, "fit stretch or letterbox"),
        ({"zero_byte": 127}, "expected zero_byte 128. Received: 127"),
        ({"size_wh": 5}, "expected size_wh"),
        ({"size_wh": ["a", "b"]}, "expected size_wh"),
    ],
)
def test_wrong_facts_are_told(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Preprocess.from_dict({**Preprocess((4, 4)).to_dict(), **change})


def test_a_missing_fact_is_told() -> None:
    with pytest.raises(DataError, match="expected size_wh, order, fit and zero_byte, or mean"):
        Preprocess.from_dict({})


def test_another_normalisation_stands_in_the_facts_in_place_of_the_zero_byte() -> None:
    foreign = Preprocess((4, 4), "BGR", mean=(103.5, 116.3, 123.7), std=(57.0,))
    facts = foreign.to_dict()
    assert (facts["mean"], facts["std"]) == ([103.5, 116.3, 123.7], [57.0])
    assert "zero_byte" not in facts and Preprocess.from_dict(facts) == foreign


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ((), (1,)),
        ((1, 2), (1,)),
        ((1, 2, 3), (0,)),
        ((float("nan"),), (1,)),
        ((1,), (float("inf"),)),
    ],
)
def test_an_impossible_normalisation_is_told(
    mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    with pytest.raises(DataError, match=r"expected one (mean|std), or one for each of 3 channels"):
        Preprocess((4, 4), mean=mean, std=std)
