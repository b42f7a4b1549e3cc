"""Pictures of what two models see otherwise, each as it draws the frame, side by side.

Faces and names stand in them, so they are made when asked for alone, and their owner alone can read
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgecnn.camera import overlay
from edgecnn.camera.compare import Seen
from edgecnn.camera.pipeline import Result
from edgecnn.errors import StorageError
from edgecnn.events.schema import Label
from edgecnn.faces.types import Detection, Recognition
from edgecnn.storage import whole_file


def save(path: Path, result: Result, new: Sequence[Seen]) -> None:
    """Write the old model's picture on the left, the new one's on the right.

    Raises:
        StorageError: it could not be written.
    """
    import cv2

    pictures = [result.annotated_bgr, overlay.draw(result.frame.image_bgr, _outcome(result, new))]
    there, packed = cv2.imencode(path.suffix, np.hstack(pictures))
    if not there:
        raise StorageError(f"this OpenCV cannot write {path}: leave --shadow-pictures out")
    with whole_file(path, mode=0o600) as draft:
        draft.write_bytes(packed.tobytes())


def _outcome(result: Result, new: Sequence[Seen]) -> list[Recognition] | Label:
    if isinstance(result.outcome, Label):
        return Label(new[0].name, new[0].score or 0.0)
    marks = np.zeros((5, 2), np.float32)
    return [
        Recognition(
            Detection(np.array(f.box_xyxy, np.float32), 1.0, marks),
            f.track,
            f.name,
            f.score,
            f.decided,
        )
        for f in new
    ]
