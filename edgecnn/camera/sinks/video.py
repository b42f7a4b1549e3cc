"""Sink: the annotated frames as a video file, which is there once it is whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from edgecnn.camera.pipeline import Result
from edgecnn.camera.sinks.beside import Backlog
from edgecnn.camera.sinks.drafts import beside, recover, told
from edgecnn.camera.sources.source import opencv
from edgecnn.camera.sources.video import Video
from edgecnn.errors import CameraError, StorageError
from edgecnn.images import Preprocess
from edgecnn.storage import keep_free, storing, whole_file

FOURCCS = {".mp4": "mp4v", ".avi": "MJPG"}
"""Codecs that every OpenCV wheel can write, by the suffix of the file."""

LONGEST_STILL_S = 5.0
"""A camera that was gone for an hour leaves a still of this length in the video."""


class VideoSink:
    """Writes a video that plays in real time: frames are repeated or left out as their times say.

    The first frame gives the size; frames of another size are fitted into it. What a kill leaves
    gets a name from the next recording, see :mod:`edgecnn.camera.sinks.drafts`; an ``.mp4`` cannot
    be read without its end.

    Args:
        path: ends in ``.mp4`` or ``.avi``.
        fps: frames a second of the video.
        note: takes a line that the user should read.

    Raises:
        StorageError: another suffix, the folder is not writable, no encoder, or the disk is full.
    """

    backlog = Backlog(room=4, drops=True)

    def __init__(self, path: str | Path, fps: float, note: Callable[[str], object] | None = None):
        self.path, self.fps = Path(path), fps
        self._fourcc = FOURCCS.get(self.path.suffix.lower(), "")
        if not self._fourcc:
            raise StorageError(
                f"expected a video file ending in {' or '.join(FOURCCS)}. Received: {path}"
            )
        self._writer: Any = None
        self._written = 0
        self._skipped = 0
        for found in recover(self.path, _has_frame):
            if note:
                note(told(found))
        self._file = whole_file(path)
        self._draft = self._file.__enter__()
        self._held = beside(self._draft)
        with storing(self.path):
            self._held.__enter__()

    def write(self, result: Result) -> None:
        """Append one annotated frame, as often as its time asks for."""
        if self._writer is None:
            height, width = result.frame.image_bgr.shape[:2]
            self._open((width, height))
            self._began_s = result.frame.time_s
        due = round((result.frame.time_s - self._began_s) * self.fps) + 1
        late = due - self._written - self._skipped
        longest = max(1, round(LONGEST_STILL_S * self.fps))
        self._skipped += max(0, late - longest)
        if late <= 0:  # drawing is a copy of the picture
            return
        picture = self._fit(result.annotated_bgr)
        for _ in range(min(late, longest)):
            keep_free(self.path, "video")
            self._writer.write(picture)
            self._written += 1

    def _open(self, size_wh: tuple[int, int]) -> None:
        cv2 = opencv()
        fourcc = cv2.VideoWriter_fourcc(*self._fourcc)
        self._writer = cv2.VideoWriter(str(self._draft), fourcc, self.fps, size_wh)
        if not self._writer.isOpened():
            raise StorageError(
                f"this OpenCV cannot write {self._fourcc} video of {size_wh[0]}×{size_wh[1]} to "
                f"{self.path}: choose the other of {' and '.join(FOURCCS)}"
            )
        self._fit = Preprocess(size_wh, "BGR", "letterbox")

    def close(self) -> None:
        """Finish the file and give it its name; a video without a frame leaves no file.

        Raises:
            StorageError: the disk was full, so that the video does not hold what was written.
        """
        if self._writer is not None:
            self._writer.release()
            self._writer = None
        error = None
        if self._written == 0:
            error = StorageError("nothing was recorded")
        elif (there := _frames(self._draft)) < self._written:
            error = StorageError(
                f"could not write {self.path}: {there} of {self._written} frames arrived, "
                "probably the disk is full; nothing was left behind: free some space"
            )
        try:
            self._file.__exit__(type(error) if error else None, error, None)
        finally:
            self._held.__exit__(None, None, None)
        if error and self._written:
            raise error


def _has_frame(file: Any) -> bool:
    with suppress(CameraError):
        Video(file.name).close()
        return True
    return False


def _frames(path: Path) -> int:
    """How many frames the header of a video file says it has; 0 where it cannot be read."""
    cv2 = opencv()
    capture = cv2.VideoCapture(str(path))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    capture.release()
    return count
