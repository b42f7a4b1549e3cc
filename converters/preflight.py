"""What the Edge TPU compiler would do with a model, predicted without it, on any machine.

The rules stand in :mod:`converters.edgetpu_rules`; here they are applied, and the graph is cut as
the compiler cuts it. A prediction is no proof: where the compiler itself was run, its log counts.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from converters import edgetpu_rules as rules
from converters import flatbuffer
from converters.edgetpu_node import Node
from converters.edgetpu_partition import Refusal, Verdict, left_over, partition, refusals
from converters.flatbuffer import Graph
from edgecnn.errors import ModelError
from edgecnn.training.run import MODEL, RUN

CACHE_BYTES = 15 << 19
"""7.5 MiB: used and remaining on-chip memory together in the compiler's log of a 4.2 MiB detector.
The rest of the 8 MiB holds the program (coral.ai, "Edge TPU compiler", parameter data caching)."""

BYTES_A_CHANNEL, BYTES_A_FILE = 16, 32 << 10
"""What parameters take more once compiled: biases, multipliers and padding of each output channel,
and a rest. Five published pairs from 0.5 to 3.4 MB stay 0.3 to 4 % below what these two give."""


@dataclass(frozen=True)
class Prediction:
    """What the compiler would say.

    Attributes:
        verdict: ``mapped`` (all of it), ``partly``, ``none``, ``refused`` or ``compiled``.
        refusals: empty unless ``refused`` or ``compiled``. In a refused file ``operations`` says
            what would become of each once they are cured.
        cuts: places of the operations that end the Edge TPU's part, since they follow it and
            run on the CPU.
        subgraphs: how many parts run on the Edge TPU: 1 or 0, in a compiled file as many as it has.
        mapped, on_cpu: how many operations.
        parameter_bytes: in the file, of what would be mapped.
        compiled_bytes: what these take once compiled, about.
        cache_bytes: what the chip keeps of them.
        streamed_bytes: what has to be sent again for each picture, about.
        runtime: the Edge TPU run time that is needed at least.
        notes: what is no obstacle, and yet worth knowing.
    """

    file: str
    verdict: str
    refusals: tuple[Refusal, ...]
    operations: tuple[Verdict, ...]
    cuts: tuple[int, ...]
    subgraphs: int
    mapped: int
    on_cpu: int
    parameter_bytes: int
    compiled_bytes: int
    cache_bytes: int
    streamed_bytes: int
    runtime: int
    notes: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every operation runs on the Edge TPU."""
        return self.verdict == "mapped"

    def table(self) -> Counter[tuple[str, str]]:
        """Kind and status to how many, as the compiler's ``-s`` lists them."""
        return Counter((o.logged, o.status) for o in self.operations)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def predict(path: str | Path) -> Prediction:
    """Look at a ``.tflite`` file, a ``.keras`` file or a run folder.

    A Keras network, trained or not, is converted first, calibrated on made-up pictures.

    Raises:
        ModelError: ``path`` is none of these, damaged or cut off.
        ConversionError: TensorFlow's converter failed on the network.
        MissingExtra: TensorFlow, for a Keras network, or the schema is not installed.
    """
    path = Path(path)
    network = path / MODEL if (path / RUN).is_file() else path
    if network.suffix == ".keras":
        from converters import int8

        if not network.is_file():
            raise ModelError(
                f"{network} cannot be read (no such file): check the path; a run has its network "
                "at the end of training, and a run of faces none"
            )
        if not zipfile.is_zipfile(network):
            raise ModelError(f"{network} is no Keras network, damaged or cut off: train it again")
        with tempfile.TemporaryDirectory(prefix="edgecnn-") as work:
            converted = Path(work) / "model.tflite"
            int8.convert(network, None, converted)
            return of_file(converted, str(path))
    if path.suffix != ".tflite":
        raise ModelError(
            f"expected a .tflite or .keras file, or a run folder. Received: {path}: name one of "
            "these"
        )
    return of_file(path, str(path))


def of_file(path: Path, name: str) -> Prediction:
    """The prediction for a ``.tflite`` file; ``name`` is what it calls it.

    Raises:
        ModelError: it cannot be read, or is damaged.
    """
    graph = flatbuffer.read(path)
    try:
        return of_graph(graph, name)
    except (LookupError, ValueError, ZeroDivisionError) as e:
        # Whole as a FlatBuffer, and yet no network: a convolution without weights, say.
        raise ModelError(
            f"{path} is damaged: its operations do not fit their tensors ({e}); convert it again"
        ) from e


def of_graph(graph: Graph, file: str = "") -> Prediction:
    """The prediction for a graph; ``file`` is what it calls it."""
    nodes = [Node(graph, operation) for operation in graph.operations]
    refused = refusals(graph, nodes)
    compiled = any(node.kind == rules.COMPILED for node in nodes)
    operations, cuts = (left_over(nodes), ()) if compiled else partition(nodes)
    on_tpu = [n for n, o in zip(nodes, operations, strict=True) if o.mapped]
    taken = len(on_tpu) if compiled or not refused else 0
    parameters, compiled_bytes = _parameters(on_tpu)
    if compiled:
        verdict = "compiled"
    elif refused:
        verdict = "refused"
    else:
        verdict = "mapped" if taken == len(nodes) else "partly" if taken else "none"
    return Prediction(
        file=file,
        verdict=verdict,
        refusals=refused,
        operations=operations,
        cuts=cuts,
        subgraphs=taken if compiled else int(taken > 0),
        mapped=taken,
        on_cpu=len(nodes) - taken,
        parameter_bytes=parameters,
        compiled_bytes=compiled_bytes,
        cache_bytes=CACHE_BYTES,
        streamed_bytes=max(0, compiled_bytes - CACHE_BYTES),
        runtime=max(map(rules.runtime, on_tpu), default=0),
        notes=tuple(_notes(graph, nodes)),
    )


def _parameters(nodes: list[Node]) -> tuple[int, int]:
    """Bytes in the file, and about how many once compiled."""
    there = sum(n.operation.param_bytes for n in nodes)
    weights, channels = 0, 0
    for node in nodes:
        for tensor in node.inputs():
            if tensor.constant_bytes and tensor.dtype in rules.DTYPES:
                weights += tensor.constant_bytes
        if node.operation.macs:
            channels += node.output.shape[-1]
    return there, weights + BYTES_A_CHANNEL * channels + BYTES_A_FILE if weights else 0


def _notes(graph: Graph, nodes: list[Node]) -> list[str]:
    notes = []
    if any(graph.tensors[i].dynamic for i in graph.inputs):
        notes.append("the batch is left open, which does no harm where nothing computes a shape")
    dense = [n.input(1) for n in nodes if n.kind == "FULLY_CONNECTED"]
    if any(t is not None and len(t.scales) > 1 for t in dense):
        notes.append(
            "dense weights have a scale a channel: on the CPU, run times up to TensorFlow Lite 2.9 "
            "compute zeros with them and say nothing; edgecnn convert gives them one scale"
        )
    if any(n.kind == "L2_NORMALIZATION" for n in nodes):
        notes.append("L2_NORMALIZATION has an int8 step of 1/128, which is coarse for embeddings")
    if any(n.kind == "TRANSPOSE" and n.integers()[-1:] != (len(n.integers()) - 1,) for n in nodes):
        notes.append("TRANSPOSE moves the channels: the compiler may find it too large")
    return notes
