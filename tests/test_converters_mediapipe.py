"""MediaPipe Tasks load our files as they are and answer what we answer: ``make test-mediapipe``."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters import metadata
from edgecnn.bundle import ASSETS, Bundle
from edgecnn.images import Preprocess
from edgecnn.runtime.interpreter import Model

HERE = Path(__file__).parent
LABELS = ("ant", "bee", "cät")

Ask = Any


@pytest.fixture
def ask(user_env: dict[str, str], tmp_path: Path) -> Ask:
    """Asks MediaPipe, whose Python ``make test-mediapipe`` names."""
    python = user_env.get("MEDIAPIPE_PYTHON")
    if not python:
        pytest.skip("MediaPipe has an environment of its own: make test-mediapipe")

    def run(kind: str, model: Path, pictures: Any) -> dict[str, Any]:
        np.save(tmp_path / "pictures.npy", pictures)
        command = [python, HERE / "mediapipe_answers.py", kind, model, tmp_path / "pictures.npy"]
        done = subprocess.run(command, capture_output=True, text=True, env=user_env)
        assert done.returncode == 0, done.stderr[-2000:]
        answers: dict[str, Any] = json.loads(done.stdout)
        return answers

    return run


def test_the_image_classifier(ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    shutil.copy(HERE / "tiny.tflite", file)
    metadata.write(file, "classifier", Preprocess((8, 8)), LABELS)
    small = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
    # Eight times as large in equal squares: whoever makes them small again finds the same bytes.
    found = ask("classifier", file, small.repeat(8, 1).repeat(8, 2))
    model = Model(file)
    expected = [model(p)[0][0] for p in small]
    tops = [max(answer, key=answer.get) for answer in found["answers"]]
    assert tops == [LABELS[int(e.argmax())] for e in expected] and set(tops) == set(LABELS)
    for answer, logits in zip(found["answers"], expected, strict=True):
        assert [answer[label] for label in LABELS] == pytest.approx(logits.tolist(), abs=1e-5)
    told = found["metadata"]["subgraphMetadata"][0]
    (picture,), (output,) = told["inputTensorMetadata"], told["outputTensorMetadata"]
    assert picture["processUnits"][0]["options"] == {"mean": [128.0], "std": [128.0]}
    image = picture["content"]["contentProperties"]
    assert image == {"colorSpace": 1, "defaultSize": {"width": 8, "height": 8}}
    assert picture["stats"] == {"max": [255.0], "min": [0.0]}
    assert output["associatedFiles"][0]["name"] == "labels.txt"
    assert found["metadata"]["description"].startswith("A full int8 classifier")


def test_the_image_embedder(ask: Ask, tmp_path: Path) -> None:
    file, bundle = tmp_path / "embedder.tflite", Bundle(ASSETS)
    shutil.copy(ASSETS / bundle.entry("embedder").file, file)
    if metadata.read(file) == metadata.Metadata():  # converted before files had any
        metadata.write(file, "embedder", bundle.entry("embedder").input)
    pictures = bundle.golden()["embedder.input"]
    found = np.array(ask("embedder", file, pictures)["answers"])
    model = Model(file)
    expected = np.stack([model(p)[0][0] for p in pictures])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert file.stat().st_size <= 1_300_000
