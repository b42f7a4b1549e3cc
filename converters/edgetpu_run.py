"""Running the vendor's ``edgetpu_compiler``: where it is, how it is called, how it is ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import uuid
from contextlib import suppress
from pathlib import Path

from converters.edgetpu_log import failure
from edgecnn.errors import ConversionError

COMPILER = "edgetpu_compiler"
VARIABLE = "EDGETPU_COMPILER"
ENGINES = ("docker", "podman")
"""Programs that run a container image, in the order in which they are looked for."""

TIMEOUT_S = 180.0
"""The compiler's own default ("Started a compilation timeout timer of 180 seconds")."""

NOT_RUN = (125, 126, 127)
"""Exit codes of docker and podman where the image, not what is in it, is at fault
(docker-run(1))."""

MISSING = (
    "expected Coral's edgetpu_compiler, found none: on x86-64 Debian or Ubuntu install the package "
    "edgetpu-compiler from Coral's package source (coral.ai/docs/edgetpu/compiler), then name it "
    "by --compiler, EDGETPU_COMPILER or the PATH, or name a container image that has it by --image"
)


def find(compiler: str | Path | None = None) -> str:
    """The compiler: what is named, else ``EDGETPU_COMPILER``, else the PATH.

    Raises:
        ConversionError: there is none.
    """
    named = str(compiler or os.environ.get(VARIABLE) or "")
    found = shutil.which(named or COMPILER)
    if found is None and named:
        raise ConversionError(f"{named} cannot be run. {MISSING}")
    if found is None:
        raise ConversionError(MISSING)
    return found


def command(
    source: Path, results: Path, compiler: str | Path | None, image: str | None, timeout_s: float
) -> tuple[list[str], list[str]]:
    """What to run, and what to run where that took too long (empty: nothing more).

    Raises:
        ConversionError: no compiler, or nothing that runs an image.
    """
    flags = ["-s"]
    if timeout_s > TIMEOUT_S:  # it would end by itself before
        flags += ["-t", str(int(timeout_s))]
    if image is None:
        return [find(compiler), *flags, "-o", str(results), str(source)], []
    engine = next((found for name in ENGINES if (found := shutil.which(name))), None)
    if engine is None:
        raise ConversionError(
            f"expected {' or '.join(ENGINES)} to run the image {image}, found neither: install one"
        )
    # The files are to be the user's own; podman without root has another notion of who that is,
    # and with root does not know "keep-id".
    rootless = Path(engine).name == "podman" and os.getuid() != 0
    owner = ["--userns", "keep-id"] if rootless else ["--user", f"{os.getuid()}:{os.getgid()}"]
    name = f"edgecnn-{uuid.uuid4().hex[:12]}"
    inside = str(compiler or COMPILER)
    run = [
        engine, "run", "--rm", "--name", name, "--network", "none",
        # Z: where SELinux is on, the container may not read the folder otherwise. It is our own.
        *owner, "--volume", f"{source.parent}:/model:Z",
        "--entrypoint", inside, image,
        *flags, "-o", f"/model/{results.name}", f"/model/{source.name}",
    ]  # fmt: skip
    return run, [engine, "kill", name]


def run(
    source: Path,
    results: Path,
    compiler: str | Path | None,
    image: str | None,
    timeout_s: float,
    expected: str | None,
) -> str:
    """Compile ``source`` into the folder ``results`` beside it; what the compiler printed.

    Args:
        compiler, image: see :func:`converters.edgetpu.compile_model`.
        timeout_s: after which the compiler, with all that it started, is ended.
        expected: the cure of a refusal that the pre-flight expects; None where it expects none.

    Raises:
        ConversionError: no compiler, or it refused, crashed, or took too long.
    """
    call, kill = command(source, results, compiler, image, timeout_s)
    try:
        # A session of its own: the compiler forks, and its child would outlive it.
        process = subprocess.Popen(
            call,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as e:
        raise ConversionError(f"{call[0]} cannot be run ({e.strerror}). {MISSING}") from e
    try:
        output = process.communicate(timeout=timeout_s)[0]
    except BaseException as e:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if kill:
            subprocess.run(kill, capture_output=True)
        process.wait()  # not for the end of its output, which others may hold open
        if process.stdout:
            process.stdout.close()
        if not isinstance(e, subprocess.TimeoutExpired):
            raise
        raise ConversionError(
            f"{COMPILER} did not end within {timeout_s:g} s on {source.name}: give it more with "
            "--timeout, or a smaller network"
        ) from None
    text = output.decode("utf-8", "replace")
    if process.returncode:
        raise ConversionError(_refused(source.name, process.returncode, text, expected, image))
    return text


def _refused(name: str, code: int, text: str, expected: str | None, image: str | None) -> str:
    """Why the compiler failed, in one line."""
    says, cure = failure(text)
    if image is not None and code in NOT_RUN:
        told = [line for line in text.splitlines() if line.startswith(("docker: ", "Error: "))]
        return (
            f"the container image {image} did not run ({(told or [says])[-1].strip()}): check that "
            "it is there, that it has the compiler, and that you may run containers"
        )
    how = f"exit code {code}" if code > 0 else signal.Signals(-code).name
    cure = expected or f"{cure}; the pre-flight had expected it to pass"
    return f"{COMPILER} failed on {name} with {how} ({says}): {cure}"
