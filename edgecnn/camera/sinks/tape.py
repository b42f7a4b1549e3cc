"""Sink: the frames as they came, for ``--source FILE.tape`` to give them again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from edgecnn.camera.pipeline import Result
from edgecnn.camera.sources.tape import END, FRAME, SUFFIX, Record, first_line, pack
from edgecnn.errors import StorageError
from edgecnn.storage import keep_free, storing, whole_file


class TapeSink:
    """Records each frame that was recognised, with its index and time and nothing drawn on it.

    The tape has its name once it is whole. What a crash leaves is a hidden ``.NAME-….tape`` beside
    it, which reads up to its last whole frame.

    Args:
        path: ends in ``.tape``.
        source: the source's name, passwords masked.
        fps: the source's rate.

    Raises:
        StorageError: another suffix, the folder is not writable, or the disk is full.
    """

    def __init__(self, path: str | Path, source: str, fps: float):
        self.path = Path(path)
        if self.path.suffix.lower() != SUFFIX:
            raise StorageError(f"expected a tape's name to end in {SUFFIX}. Received: {path}")
        self._whole = whole_file(path)
        draft = self._whole.__enter__()
        try:
            # Unbuffered: after a kill, all that was written is there.
            self._file = open(draft, "wb", buffering=0)  # noqa: SIM115
            self._frames = 0
            self._append(first_line(source, fps))
        except BaseException:
            self._whole.__exit__(*sys.exc_info())
            raise

    def write(self, result: Result) -> None:
        """Append one frame, as PNG: lossless.

        Raises:
            StorageError: the disk is full; what was recorded until then is kept.
        """
        import cv2

        keep_free(self.path, "tape")
        frame = result.frame
        # The default is what PNG has fastest, and the smallest for a noisy picture:
        # docs/design.md, tests/bench_tape.py.
        png = cv2.imencode(".png", frame.image_bgr)[1].tobytes()
        self._append(pack(Record(FRAME, frame.index, frame.time_s, png)))
        self._frames += 1

    def close(self) -> None:
        """Finish the tape and give it its name; one without a frame leaves no file.

        Raises:
            StorageError: the end could not be written; nothing is left behind.
        """
        error: BaseException | None = None
        try:
            if self._frames:
                with storing(self.path):
                    self._append(pack(Record(END, self._frames, 0.0, b"")))
            else:
                error = StorageError("nothing was recorded")
        except StorageError as e:
            error = e
        self._file.close()
        self._whole.__exit__(type(error) if error else None, error, None)
        if error and self._frames:
            raise error

    def _append(self, data: bytes) -> None:
        """Write all of ``data`` or, by cutting the file back, nothing."""
        end = self._file.tell()
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as e:
            os.ftruncate(self._file.fileno(), end)
            self._file.seek(end)
            raise StorageError(
                f"could not write {self.path} ({e.strerror}): the tape ends after "
                f"{self._frames} frames; free some space"
            ) from e
