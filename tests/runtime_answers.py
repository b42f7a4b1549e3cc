"""What a run time answers: ``python runtime_answers.py FOLDER RESULTS``.

Runs in environments of their own, on Python 3.7 and later (so ``zip`` is not strict). For each
``NAME.tflite`` in FOLDER, ``NAME.npz`` holds ``input0``, ``input1`` ...: N arrays each, of the
model's own shapes and types. RESULTS gets a ``NAME.npz`` with ``output0`` ... in the same way.
"""

import sys
from pathlib import Path

import numpy as np

try:
    from tflite_runtime.interpreter import Interpreter
except ModuleNotFoundError:
    from ai_edge_litert.interpreter import Interpreter


def answer(model: Path, results: Path) -> None:
    """Run one model on all its inputs, one thread."""
    interpreter = Interpreter(str(model), num_threads=1)
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    with np.load(str(model.with_suffix(".npz"))) as given:
        columns = [given[f"input{i}"] for i in range(len(inputs))]
    found = [[] for _ in outputs]
    for row in zip(*columns):  # noqa: B905
        for facts, value in zip(inputs, row):  # noqa: B905
            interpreter.set_tensor(facts["index"], value)
        interpreter.invoke()
        for column, facts in zip(found, outputs):  # noqa: B905
            column.append(interpreter.get_tensor(facts["index"]))
    arrays = {f"output{i}": np.stack(column) for i, column in enumerate(found)}
    np.savez(str(results / (model.stem + ".npz")), **arrays)


if __name__ == "__main__":
    folder, results = map(Path, sys.argv[1:])
    for model in sorted(folder.glob("*.tflite")):
        answer(model, results)
