"""What the doctor looks at in a process of its own, where a crash harms nothing.

``python -m devices.child opencv`` and ``python -m devices.child runtime NAME`` print one JSON
object a line, as far as they get; a fault is ``{"error": ...}``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

Facts = dict[str, Any]


def opencv() -> Iterator[Facts]:
    """What OpenCV was built with, and the cameras there are."""
    import numpy

    yield {"numpy": numpy.__version__}
    import cv2

    yield {"opencv": cv2.__version__}
    from edgecnn.camera.sinks.window import gui_backend
    from edgecnn.camera.sources.v4l2 import nodes

    registry = cv2.videoio_registry
    named = {registry.getBackendName(b): registry.hasBackend(b) for b in registry.getBackends()}
    yield {"backends": [name for name, there in named.items() if there]}
    yield {"gui": gui_backend(cv2)}
    allowed = {path: os.access(path, os.R_OK | os.W_OK) for path in nodes()}
    yield {"cameras": [{"path": p, "name": n, "allowed": allowed[p]} for p, n in nodes().items()]}


def runtime(package: str) -> Iterator[Facts]:
    """Whether a run time imports, and computes with the shipped models what it should."""
    import importlib

    importlib.import_module(f"{package}.interpreter")
    yield {"imports": True}
    from edgecnn.bundle import ASSETS, Bundle

    yield {"self_test": Bundle(ASSETS).self_test(package)}


def main(arguments: list[str]) -> None:
    """Print what is found, line by line, so that what came before a crash is kept."""
    facts = opencv() if arguments == ["opencv"] else runtime(arguments[1])
    try:
        for fact in facts:
            print(json.dumps(fact), flush=True)
    except Exception as e:
        reason = (str(e).strip().splitlines() or [""])[0]
        print(json.dumps({"error": f"{type(e).__name__}: {reason}"}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
