"""Who takes part in a comparison of networks, and what is said of the outcome."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from photo_folder import make_photos

from edgecnn.bundle import Bundle
from edgecnn.errors import DataError
from edgecnn.training.contest import Contender, Row, contenders, verdicts


def row(name: str, accuracy: float, parameters: int, macs: int = 1000) -> Row:
    return Row(
        name, name.startswith("dense"), 5, parameters, macs, parameters + 1000, accuracy, 0.0, 1.0,
        accuracy, 100, 3, 1.0,
    )  # fmt: skip


def test_contenders_of_the_options() -> None:
    found = contenders([(4, 6)], [16], [10, 30], 0.5)
    assert found == [
        Contender("cnn-4-6", {"network": "compact", "channels": [4, 6]}),
        Contender("compact-10-layers", {"network": "compact", "depth": 10, "width": 0.5}),
        Contender("residual-30-layers", {"network": "residual", "depth": 30, "width": 0.5}),
        Contender("dense-16", {"network": "dense", "channels": [16]}),
    ]
    assert [c.is_dense for c in found] == [False, False, False, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (([(4, 6)], [16], (), 0.5), "--width is of the networks of --depths"),
        (([(4, 6)], [16, 64, 16]), "each network once. Received: dense-16 2 times"),
        (([(4, 6), (4, 6)], [16]), "Received: cnn-4-6 2 times"),
    ],
)
def test_contenders_that_make_no_sense(options: tuple[Any, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        contenders(*options)


def test_the_smallest_dense_network_that_is_as_accurate_is_named() -> None:
    rows = [
        row("cnn-4-6", 0.95, 1000, macs=4000),
        row("dense-1024", 0.99, 80_000),
        row("dense-64", 0.95, 5000, macs=1000),
        row("dense-16", 0.90, 500),
    ]
    (said,) = verdicts(rows)
    assert said == (
        "cnn-4-6: 95.00% with 1,000 parameters; the smallest dense network that is as accurate is "
        "dense-64 with 5,000: 5 times the parameters, 3 times the bytes in int8 and 1/4 of the "
        "multiply-accumulates."
    )


def test_where_none_is_as_accurate_the_closest_is_named() -> None:
    (said,) = verdicts(
        [row("cnn-4-6", 0.99, 900), row("dense-16", 0.9, 500), row("dense-64", 0.95, 5000)]
    )
    assert said.endswith(
        "no dense network here is as accurate: dense-64 comes closest, 95.00% with 5,000."
    )
    assert verdicts([row("cnn-4-6", 0.99, 900)]) == ["cnn-4-6: 99.00% with 900 parameters."]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("contest") / "photos", each=14)


@pytest.mark.slow
def test_networks_are_trained_converted_and_told_of(
    photos: Path, tmp_path: Path, edgecnn: Any
) -> None:
    out = tmp_path / "compared"
    command = ["compare", str(photos), "--out", str(out), "--cnn", "4,6", "--dense", "8",
               "--epochs", "2"]  # fmt: skip
    code, said, _ = edgecnn(*command)
    assert code == 0
    found = json.loads((out / "comparison.json").read_text())
    cnn, dense = found["networks"]
    # 3×3 kernels 3·4, 4·4, 4·6, 6·6; four numbers a filter; 6·3 + 3. And 12·12·3·8 + 4·8 + 8·3 + 3.
    assert cnn["parameters"] == 9 * (12 + 16 + 24 + 36) + 4 * 20 + 21
    assert dense["parameters"] == 432 * 8 + 32 + 27
    assert (cnn["layers"], dense["layers"]) == (5, 2)
    assert dense["macs"] == 432 * 8 + 8 * 3
    assert cnn["test_pictures"] == dense["test_pictures"] == 6
    assert cnn["low"] <= cnn["accuracy"] <= cnn["high"]
    for network in (cnn, dense):
        bundle = Bundle(out / f"{network['name']}-bundle")
        file = bundle.path / bundle.entry("classifier").file
        assert file.stat().st_size == network["int8_bytes"]
        assert f"{network['parameters']:,}" in said
    assert found["verdicts"][0] in said
    page = (out / "report.html").read_text()
    assert "cnn-4-6" in page and "http" not in page and page.count("data:image/png") == 4

    code, said, _ = edgecnn("bench", out / "cnn-4-6-bundle", "--runs", "1")
    assert code == 0 and "classify" in said and "faces" not in said and "people" not in said

    code, _, complaint = edgecnn(*command)
    assert code == 2 and "--resume" in complaint
    late = tmp_path / "late"
    code, _, complaint = edgecnn("compare", photos, "--out", late, "--depths", "11")
    assert code == 2 and "expected an even depth" in complaint
    assert not late.exists(), "the other networks were trained before it was found out"
    done = [out / "cnn-4-6" / "model.keras", out / "cnn-4-6-bundle" / "manifest.json"]
    before = [file.stat().st_mtime_ns for file in done]
    shutil.rmtree(out / "dense-8-bundle")
    code, _, _ = edgecnn(*command, "--resume")
    assert code == 0
    assert [file.stat().st_mtime_ns for file in done] == before, "trained or converted again"
    again = json.loads((out / "comparison.json").read_text())
    assert again["networks"] == found["networks"]
