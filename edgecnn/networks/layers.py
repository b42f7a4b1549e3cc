"""Layers that Keras lacks, known to it by name, so that a saved network finds them again."""

from __future__ import annotations

from typing import Any

from edgecnn.errors import needs

with needs("train", "keras", "tensorflow"):
    import keras


@keras.saving.register_keras_serializable("edgecnn")
class Enlarge(keras.layers.Layer):  # type: ignore[misc]
    """Nearest-neighbour resizing to the rows and columns of another feature map, as
    RESIZE_NEAREST_NEIGHBOR in a ``.tflite`` file. No size is written down, so that a network can be
    built again for an input of another size.

    Keras's own ``Resizing`` needs TensorFlow under every back end, and its ``UpSampling2D`` becomes
    a TILE that the Edge TPU refuses.

    Input shape:
        ``(batch, rows, columns, channels)`` and ``(batch, height, width, any)``

    Output shape:
        ``(batch, height, width, channels)``
    """

    def call(self, inputs: Any) -> Any:
        """Resize the first to the second."""
        x, like = inputs
        return keras.ops.image.resize(x, like.shape[1:3], interpolation="nearest")

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The second's rows and columns, the first's channels."""
        (batch, *_, channels), (_, height, width, _) = input_shape
        return batch, height, width, channels


@keras.saving.register_keras_serializable("edgecnn")
class BatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Keras's own, learning in TensorFlow's one fused operation instead of in ten.

    On a CPU the ten take longer than all convolutions of a MobileFaceNet. Under other back ends,
    and at inference, it is Keras's own.

    Input shape:
        ``(batch, rows, columns, channels)``, float32 in training

    Output shape:
        as the input
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise, in training by the batch's own mean and variance."""
        learns = training and self.trainable and keras.backend.backend() == "tensorflow"
        if not learns or len(inputs.shape) != 4:
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma.value, self.beta.value, epsilon=self.epsilon, is_training=True
        )
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(self.momentum * moving + (1 - self.momentum) * now)
        return y
