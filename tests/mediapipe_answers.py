"""What MediaPipe says of a model: ``python mediapipe_answers.py KIND MODEL PICTURES``.

Runs in an environment of its own, since MediaPipe brings another OpenCV than the one edgecnn needs.
KIND is ``classifier`` or ``embedder``; PICTURES a ``.npy`` file, ``(N, H, W, 3)`` uint8 RGB. Prints
JSON: ``answers``, one a picture, and ``metadata`` as MediaPipe's own schema reads it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import mediapipe
import numpy as np
from mediapipe.tasks import python as tasks
from mediapipe.tasks.metadata import metadata_schema_py_generated as schema
from mediapipe.tasks.metadata import schema_py_generated as model_schema
from mediapipe.tasks.python import vision


def pictures(path: str) -> list[Any]:
    kind = mediapipe.ImageFormat.SRGB
    return [mediapipe.Image(image_format=kind, data=np.ascontiguousarray(p)) for p in np.load(path)]


def classify(model: str, path: str) -> list[dict[str, float]]:
    options = vision.ImageClassifierOptions(tasks.BaseOptions(model_asset_path=model))
    with vision.ImageClassifier.create_from_options(options) as classifier:
        found = [classifier.classify(p).classifications[0].categories for p in pictures(path)]
    return [{c.category_name: c.score for c in categories} for categories in found]


def embed(model: str, path: str) -> list[list[float]]:
    options = vision.ImageEmbedderOptions(tasks.BaseOptions(model_asset_path=model))
    with vision.ImageEmbedder.create_from_options(options) as embedder:
        found = [embedder.embed(p).embeddings[0].embedding for p in pictures(path)]
    return [[float(x) for x in embedding] for embedding in found]


def plain(value: Any) -> Any:
    """The schema's objects as dicts and lists."""
    if hasattr(value, "__dict__"):
        return {k: plain(v) for k, v in vars(value).items() if v is not None}
    if isinstance(value, list | np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value


def metadata(path: str) -> Any:
    with open(path, "rb") as f:
        model = model_schema.ModelT.InitFromObj(model_schema.Model.GetRootAs(f.read()))
    entry = next(m for m in model.metadata if m.name == b"TFLITE_METADATA")
    content = bytes(model.buffers[entry.buffer].data)
    assert schema.ModelMetadata.ModelMetadataBufferHasIdentifier(content, 0)
    return plain(schema.ModelMetadataT.InitFromObj(schema.ModelMetadata.GetRootAs(content)))


if __name__ == "__main__":
    kind, model, path = sys.argv[1:]
    answers: Any = {"classifier": classify, "embedder": embed}[kind](model, path)
    print(json.dumps({"answers": answers, "metadata": metadata(model)}))
