"""``edgecnn bench --on HOST``: measured on the board, by the release that is deployed there.

One ssh: the bundle's files travel as a tar on its standard input into a temporary folder, which is
gone again when the measurement has ended, however it did. The gallery stays at home. Nothing else
on the board is changed, and the camera's service goes on.
"""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from devices.hosts import Host
from edgecnn.bundle import ASSETS, MANIFEST, Bundle
from edgecnn.errors import DataError, DeployError
from edgecnn.report.board_results import check

PYTHON = "/opt/edgecnn/current/venv/bin/python"
"""Of the release that the board's service runs."""

ABSENT = 97
"""Exit code of our line where nothing is deployed; ssh's own is 255."""

OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=15")

LIMIT_S = 1800
"""For all of it beyond the soak: four numbers of threads on a board in software."""

REMOTE = """
[ -x {python} ] || exit {absent}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP INT TERM
tar -x -C "$work" || exit 1
cd "$work" && {python} -m edgecnn bench {arguments} --json
"""


def on_board(
    host: Host,
    path: Path,
    *,
    people: int = 100,
    runs: int = 100,
    soak_s: float = 300.0,
    python: str | None = None,
    note: Callable[[str], object] = lambda line: None,
) -> dict[str, Any]:
    """Measure a bundle on a board.

    Args:
        host: see :mod:`devices.hosts`.
        path: of the bundle, here.
        people, runs, soak_s: see :func:`edgecnn.camera.bench.measure_board`.
        python: on the board, with edgecnn; :data:`PYTHON` where None.
        note: takes a line before the long wait.

    Returns:
        What that function gives.

    Raises:
        BundleError: there is no such bundle here.
        DeployError: the board is not reached, has no release, or does not come to an end.
    """
    bundle = Bundle(path)
    note(f"measuring on {host.name}: {soak_s / 60:.1f} minutes of soak, and a few before it")
    options = ["--people", str(people), "--runs", str(runs), "--soak-s", f"{soak_s:g}"]
    arguments = ["bundle", "--threads-each", *options]
    return _measured(host, packed(bundle), arguments, LIMIT_S + soak_s, path, python, check)


def time_of(
    host: Host, runs: int, python: str | None = None
) -> Callable[[list[Path]], dict[str, float]]:
    """What times ``.tflite`` files on a board, one thread: the median of each in milliseconds, by
    the file's name.

    Raises:
        DeployError: as :func:`on_board`, when it is called.
    """

    def time(files: list[Path]) -> dict[str, float]:
        sent = _tar({file.name: file for file in files})
        models = [word for file in files for word in ("--model", file.name)]
        options = ["--runs", str(runs), "--threads", "1", *models]
        took: dict[str, float] = {}

        def accept(found: Any, name: str) -> None:
            try:
                took.update({f.name: float(found["invokes"][f.name]["p50_ms"]) for f in files})
            except (KeyError, TypeError) as e:
                raise DataError(f"expected times of {len(files)} models in {name}") from e

        _measured(host, sent, options, LIMIT_S, ASSETS, python, accept)
        return took

    return time


def _measured(
    host: Host, sent: bytes, arguments: list[str], limit_s: float, path: Path, python: str | None,
    accept: Callable[[Any, str], None],
) -> dict[str, Any]:  # fmt: skip
    """What ``edgecnn bench`` with these arguments says on the board, beside the files of a tar."""
    python = python or PYTHON
    script = REMOTE.format(
        python=shlex.quote(python), absent=ABSENT, arguments=shlex.join(arguments)
    )
    try:
        done = subprocess.run(
            ["ssh", *OPTIONS, *host.ssh, script], input=sent, capture_output=True, timeout=limit_s
        )
    except FileNotFoundError:
        raise DeployError(
            "expected OpenSSH's client here: sudo apt install openssh-client"
        ) from None
    except subprocess.TimeoutExpired as e:
        raise DeployError(
            f"{host.name} did not come to an end within {e.timeout:.0f} s: fewer --runs"
        ) from e
    said = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"])[-1]
    if done.returncode == ABSENT:
        raise DeployError(
            f"expected a release on {host.name}, whose run time is measured. {python} is not "
            f"there: edgecnn deploy {path} {host.name}"
        )
    if done.returncode == 255:
        raise DeployError(f"{host.name} is not reached by ssh ({said}): ssh {shlex.join(host.ssh)}")
    if "No such option" in said:
        raise DeployError(
            f"the release on {host.name} is older than this measurement: edgecnn deploy {path} "
            f"{host.name}"
        )
    if done.returncode:
        raise DeployError(f"{host.name} could not measure: {said.removeprefix('edgecnn: ')}")
    try:
        result: dict[str, Any] = json.loads(done.stdout)
        accept(result, f"the answer of {host.name}")
    except (ValueError, DataError) as e:
        raise DeployError(
            f"expected a result from {host.name}. Received something else ({e}): deploy this "
            f"version there: edgecnn deploy {path} {host.name}"
        ) from e
    return result


def packed(bundle: Bundle) -> bytes:
    """A bundle as a tar of ``bundle/…``: what its manifest names; nobody's embeddings."""
    names = [MANIFEST, *bundle.manifest.files]
    return _tar({f"bundle/{name}": bundle.path / name for name in names})


def _tar(files: Mapping[str, Path]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, path in files.items():
            tar.add(path, name)
    return out.getvalue()
