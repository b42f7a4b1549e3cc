"""Photos in, pixels out: reading, and the one preprocessing that training and board share.

Images are ``uint8`` of shape ``(H, W, 3)`` in BGR order, OpenCV's, wherever a name does not say
otherwise. A network's input is made by :class:`Preprocess` alone: in training, in calibration and
on the board the same bytes come out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import DataError

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

ZERO_BYTE = 128
"""The byte that a network sees as 0. With ``(byte - 128) / 128`` the int8 input of a converted
network is the byte itself less 128: nothing is rounded, and quantising a picture costs nothing."""

OWN_MEAN = OWN_STD = (float(ZERO_BYTE),)
"""Mean and standard deviation by which that reads as others put it."""


def to_network(pixels: Image) -> Floats:
    """Bytes 0…255 to the range of every network here, ``[-1, 0.9921875]``, ``float32``."""
    return (pixels.astype(np.float32) - np.float32(ZERO_BYTE)) / np.float32(ZERO_BYTE)


def decode_image(data: bytes, name: str = "image") -> Image:
    """An encoded picture as ``(H, W, 3)`` uint8 BGR.

    Raises:
        DataError: the bytes are not a picture that OpenCV can read, or it is cut off.
    """
    import cv2

    picture = None
    if data:
        try:
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error:
            picture = None
    if picture is None or picture.size == 0:
        raise DataError(
            f"{name} is not a picture that can be read ({len(data)} bytes): remove or replace it"
        )
    return np.asarray(picture, np.uint8)


def read_image(path: str | Path) -> Image:
    """A picture file as ``(H, W, 3)`` uint8 BGR; EXIF rotation is applied.

    Raises:
        DataError: the file is missing, empty, or not a picture.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as e:
        raise DataError(f"{path} cannot be read ({e.strerror}): check the path") from e
    return decode_image(data, str(path))


@dataclass(frozen=True)
class Preprocess:
    """From any picture to the bytes of a network's input.

    Attributes:
        size_wh: width and height of the input, in pixels.
        order: ``"RGB"``, ``"BGR"`` or ``"GRAY"``.
        fit: ``"stretch"`` changes the aspect ratio; ``"letterbox"`` keeps it, in the top left
            corner, and fills the rest with the zero byte.
        mean, std: the network sees a byte ``b`` as ``(b - mean) / std``; one number each, or one
            a channel in the order above. Other than 128 for networks from elsewhere alone: the
            bytes are the same, :class:`edgecnn.runtime.interpreter.Model` looks up what they mean.
    """

    size_wh: tuple[int, int]
    order: str = "RGB"
    fit: str = "stretch"
    mean: tuple[float, ...] = OWN_MEAN
    std: tuple[float, ...] = OWN_STD

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            numbers = getattr(self, name)
            finite = all(np.isfinite(n) for n in numbers) and (name == "mean" or min(numbers) > 0)
            if len(numbers) not in {1, self.shape[2]} or not finite:
                raise DataError(
                    f"expected one {name}, or one for each of {self.shape[2]} channels"
                    f"{', above 0' if name == 'std' else ''}. Received: {list(numbers)}"
                )
        if self.order not in ("RGB", "BGR", "GRAY") or self.fit not in ("stretch", "letterbox"):
            raise DataError(
                "expected order RGB, BGR or GRAY and fit stretch or letterbox. "
                f"Received: order={self.order!r}, fit={self.fit!r}"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the input."""
        return self.size_wh[1], self.size_wh[0], 1 if self.order == "GRAY" else 3

    def turned(self) -> Preprocess:
        """The same, for an input with width and height exchanged."""
        return replace(self, size_wh=(self.size_wh[1], self.size_wh[0]))

    def scale(self, image_bgr: Image) -> tuple[float, float]:
        """Input pixels a picture's pixel becomes, along x and along y."""
        (w, h), (height, width) = self.size_wh, image_bgr.shape[:2]
        if self.fit == "stretch":
            return w / width, h / height
        return (min(w / width, h / height),) * 2

    def __call__(self, image_bgr: Image) -> Image:
        """``(H, W, 3)`` BGR or ``(H, W)`` grey of any size to ``self.shape``, uint8."""
        import cv2

        w, h = self.size_wh
        picture: Any = image_bgr
        if picture.shape[:2] != (h, w):
            sx, sy = self.scale(picture)
            inner = max(1, round(picture.shape[1] * sx)), max(1, round(picture.shape[0] * sy))
            shrinks = sx < 0.5 or sy < 0.5
            # INTER_AREA averages what bilinear sampling would skip; above a half both agree.
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            inside = cv2.resize(picture, inner, interpolation=how)
            if inner == (w, h):
                picture = inside
            else:
                picture = np.full((h, w, *inside.shape[2:]), ZERO_BYTE, np.uint8)
                picture[: inner[1], : inner[0]] = inside
        grey = picture.ndim == 2
        if self.order == "GRAY":
            out = picture if grey else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
            return np.asarray(out[..., None], np.uint8)
        if grey:
            return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8)
        if self.order == "RGB":
            picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        return np.asarray(picture, np.uint8)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in a manifest or a run folder.

        A network from elsewhere has ``mean`` and ``std`` in place of ``zero_byte``: an edgecnn
        that knows its own networks alone refuses such an input instead of getting it wrong.
        """
        facts = {**asdict(self), "size_wh": list(self.size_wh)}
        if (facts.pop("mean"), facts.pop("std")) == (OWN_MEAN, OWN_STD):
            return {**facts, "zero_byte": ZERO_BYTE}
        return {**facts, "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Preprocess:
        """The inverse of :meth:`to_dict`.

        Raises:
            DataError: a fact is missing, unknown, or of another normalisation.
        """
        try:
            w, h = facts["size_wh"]
            size_wh, order, fit = (int(w), int(h)), facts["order"], facts["fit"]
            if "mean" in facts:
                mean, std = (tuple(map(float, facts[name])) for name in ("mean", "std"))
                return cls(size_wh, order, fit, mean, std)
            if facts["zero_byte"] != ZERO_BYTE:
                raise DataError(
                    f"expected zero_byte {ZERO_BYTE}. Received: {facts['zero_byte']}: "
                    "the model was made by another version of edgecnn"
                )
            return cls(size_wh, order, fit)
        except (KeyError, TypeError, ValueError) as e:
            if isinstance(e, DataError):
                raise
            raise DataError(
                "expected size_wh, order, fit and zero_byte, or mean and std, for an input. "
                f"Received: {facts}"
            ) from e


def largest(inputs: Iterable[Preprocess], image_bgr: Image) -> Preprocess:
    """The input in which a picture comes out largest; of equals the first."""
    return max(inputs, key=lambda one: min(one.scale(image_bgr)))
