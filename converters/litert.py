"""LiteRT's own quantiser: a float file and pictures in, the same network in full int8 out.

Three of its ways are not ours. It takes a moving average over the pictures for the ends of a
range, which cuts off what goes beyond the usual picture; here they are the ends over all pictures,
as TensorFlow's converter takes them. It gives dense weights a scale a channel, which run times up
to TensorFlow Lite 2.9 compute zeros from. And it puts the weights of all but small networks behind
the FlatBuffer.
"""

from __future__ import annotations

from typing import Any

from edgecnn.errors import needs
from edgecnn.images import Image, to_network

BITS = 8


def quantise(network: bytes, pixels: Image) -> bytes:
    """The int8 twin of a float ``.tflite`` file: uint8 in and out, one scale for dense weights.

    Args:
        network: with one input, batch 1, and the signature that TensorFlow's converter writes.
        pixels: ``(N, H, W, C)`` uint8 to calibrate on, both the bytes 0 and 255 among them.

    Raises:
        MissingExtra: ``ai-edge-quantizer`` is not installed.
    """
    with needs("quantizer", "ai_edge_quantizer"):
        from ai_edge_litert.tools import flatbuffer_utils
        from ai_edge_quantizer import calibrator, quantizer, recipe_manager
        from ai_edge_quantizer.qtyping import QuantGranularity, TFLOperationName
        from ai_edge_quantizer.utils import qsv_utils
    kinds, grain = TFLOperationName, QuantGranularity
    recipe = recipe_manager.RecipeManager()
    recipe.add_quantization_config(".*", kinds.ALL_SUPPORTED, _int8(grain.CHANNELWISE))
    recipe.add_quantization_config(".*", kinds.FULLY_CONNECTED, _int8(grain.TENSORWISE))
    for end in (kinds.INPUT, kinds.OUTPUT):
        recipe.add_quantization_config(".*", end, _int8(grain.CHANNELWISE, signed=False))
    observer = calibrator.Calibrator(network, qsv_update_func=qsv_utils.min_max_update)
    ((signature, ends),) = observer.get_signature_list().items()
    (name,) = ends["inputs"]
    # A list: it walks over it twice, and would find an iterator used up by the counting.
    observer.calibrate({signature: [{name: to_network(p[None])} for p in pixels]}, recipe)
    ready = quantizer.Quantizer(bytearray(network), recipe.get_quantization_recipe())
    ranges = observer.get_model_qsvs()
    done = ready.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    # From 256 KiB of weights on it puts them behind the FlatBuffer, where run times before 2024 and
    # the Edge TPU's compiler read none: back into it.
    whole = flatbuffer_utils.read_model_from_bytearray(bytearray(done.quantized_model))
    return bytes(flatbuffer_utils.convert_object_to_bytearray(whole))


def _int8(weights: Any, *, signed: bool = True) -> Any:
    """Full int8 for an operation; ``weights`` says how many scales these have."""
    from ai_edge_quantizer import qtyping

    dtype = qtyping.TensorDataType.INT if signed else qtyping.TensorDataType.UINT
    one = qtyping.QuantGranularity.TENSORWISE
    return qtyping.OpQuantizationConfig(
        qtyping.TensorQuantizationConfig(BITS, symmetric=False, granularity=one, dtype=dtype),
        qtyping.TensorQuantizationConfig(BITS, symmetric=True, granularity=weights),
        compute_precision=qtyping.ComputePrecision.INTEGER,
    )
