"""Photos that somebody sends: headers told before decoding, a child with limits, hostile files."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from web_tools import Served, served

from edgecnn.bundle import ASSETS, Bundle
from edgecnn.errors import DataError
from edgecnn.runtime.child import environment
from edgecnn.web import uploads
from edgecnn.web.forms import File
from edgecnn.web.uploads import examine_sent, size_of, why_not


def encoded(suffix: str, width: int = 37, height: int = 21, *options: int) -> bytes:
    picture = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    return bytes(cv2.imencode(suffix, picture, list(options))[1])


def png(width: int, height: int, data: bytes = b"", *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG by hand: whatever its header says, whatever its data is."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", data), (b"IEND", b"")]
    made = b"\x89PNG\r\n\x1a\n"
    for kind, body in parts:
        made += struct.pack(">I", len(body)) + kind + body
        made += struct.pack(">I", zlib.crc32(kind + body))
    return made


def bomb(width: int, height: int) -> bytes:
    """Zeros that unpack to that many pixels: a thousandth of it as a file."""
    packer = zlib.compressobj(9)
    row = b"\0" * (3 * width + 1)
    return png(width, height, b"".join([*(packer.compress(row) for _ in range(height)),
                                        packer.flush()]))  # fmt: skip


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".png", ()), (".jpg", ()), (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 80)), (".webp", (cv2.IMWRITE_WEBP_QUALITY, 101)),
    ],
)  # fmt: skip
def test_the_header_says_what_the_decoder_finds(suffix: str, options: tuple[int, ...]) -> None:
    data = encoded(suffix, 37, 21, *options)
    assert size_of(data) == (37, 21) and why_not(data) == ""


def test_a_large_webp_with_extras() -> None:
    body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (8000 - 1).to_bytes(3, "little")
    body += (9000 - 1).to_bytes(3, "little")
    data = b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
    assert size_of(data) == (8000, 9000) and "8000×9000 pixels" in why_not(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8" + b"\xff" * 1000, b"GIF89a" + bytes(99),
     b"\xff\xd8\xff\xda" + bytes(50), b"\x89PNG\r\n\x1a\n", b"RIFF0000WEBPVP8 " + bytes(20),
     b"RIFF0000WEBPXXXX" + bytes(20), b"II*\0" + bytes(99), b"BM" + bytes(99), b"<svg/>" * 9,
     b"\xff\xd8\xff\xe0\0\0" + bytes(5000), b"v/1\x01" + bytes(99), b"%PDF-1.7" + bytes(99)],
)  # fmt: skip
def test_what_is_none_of_three_kinds_is_not_decoded(data: bytes) -> None:
    assert size_of(data) is None and "expected a JPEG, PNG or WebP" in why_not(data)


def test_any_bytes_have_an_answer() -> None:
    rng = np.random.default_rng(1)
    heads = [encoded(s) for s in (".png", ".jpg", ".webp")]
    for _ in range(3000):
        data = bytearray(heads[rng.integers(3)][: rng.integers(1, 400)])
        for _ in range(rng.integers(8)):
            data[rng.integers(len(data))] = rng.integers(256)
        found = size_of(bytes(data))
        assert found is None or min(found) >= 0


@pytest.mark.parametrize("size", [(50_000, 50_000), (2**31 - 1, 1), (0, 10), (7072, 7072)])
def test_a_header_with_too_many_pixels_is_enough(size: tuple[int, int]) -> None:
    assert "pixels" in why_not(png(*size))


def test_a_photo_of_a_telephone_is_allowed() -> None:
    assert why_not(png(8064, 6048)) == "", "48 million"


@pytest.fixture(scope="module")
def astronaut() -> bytes:
    import skimage

    return (Path(skimage.__file__).parent / "data" / "astronaut.png").read_bytes()


def test_what_becomes_of_each(astronaut: bytes) -> None:
    """In a real child with the models that ship; a lying header and a bomb among them."""
    turned = cv2.imdecode(np.frombuffer(astronaut, np.uint8), 1)
    blurred = bytes(cv2.imencode(".jpg", cv2.GaussianBlur(turned, (0, 0), 5))[1])
    files = [
        File("good.png", astronaut),
        File("again.png", astronaut),
        File("blurred.jpg", blurred),
        File("wall.webp", encoded(".webp", 200, 200)),
        File("cut.png", astronaut[:5000]),
        File("bomb.png", bomb(7000, 7000)),  # 147 MB of zeros in 143 KB: decoded, no face
        File("huge.png", png(60_000, 60_000, zlib.compress(bytes(1000)))),
        File("lies.png", png(7000, 7000, b"no pixels")),
        File("notes.txt", b"text"),
    ]
    found = examine_sent(ASSETS, "Eileen", files)
    assert [p.source for p in found] == [f.name for f in files]
    kinds = [p.kind for p in found]
    assert kinds[:3] == ["used", "duplicate", "blurred"]
    assert set(kinds[3:6]) <= {"no face", "unreadable", "too small"}
    assert kinds[6:] == ["unreadable"] * 3
    assert found[0].embedding is not None and found[0].embedding.shape == (128,)
    assert float(np.linalg.norm(found[0].embedding)) == pytest.approx(1, abs=1e-5)
    assert found[0].quality is not None and found[0].quality.overall > 0.9


def test_the_child_has_an_end_to_memory_time_and_files(tmp_path: Path) -> None:
    code = (
        "from edgecnn.web.upload_child import limit; limit()\n"
        "import resource as r\n"
        "print(r.getrlimit(r.RLIMIT_CPU)[0], r.getrlimit(r.RLIMIT_AS)[0] > 0)\n"
        "try: bytearray(2 << 30); print('memory')\n"
        "except MemoryError: print('no memory')\n"
        f"try: open({str(tmp_path / 'x')!r}, 'w').write('x' * 99999); print('written')\n"
        "except OSError: print('no file')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True
    )
    assert done.stdout.split("\n")[:3] == ["90 True", "no memory", "no file"], done.stderr


@pytest.mark.parametrize(
    "code", ["import os; os.abort()", "print('nonsense')", "pass", "raise MemoryError"]
)
def test_a_child_that_fails_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(uploads.sys, "executable", sys.executable)
    real = subprocess.run

    def run(command: list[str], **options: object) -> object:
        return real([command[0], "-c", code], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(uploads.subprocess, "run", run)
    with pytest.raises(DataError, match="could not be looked at"):
        examine_sent(ASSETS, "Ann", [File("a.png", encoded(".png"))])
    assert uploads._one_at_a_time.acquire(blocking=False), "the next one may try"
    uploads._one_at_a_time.release()


def test_a_child_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "TIMEOUT_S", 0.01)
    with pytest.raises(DataError, match="took longer"):
        examine_sent(ASSETS, "Ann", [File("a.png", encoded(".png"))])


def test_one_request_at_a_time() -> None:
    with uploads._one_at_a_time, pytest.raises(DataError, match="try again in a moment"):
        examine_sent(ASSETS, "Ann", [File("a.png", encoded(".png"))])


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(Bundle(ASSETS), tmp_path_factory.mktemp("web")) as made:
        yield made


def test_a_photo_enrols(page: Served, astronaut: bytes, tmp_path: Path) -> None:
    files = [("../../etc/passwd<b>.png", astronaut), ("bomb.png", png(60_000, 60_000))]
    answer = page.client.upload("/enrol/photos", {"name": "Eileen"}, files)
    assert answer.status == 200 and "Eileen is enrolled" in answer.text
    assert "passwd&lt;b&gt;.png" in answer.text and "60000×60000 pixels" in answer.text
    with page.site.people() as gallery:
        (person,) = gallery.people()
    assert (person.name, person.embeddings) == ("Eileen", 1)
    left = [p.name for p in page.site.gallery.parent.iterdir()]
    assert sorted(left) == ["config", "gallery.sqlite"], "no photo is left anywhere"


def test_nothing_but_rubbish_enrols_nobody(page: Served) -> None:
    answer = page.client.upload("/enrol/photos", {"name": "Bob"}, [("a.jpg", b"rubbish")])
    assert answer.status == 200 and "Nobody was enrolled" in answer.text


def test_no_photo_or_no_name(page: Served) -> None:
    assert "at least one" in page.client.upload("/enrol/photos", {"name": "B"}, []).text
    bad = page.client.upload("/enrol/photos", {"name": ""}, [("a.png", b"x")])
    assert bad.status == 400 and "expected a name" in bad.text
