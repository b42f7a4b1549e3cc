"""The compiler's wrapper, with a stand-in that prints what the real one printed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from converter_tools import TINY
from edgetpu_tools import compiler, shipped
from flat_models import chain

from converters import edgetpu, edgetpu_log, edgetpu_run, metadata
from converters.edgetpu_rules import LATE, MAPPED, UNSUPPORTED
from converters.preflight import predict
from edgecnn.bundle import ASSETS, MANIFEST, SIGNATURE, Bundle
from edgecnn.errors import ConversionError, ModelError, StorageError
from edgecnn.images import Preprocess

HEAD = """Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.
"""
SIZES = """
Model compiled successfully in 1524 ms.

Input model: {stem}.tflite
Input size: 4.24MiB
Output model: {stem}_edgetpu.tflite
Output size: 5.57MiB
On-chip memory used for caching model parameters: 4.21MiB
On-chip memory remaining for caching model parameters: 3.29MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: {subgraphs}
Total number of operations: {total}
Operation log: {stem}_edgetpu.log
"""
NOT_ALL = """
Model successfully compiled but not all operations are supported by the Edge TPU. A percentage of \
the model will instead run on the CPU, which is slower. If possible, consider updating your model \
to use only operations supported by the Edge TPU. For details, visit g.co/coral/model-reqs.
Number of operations that will run on Edge TPU: {mapped}
Number of operations that will run on CPU: {on_cpu}
"""
TAIL = """
Compilation child process completed within timeout period.
Compilation succeeded!
"""
OLD = "An older version of this builtin might be supported. Are you using an old TFLite binary " \
      "with a newer model?"  # fmt: skip
INVALID = "Invalid model: m.tflite\nModel could not be parsed\n"
INTERPRETER = "Compilation failed: Model failed in Tflite interpreter. Please ensure model can " \
              "be loaded/run in Tflite interpreter.\n"  # fmt: skip
FAILURES = {
    "grouped": (f"ERROR: Didn't find op for builtin opcode 'CONV_2D' version '6'. {OLD}\n\n"
                f"ERROR: Registration failed.\n\n{INVALID}", "opcode 'CONV_2D' version '6'"),
    "exp": (f"ERROR: Didn't find op for builtin opcode 'EXP' version '2'. {OLD}\n"
            f"ERROR: Registration failed.\n{INVALID}", "'EXP' version '2'"),
    "code": ("ERROR: Op builtin_code out of range: 150. Are you using old TFLite binary with "
             f"newer model?\n{INVALID}", "out of range: 150"),
    "float": ("Invalid model: m.tflite\nModel not quantized\n", "Model not quantized"),
    "dynamic": ("ERROR: Attempting to use a delegate that only supports static-sized tensors with "
                f"a graph that has dynamic-sized tensors.\n{INTERPRETER}", "dynamic-sized"),
    "custom": ("ERROR: Encountered unresolved custom op: Atan.\nERROR: Node number 3 (Atan) failed "
               f"to prepare.\n{INTERPRETER}", "custom op: Atan"),
    "activations": ("ERROR: Restored original execution plan after delegate application failure.\n"
                    "Compilation failed: Compilation failed due to large activation tensors in "
                    "model.\n", "large activation tensors"),
    "internal": ("Internal compiler error. Aborting!\n", "Internal compiler error"),
    "bare": ("Compilation failed!\n", "Compilation failed!"),
}  # fmt: skip
"""What the compiler printed with exit code 1, and what has to be told of it."""

Fake = Callable[..., Path]


def table(*rows: tuple[str, int, str]) -> str:
    lines = [f"{kind:<30} {count:<10} {status}" for kind, count, status in rows]
    return "\n".join(["", f"{'Operator':<30} {'Count':<10} Status", "", *lines, ""])


def success(*rows: tuple[str, int, str], subgraphs: int = 1) -> str:
    mapped = sum(n for _, n, status in rows if status == MAPPED)
    total = sum(n for _, n, _ in rows)
    some = NOT_ALL.format(mapped=mapped, on_cpu=total - mapped) if mapped < total else ""
    sizes = SIZES.format(stem="m", subgraphs=subgraphs, total=total)
    return HEAD + sizes + some + table(*rows) + TAIL


WHOLE = success(
    ("CONV_2D", 1, MAPPED), ("DEPTHWISE_CONV_2D", 1, MAPPED), ("RESHAPE", 1, MAPPED),
    ("FULLY_CONNECTED", 1, MAPPED), ("QUANTIZE", 2, MAPPED),
)  # fmt: skip
"""For ``tiny.tflite``."""


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    """Writes a compiler that prints a text, ends with a code, and writes a file or none."""

    def make(text: str, code: int = 0, output: bytes | None = b"edgetpu-custom-op",
             before: str = "", log: str | None = None) -> Path:  # fmt: skip
        script = tmp_path / "bin" / "edgetpu_compiler"
        script.parent.mkdir(exist_ok=True)
        script.write_text(
            f"#!{sys.executable}\n"
            "import pathlib, subprocess, sys, os, time\n"
            "arguments = sys.argv[1:]\n"
            "out = pathlib.Path(arguments[arguments.index('-o') + 1])\n"
            f"pathlib.Path({str(tmp_path / 'called')!r}).write_text(' '.join(arguments))\n"
            f"{before}\n"
            "stem = pathlib.Path(arguments[-1]).stem\n"
            "assert '-s' in arguments and pathlib.Path(arguments[-1]).is_file()\n"
            f"output, log = {output!r}, {log!r}\n"
            "if output is not None:\n"
            "    (out / f'{stem}_edgetpu.tflite').write_bytes(output)\n"
            "if log is not None:\n"
            "    (out / f'{stem}_edgetpu.log').write_text(log)\n"
            f"print({text!r})\n"
            f"sys.exit({code})\n"
        )
        script.chmod(0o755)
        return script

    return make


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.tflite"
    path.write_bytes(TINY.read_bytes())
    return path


# The log.


def test_a_success_as_data() -> None:
    text = success(("ADD", 42, MAPPED), ("CUSTOM", 1, "Operation is working on an unsupported data "
                   "type"), ("CONV_2D", 1, LATE), ("CONV_2D", 32, MAPPED))  # fmt: skip
    log = edgetpu_log.parse(text)
    assert log.version == "16.0.384591198" and log.errors == ()
    assert log.facts == {
        "compiled_ms": 1524,
        "subgraphs": 1,
        "total": 76,
        "mapped": 74,
        "on_cpu": 2,
        "input_bytes": round(4.24 * 2**20),
        "output_bytes": round(5.57 * 2**20),
        "cached_bytes": round(4.21 * 2**20),
        "cache_left_bytes": round(3.29 * 2**20),
        "streamed_bytes": 0,
    }
    assert [(r.operator, r.count) for r in log.rows] == [
        ("ADD", 42), ("CUSTOM", 1), ("CONV_2D", 1), ("CONV_2D", 32),
    ]  # fmt: skip
    assert log.rows[2].status == LATE


@pytest.mark.parametrize(
    ("size", "expected"),
    [("0.00B", 0), ("5.75KiB", 5888), ("7.03MiB", 7371489), ("1.00GiB", 2**30), ("12B", 12)],
)
def test_sizes(size: str, expected: int) -> None:
    assert edgetpu_log.parse(f"Input size: {size}\n").facts == {"input_bytes": expected}


def test_a_log_without_counts_counts_its_rows() -> None:
    assert edgetpu_log.parse(WHOLE).mapped() == 6
    assert edgetpu_log.parse(table(("ADD", 3, UNSUPPORTED))).mapped() == 0
    assert edgetpu_log.parse("").mapped() is None


@pytest.mark.parametrize("name", FAILURES)
def test_the_line_that_tells(name: str) -> None:
    text, says = FAILURES[name]
    line, cure = edgetpu_log.failure(HEAD + text)
    assert says in line and cure


# What comes out.


def test_what_is_compiled_and_what_stays_beside_it(model: Path, fake: Fake, tmp_path: Path) -> None:
    done = edgetpu.compile_model(model, tmp_path / "out", compiler=fake(WHOLE))
    names = {"m.tflite", "m_edgetpu.tflite", "m_edgetpu.json", "m_edgetpu.log"}
    assert {p.name for p in done.folder.iterdir()} == names
    assert (done.folder / "m.tflite").read_bytes() == TINY.read_bytes()
    assert done.differences == ()
    arguments = (tmp_path / "called").read_text().split()
    assert arguments[:2] == ["-s", "-o"] and len(arguments) == 4
    facts = json.loads((done.folder / "m_edgetpu.json").read_text())
    assert facts["original"]["sha256"] == sha256(TINY.read_bytes()).hexdigest()
    assert facts["compiled"]["sha256"] == sha256(b"edgetpu-custom-op").hexdigest()
    assert facts["compiler"]["version"] == "16.0.384591198"
    picture = facts["inputs"][0]
    assert (picture["scales"], picture["zero_points"]) == ([1 / 128], [128])
    assert (picture["dtype"], picture["shape"]) == ("uint8", [1, 8, 8, 3])
    assert (facts["labels"], facts["input"]) == ([], None)


def test_labels_and_preprocessing_of_a_bundle_are_kept(fake: Fake, tmp_path: Path) -> None:
    model = ASSETS / "face-embedder.tflite"
    edgetpu.compile_model(model, tmp_path / "out", compiler=fake(WHOLE))
    facts = json.loads((tmp_path / "out" / "face-embedder_edgetpu.json").read_text())
    assert facts["input"]["size_wh"] == [112, 112] and facts["input"]["order"] == "RGB"


def test_labels_of_metadata_are_kept(model: Path, fake: Fake, tmp_path: Path) -> None:
    metadata.write(model, "classifier", Preprocess((8, 8)), ("ant", "bee"))
    for out, labels in (("whole", ["ant", "bee"]), ("damaged", [])):
        edgetpu.compile_model(model, tmp_path / out, compiler=fake(WHOLE))
        facts = json.loads((tmp_path / out / "m_edgetpu.json").read_text())
        assert facts["labels"] == labels
        model.write_bytes(model.read_bytes().replace(b"ant\nbee", b"ant\nbxe"))


def test_the_table_may_stand_in_the_log_file_alone(model: Path, fake: Fake, tmp_path: Path) -> None:
    rows = table(("CONV_2D", 6, MAPPED))
    done = edgetpu.compile_model(model, tmp_path / "out", compiler=fake(HEAD + TAIL, log=rows))
    assert [r.operator for r in done.log.rows] == ["CONV_2D"]


def test_where_the_pre_flight_and_the_compiler_differ(fake: Fake, tmp_path: Path) -> None:
    model = chain(tmp_path / "m.tflite", ["RELU", "LOGISTIC", "LEAKY_RELU", "RELU"])
    as_predicted = success(
        ("RELU", 1, MAPPED), ("RELU", 1, LATE), ("LOGISTIC", 1, MAPPED),
        ("LEAKY_RELU", 1, UNSUPPORTED),
    )  # fmt: skip
    assert edgetpu.compare(predict(model), edgetpu_log.parse(as_predicted)) == ()
    otherwise = success(
        ("RELU", 1, MAPPED), ("RELU", 1, LATE), ("LOGISTIC", 1, UNSUPPORTED),
        ("LEAKY_RELU", 1, UNSUPPORTED),
    )  # fmt: skip
    done = edgetpu.compile_model(model, tmp_path / "out", compiler=fake(otherwise))
    assert done.differences == ("LOGISTIC: 0 mapped and 1 not, predicted 1 and 0",)
    assert json.loads((tmp_path / "out" / done.sidecar).read_text())["differences"]


def test_a_refusal_that_did_not_come_is_a_difference(tmp_path: Path) -> None:
    refused = predict(chain(tmp_path / "m.tflite", ["GELU"]))
    (difference,) = edgetpu.compare(refused, edgetpu_log.parse(WHOLE))
    assert "expected a refusal" in difference and "out of range: 150" in difference


def test_custom_operations_are_compared_as_the_log_names_them(tmp_path: Path) -> None:
    found = predict(chain(tmp_path / "m.tflite", ["RELU", "TFLite_Detection_PostProcess"]))
    log = edgetpu_log.parse(success(("RELU", 1, MAPPED), ("CUSTOM", 1, UNSUPPORTED)))
    assert edgetpu.compare(found, log) == ()


# A bundle.


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return shipped(tmp_path / "bundle")


def test_a_bundle_holds_its_compiled_models(bundle: Path, tmp_path: Path, edgecnn: Any) -> None:
    (bundle / SIGNATURE).write_text("of the manifest as it was")
    before = {p.name: p.read_bytes() for p in bundle.iterdir()}
    script = compiler(tmp_path)
    code, out, err = edgecnn("compile", bundle, "--compiler", script)
    assert (code, err) == (0, "") and "face-embedder_edgetpu.tflite: " in out
    found = Bundle(bundle)
    assert set(found.compiled) == set(found.manifest.models)
    for name, file in found.compiled.items():
        original = (bundle / found.entry(name).file).read_bytes()
        assert file.read_bytes() == original + b"edgetpu-custom-op"
    added = {p.name for p in bundle.iterdir()} - before.keys()
    assert added == {p.name for p in found.compiled.values()}
    assert not (bundle / SIGNATURE).exists()
    same = before.keys() - {MANIFEST, SIGNATURE}
    assert all((bundle / name).read_bytes() == before[name] for name in same)
    code, out, _ = edgecnn("compile", bundle, "--compiler", script, "--json")  # once more
    assert code == 0 and {one["folder"] for one in json.loads(out)} == {str(bundle)}
    assert Bundle(bundle).manifest == found.manifest


def test_a_bundle_stays_as_it_was_where_one_model_is_refused(bundle: Path, tmp_path: Path) -> None:
    (bundle / SIGNATURE).write_text("of the manifest as it was")
    before = {p.name: p.read_bytes() for p in bundle.iterdir()}
    with pytest.raises(ConversionError, match=r"face-embedder\.tflite"):
        edgetpu.compile_bundle(bundle, compiler=compiler(tmp_path, "face-embedder"))
    assert {p.name: p.read_bytes() for p in bundle.iterdir()} == before


def test_a_bundle_is_whole_at_any_moment(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the second time, when files that it names change."""
    edgetpu.compile_bundle(bundle, compiler=compiler(tmp_path))
    copy, looked = shutil.copyfile, []

    def look(source: Path, to: Path) -> None:
        if to.parent == bundle:
            looked.append(Bundle(bundle).compiled)
        copy(source, to)

    monkeypatch.setattr(shutil, "copyfile", look)
    edgetpu.compile_bundle(bundle, compiler=compiler(tmp_path))
    assert looked == [{}, {}, {}]


def test_out_is_for_a_model(bundle: Path, model: Path, fake: Fake, edgecnn: Any) -> None:
    for words in ([bundle, "--out", bundle / "out"], [bundle, "--replace"], [model]):
        code, out, err = edgecnn("compile", *words, "--compiler", fake(WHOLE))
        assert (code, out) == (2, "") and "--out" in err


# What goes wrong.


def refused(model: Path, compiler: Path, **options: Any) -> str:
    """The one line, after which nothing is left behind."""
    before = {p for p in model.parent.iterdir() if p.name != "called"}
    with pytest.raises(ConversionError) as e:
        edgetpu.compile_model(model, model.parent / "out", compiler=compiler, **options)
    assert {p for p in model.parent.iterdir() if p.name != "called"} == before
    assert "\n" not in str(e.value)
    return str(e.value)


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_is_one_line_with_a_cure(name: str, model: Path, fake: Fake) -> None:
    text, says = FAILURES[name]
    message = refused(model, fake(HEAD + text, 1, None))
    assert says in message and "with exit code 1" in message
    assert "the pre-flight had expected it to pass" in message


def test_a_failure_that_the_pre_flight_expected_has_its_cure(tmp_path: Path, fake: Fake) -> None:
    model = chain(tmp_path / "m.tflite", ["RELU", "GELU"])
    message = refused(model, fake(HEAD + FAILURES["code"][0], 1, None))
    assert "out of range: 150" in message and "ReLU, ReLU(6) or PReLU" in message
    assert "had expected" not in message


def test_success_with_nothing_mapped_is_a_failure(model: Path, fake: Fake) -> None:
    nothing = success(("CONV_2D", 6, "Operation is working on an unsupported data type"))
    message = refused(model, fake(nothing))
    assert "mapped nothing of m.tflite" in message and "unsupported data type" in message
    message = refused(model, fake(success(("CONV_2D", 6, MAPPED), subgraphs=0)))
    assert "mapped nothing" in message


def test_success_without_the_custom_operation_is_a_failure(model: Path, fake: Fake) -> None:
    assert "mapped nothing" in refused(model, fake(WHOLE, output=TINY.read_bytes()))


def test_success_without_a_file_is_a_failure(model: Path, fake: Fake) -> None:
    assert "wrote no m_edgetpu.tflite" in refused(model, fake(WHOLE, output=None))


def test_a_silent_crash_is_told(model: Path, fake: Fake) -> None:
    compiler = fake("", before="os.kill(os.getpid(), 11)")
    assert "with SIGSEGV (it said nothing)" in refused(model, compiler)


def test_a_compiler_that_hangs_is_ended_with_its_child(model: Path, fake: Fake) -> None:
    child = model.parent / "child"
    child.touch()
    hang = (
        "child = subprocess.Popen(['sleep', '60'])\n"
        f"pathlib.Path({str(child)!r}).write_text(str(child.pid))\n"
        "time.sleep(60)"
    )
    start = time.monotonic()
    message = refused(model, fake(WHOLE, before=hang), timeout_s=2)
    assert "did not end within 2 s" in message and time.monotonic() - start < 30
    state = Path(f"/proc/{child.read_text()}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_more_time_is_told_to_the_compiler(model: Path, fake: Fake, tmp_path: Path) -> None:
    edgetpu.compile_model(model, tmp_path / "out", compiler=fake(WHOLE), timeout_s=600)
    assert (tmp_path / "called").read_text().split()[:4] == ["-s", "-t", "600", "-o"]


def test_what_cannot_be_compiled(model: Path, fake: Fake, tmp_path: Path) -> None:
    compiled = chain(tmp_path / "c.tflite", ["edgetpu-custom-op"])
    for path, says in (
        (compiled, "compiled for the Edge TPU already"),
        (tmp_path / "n.tflite", "No such file"),
        (tmp_path / "run", r"expected an int8 \.tflite"),
    ):
        with pytest.raises(ModelError, match=says):
            edgetpu.compile_model(path, tmp_path / "out", compiler=fake(WHOLE))
    (tmp_path / "out").mkdir()
    with pytest.raises(StorageError, match="exists already"):
        edgetpu.compile_model(model, tmp_path / "out", compiler=fake(WHOLE))
    for _ in range(2):  # an empty folder, and one of its own
        edgetpu.compile_model(model, tmp_path / "out", compiler=fake(WHOLE), replace=True)
        assert (tmp_path / "out" / "m_edgetpu.tflite").is_file()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("")
    with pytest.raises(StorageError, match="so it is kept"):
        edgetpu.compile_model(model, tmp_path / "photos", compiler=fake(WHOLE), replace=True)


# Where it is.


def test_the_compiler_is_found_by_option_variable_and_path(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = fake(WHOLE)
    monkeypatch.setenv("PATH", str(compiler.parent))
    assert edgetpu_run.find() == str(compiler)
    other = tmp_path / "mine"
    other.write_bytes(compiler.read_bytes())
    other.chmod(0o755)
    monkeypatch.setenv("EDGETPU_COMPILER", str(other))
    assert edgetpu_run.find() == str(other)
    assert edgetpu_run.find(compiler) == str(compiler)
    with pytest.raises(ConversionError, match=r"none cannot be run\. expected Coral's"):
        edgetpu_run.find(tmp_path / "none")


def test_without_a_compiler_it_is_one_line(
    model: Path, edgecnn: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.delenv("EDGETPU_COMPILER", raising=False)
    code, out, err = edgecnn("compile", model, "--out", tmp_path / "out")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "edgetpu-compiler" in err and "--image" in err
    assert not (tmp_path / "out").exists()


ENGINE = Path(__file__).with_name("container_engine.py")


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts a container engine on the PATH, and nothing else; gives its folder. It has one image,
    ``coral:16``, with the compiler in ``/usr/bin``."""

    def make(name: str, compiler: Path) -> Path:
        home = tmp_path / "engine"
        (home / "bin").mkdir(parents=True)
        shutil.copy(compiler, home / "edgetpu_compiler")
        script = home / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {ENGINE} {name} {home} "$@"\n')
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(home / "bin"))
        return home

    return make


ENGINES = pytest.mark.parametrize("name", ["docker", "podman"])


@ENGINES
def test_in_a_container(
    name: str, model: Path, fake: Fake, engine: Any, edgecnn: Any, tmp_path: Path
) -> None:
    home = engine(name, fake(WHOLE))
    code, out, err = edgecnn("compile", model, "--out", tmp_path / "out", "--image", "coral:16")
    assert (code, err) == (0, "") and "6 of 6 operations run on the Edge TPU" in out
    assert (tmp_path / "out" / "m_edgetpu.tflite").read_bytes() == b"edgetpu-custom-op"
    (run,) = json.loads((home / "calls").read_text())
    assert run["rm"] and run["network"] == "none"
    user = f"{os.getuid()}:{os.getgid()}"
    rootless = name == "podman" and os.getuid() != 0
    assert (run["user"], run["userns"]) == ((None, "keep-id") if rootless else (user, None))
    assert run["inside"] == ["-s", "-o", "/model/out", "/model/m.tflite"]
    assert list((home / "containers").iterdir()) == []


def test_a_compiler_elsewhere_in_the_image(
    model: Path, fake: Fake, engine: Any, tmp_path: Path
) -> None:
    engine("docker", fake(WHOLE))
    place = "/usr/bin/edgetpu_compiler"
    edgetpu.compile_model(model, tmp_path / "out", image="coral:16", compiler=place)
    with pytest.raises(ConversionError, match=r'did not run \(docker: .*"/opt/c": no such file'):
        edgetpu.compile_model(model, tmp_path / "b", image="coral:16", compiler="/opt/c")


@ENGINES
def test_a_container_that_hangs_is_ended(
    name: str, model: Path, fake: Fake, engine: Any, tmp_path: Path
) -> None:
    home = engine(name, fake(WHOLE, before="time.sleep(60)"))
    start = time.monotonic()
    with pytest.raises(ConversionError, match="did not end within 5 s"):
        edgetpu.compile_model(model, tmp_path / "out", image="coral:16", timeout_s=5)
    # The engine's client was ended; what runs in the container is not its child and goes on
    # unless the engine is told.
    assert time.monotonic() - start < 40
    assert list((home / "containers").iterdir()) == [] and (home / "started").exists()
    assert not (tmp_path / "out").exists()


def test_a_refusal_in_a_container_is_the_compiler_s(
    model: Path, fake: Fake, engine: Any, tmp_path: Path
) -> None:
    engine("docker", fake(HEAD + FAILURES["float"][0], 1, None))
    with pytest.raises(ConversionError, match=r"edgetpu_compiler failed .*Model not quantized"):
        edgetpu.compile_model(model, tmp_path / "out", image="coral:16")


@pytest.mark.parametrize(
    ("name", "image", "says"),
    [
        ("docker", "coral:17", "docker: Error response from daemon: pull access denied for coral"),
        ("podman", "coral:17", 'Error: short-name "coral:17" did not resolve to an alias'),
        ("docker", "no-daemon", "docker: Cannot connect to the Docker daemon"),
        ("docker", "empty", 'exec: "edgetpu_compiler": executable file not found in $PATH'),
        ("podman", "empty", "Error: crun: executable file `edgetpu_compiler` not found in $PATH"),
    ],
)
def test_an_image_that_does_not_run(
    name: str, image: str, says: str, model: Path, fake: Fake, engine: Any, tmp_path: Path
) -> None:
    engine(name, fake(WHOLE))
    with pytest.raises(ConversionError) as e:
        edgetpu.compile_model(model, tmp_path / "out", image=image)
    assert f"the container image {image} did not run (" in str(e.value) and says in str(e.value)
    assert "\n" not in str(e.value) and not (tmp_path / "out").exists()


@pytest.mark.parametrize(("uid", "owner"), [(0, "--user 0:7"), (1000, "--userns keep-id")])
def test_podman_keeps_the_user_where_it_runs_without_root(
    uid: int, owner: str, engine: Any, fake: Fake, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine("podman", fake(WHOLE))
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.setattr(os, "getgid", lambda: 7)
    run, _ = edgetpu_run.command(model, model.parent / "out", None, "coral:16", 180)
    assert owner in " ".join(run)


def test_the_stand_in_for_an_engine_takes_only_what_engines_take(
    fake: Fake, engine: Any, tmp_path: Path
) -> None:
    engine("docker", fake(WHOLE))
    for arguments in (
        ["run", "--userns", "keep-id", "coral:16"],
        ["run", "--volume", "here:/model", "coral:16"],
        ["run", "--volumes", f"{tmp_path}:/model", "coral:16"],
        ["run"],
        ["kill", "nobody"],
    ):
        done = subprocess.run(["docker", *arguments], capture_output=True)
        assert done.returncode in (1, 125), arguments


def test_without_a_container_engine(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(ConversionError, match="expected docker or podman"):
        edgetpu.compile_model(model, tmp_path / "out", image="coral:16")


# The command.


def test_a_compiler_in_the_folder_where_one_stands(
    model: Path, fake: Fake, edgecnn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = fake(WHOLE)
    monkeypatch.chdir(script.parent)
    code, _, err = edgecnn(
        "compile", model, "--out", tmp_path / "out", "--compiler", "./" + script.name
    )
    assert (code, err) == (0, "")


def test_the_command(model: Path, fake: Fake, edgecnn: Any, tmp_path: Path) -> None:
    compiler = fake(WHOLE)
    code, out, _ = edgecnn("compile", model, "--out", tmp_path / "out", "--compiler", compiler)
    assert code == 0
    assert "m_edgetpu.tflite: 6 of 6 operations run on the Edge TPU, by compiler 16.0.384" in out
    assert "for a CPU: m.tflite" in out and "not as predicted" not in out
    code, out, _ = edgecnn(
        "compile", model, "--out", tmp_path / "out", "--compiler", compiler, "--replace", "--json"
    )
    found = json.loads(out)
    assert code == 0 and (found["mapped"], found["differences"]) == (6, [])
    assert found["compiler"]["operators"][0] == {
        "operator": "CONV_2D", "count": 1, "status": MAPPED,
    }  # fmt: skip
