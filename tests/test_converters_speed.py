"""Int8 beside float: what is measured, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from converter_tools import SMALL, TINY, TINY_FLOAT

from converters import speed
from edgecnn import networks
from edgecnn.errors import ModelError
from edgecnn.runtime.timing import Ratio


def of(times: float, low: float, high: float, dot: bool | None = True) -> speed.Speed:
    return speed.Speed(Ratio(times, low, high, 1.0, times, 100), dot)


def test_two_files_of_one_network_are_timed_by_turns() -> None:
    found = speed.compare(TINY, TINY_FLOAT, limit_s=0.05)
    ratio = found.ratio
    assert ratio.turns >= 15 and ratio.first_ms > 0 and ratio.other_ms > 0
    assert ratio.times == pytest.approx(ratio.other_ms / ratio.first_ms)
    assert found.as_dict()["int8_ms"] == ratio.first_ms
    with pytest.raises(ModelError):
        speed.compare(TINY, TINY.with_name("none.tflite"))


def test_twice_as_fast_needs_no_advice() -> None:
    assert of(2.0, 1.9, 2.1).advice("x86-64") is None
    assert of(3.123, 3.0, 3.25).line() == (
        "int8 1 ms, float 3.12 ms: 3.12 times as fast as float (3.00 to 3.25), one thread, "
        "on this machine"
    )


@pytest.mark.parametrize(
    ("found", "use"),
    [
        (of(1.2, 1.1, 1.3), "use int8 all the same"),
        (of(0.98, 0.9, 1.05), "use int8 all the same"),  # no slower, as far as one can tell
        (of(0.7, 0.6, 0.8), "use the float file, which --float-out writes"),
    ],
)
def test_else_it_is_said_which_to_use(found: speed.Speed, use: str) -> None:
    said = found.advice("coral-usb")
    assert said is not None and use in said and f"int8 is {found.ratio.times:g} times" in said
    assert "coral-usb is told there by edgecnn bench" in said and "\n" not in said


def test_a_processor_without_dot_products_is_the_reason_given() -> None:
    said = {dot: of(1.2, 1.1, 1.3, dot).advice("x86-64") for dot in (True, False, None)}
    assert "no instructions for int8 dot products" in str(said[False])
    assert said[True] == said[None] and "dot products" not in str(said[True])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flags\t\t: fpu sse2 avx2 avx512_vnni\n", True),
        ("flags\t\t: fpu sse2 avx2 avx512f\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd asimdrdm asimddp\n", True),  # Cortex-A76
        ("processor\t: 0\nFeatures\t: fp asimd crc32\n", False),  # Cortex-A72
        ("processor\t: 0\n", None),
    ],
)
def test_what_a_processor_says_of_itself(text: str, expected: bool | None, tmp_path: Path) -> None:
    facts = tmp_path / "cpuinfo"
    facts.write_text(text)
    assert speed.has_dot_product(facts) is expected
    assert speed.has_dot_product(tmp_path / "none") is None


def test_each_network_has_a_size() -> None:
    pytest.importorskip("tensorflow")
    shapes = {n: networks.build(n, **speed.SIZES.get(n, {})).input.shape for n in networks.NETWORKS}
    assert shapes == {
        "compact": (None, 96, 96, 3),
        "residual": (None, 96, 96, 3),
        "separable": (None, 96, 96, 3),
        "dense": (None, 96, 96, 3),
        "text": (None, 40, 1, 64),
        "embedder": (None, 112, 112, 3),
        "detector": (None, 256, 320, 3),
    }


def test_bench_times_every_network(monkeypatch: pytest.MonkeyPatch, edgecnn: Any) -> None:
    pytest.importorskip("tensorflow")
    monkeypatch.setattr(networks, "NETWORKS", {"compact": networks.NETWORKS["compact"]})
    monkeypatch.setattr(speed, "SIZES", SMALL)
    monkeypatch.setattr(speed, "NETWORK_S", 0.1)
    code, out, _ = edgecnn("bench", "--networks", "--json")
    found = json.loads(out)
    assert code == 0 and list(found) == ["compact"]
    assert found["compact"]["input"] == [16, 16, 3]
    assert found["compact"]["float_bytes"] > found["compact"]["int8_bytes"] > 0
    monkeypatch.setattr(speed, "of_networks", lambda: iter(found.items()))
    code, out, _ = edgecnn("bench", "--networks")
    assert code == 0 and [line.split()[:2] for line in out.splitlines()[1:]] == [
        ["compact", "16×16×3"]
    ]
    code, _, err = edgecnn("bench", "some-bundle", "--networks")
    assert code == 2 and "leave BUNDLE and --model out" in err
