"""Layers that Keras lacks, known to it by name, so that a saved network finds them again."""

from __future__ import annotations

from typing import Any

from edgecnn.errors import needs

with needs("train", "keras", "tensorflow"):
    import keras


@keras.saving.register_keras_serializable("edgecnn")
class Enlarge(keras.layers.Layer):  # type: ignore[misc]
    """Nearest-neighbour resizing, as RESIZE_NEAREST_NEIGHBOR in a ``.tflite`` file.

    Keras's own ``Resizing`` needs TensorFlow under every back end, and its ``UpSampling2D`` becomes
    a TILE that the Edge TPU refuses.

    Input shape:
        ``(batch, rows, columns, channels)``

    Output shape:
        ``(batch, height, width, channels)``
    """

    def __init__(self, height: int, width: int, **options: Any):
        super().__init__(**options)
        self.height, self.width = height, width

    def call(self, x: Any) -> Any:
        """Resize."""
        return keras.ops.image.resize(x, (self.height, self.width), interpolation="nearest")

    def get_config(self) -> dict[str, Any]:
        """What it takes to make it again."""
        return {**super().get_config(), "height": self.height, "width": self.width}
