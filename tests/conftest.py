"""For all tests: a clean user environment, the research data, and no silent skips in CI."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
USER_ENV = dict(os.environ)
DATA = Path(USER_ENV.get("EDGECNN_SHARED_DATA") or ROOT.parent / "shared" / "data").resolve()
IN_CI = USER_ENV.get("CI", "").lower() in ("1", "true")

NO_DATA = "no research data"
VIRTUAL_BOARD = ROOT / "tests" / "board"
ALLOWED_SKIPS = {
    "this machine has no /dev/video0": "make test-camera, a step of .ci/run, has one",
    "MediaPipe has an environment of its own": "make test-mediapipe, a step of .ci/run, has it",
    "old run times have environments of their own": "make test-runtimes, in .ci/run, has them",
    "could not import 'skimage": "an oracle that the board part of make test-matrix does without",
}
"""Reason of a skip (its beginning) to why CI must live with it. With ``CI=true`` any other skip
fails the run."""


@pytest.fixture(autouse=True)
def clean_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, matplotlib_home: Path
) -> Path:
    """No ``EDGECNN_*`` from outside, and the user's folders in a fresh temporary one."""
    for name in list(os.environ):
        if name.startswith("EDGECNN_"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in ("CONFIG", "CACHE", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    monkeypatch.setenv("MPLCONFIGDIR", str(matplotlib_home))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    return home


@pytest.fixture(scope="session")
def matplotlib_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for matplotlib's font list, which takes seconds to make."""
    return tmp_path_factory.mktemp("matplotlib")


@pytest.fixture(scope="session")
def user_env() -> dict[str, str]:
    """The environment pytest was started in, for tools such as pip that need its settings."""
    return dict(USER_ENV)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The research data; a test that asks for it carries ``@pytest.mark.data``."""
    return DATA


@pytest.fixture
def edgecnn(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command; exit code, what it printed, and what it complained."""

    def run(*args: object) -> tuple[int, str, str]:
        from edgecnn.cli import main

        code = 0
        try:
            main([str(a) for a in args])
        except SystemExit as e:
            code = int(e.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The virtual board takes minutes and root: it is tested where its folder is asked for."""
    asked = [Path(config.invocation_params.dir, a.partition("::")[0]) for a in config.args]
    named = any(path.resolve().is_relative_to(VIRTUAL_BOARD) for path in asked)
    return True if collection_path == VIRTUAL_BOARD and not named else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not DATA.is_dir():
        for item in items:
            if item.get_closest_marker("data"):
                item.add_marker(pytest.mark.skip(reason=f"{NO_DATA} in {DATA}"))


def _forbidden(config: pytest.Config) -> list[str]:
    """In CI, the skips that nobody has given a reason for in :data:`ALLOWED_SKIPS`."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if not IN_CI or reporter is None:
        return []
    skips = [
        (r.nodeid, str(r.longrepr[2]).removeprefix("Skipped: "))
        for r in reporter.stats.get("skipped", [])
    ]
    return [
        f"{test}: {reason}"
        for test, reason in skips
        if not reason.startswith((NO_DATA, *ALLOWED_SKIPS))
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _forbidden(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in _forbidden(config):
        terminalreporter.write_line(f"CI does not allow this skip: {line}", red=True)
