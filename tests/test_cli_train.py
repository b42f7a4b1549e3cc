"""``edgecnn train`` through the real command line: what it says, and how it refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from photo_folder import make_photos

from edgecnn import training
from edgecnn.cli import main, progress
from edgecnn.cli.train import TASKS
from edgecnn.errors import DataError

ROOT = Path(__file__).resolve().parent.parent
SHORT = ["--epochs", "1", "--batch-size", "8", "--network", "dense", "--channels", "4"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos", ("ant", "bee"), 6)


def refused(capsys: pytest.CaptureFixture[str], *args: object) -> str:
    """The one line that a refused command prints; it exits with 2."""
    with pytest.raises(SystemExit) as caught:
        main(["train", *map(str, args)])
    assert caught.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith("edgecnn: ") and shown.count("\n") == 1
    return shown


def spoil_file(root: Path) -> None:
    (root / "ant" / "00.png").write_bytes(b"broken")
    (root / "ant" / "notes.txt").write_text("no picture")


def few(root: Path) -> None:
    for i in range(4):
        (root / "bee" / f"0{i}.png").unlink()


def one_class(root: Path) -> None:
    shutil.rmtree(root / "bee")


def empty_class(root: Path) -> None:
    (root / "cow").mkdir()


def loose(root: Path) -> None:
    shutil.copy(root / "ant" / "00.png", root / "x.png")


def nested(root: Path) -> None:
    (root / "ant" / "2024").mkdir()


def gone(root: Path) -> None:
    shutil.rmtree(root)


def a_file(root: Path) -> None:
    gone(root)
    root.write_text("")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_file, "ant/00.png, ant/notes.txt"),
        (few, "bee has 2 pictures: add more"),
        (one_class, "two classes at least"),
        (empty_class, "cow is empty"),
        (loose, "x.png lies directly in it"),
        (nested, "ant holds folders itself (2024)"),
        (gone, "does not exist"),
        (a_file, "is a file"),
    ],
)
def test_bad_folders(
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    words: str,
) -> None:
    spoil(photos)
    before = {p.name for p in tmp_path.iterdir()}
    assert words in refused(capsys, photos, "--task", "images", "--out", tmp_path / "run")
    assert {p.name for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("task", "option", "words"),
    [
        ("images", ["--teacher", "x.onnx"], "--teacher is not for task images"),
        ("images", ["--negatives", "x", "--with", "y"], "--negatives, --with are not"),
        ("detector", ["--mirror"], "--mirror is not for task detector"),
        ("embedder", ["--network", "dense"], "--network is not for task embedder"),
        ("images", ["--size", "4"], "8 to 512"),
        ("images", ["--no-augment", "--mirror"], "augment"),
    ],
)
def test_options_of_another_task_are_refused(
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    task: str,
    option: list[str],
    words: str,
) -> None:
    shown = refused(capsys, photos, "--task", task, "--out", tmp_path / "run", *option)
    assert words in shown
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("task", "goes_on"), [("faces", "begins again"), ("images", "goes on from")]
)
def test_what_comes_after_an_interruption_is_told(
    photos: Path, tmp_path: Path, edgecnn: Any, monkeypatch: pytest.MonkeyPatch,
    task: str, goes_on: str,
) -> None:  # fmt: skip
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    module = {"faces": "people", "images": "images"}[task]
    monkeypatch.setattr(f"edgecnn.training.{module}.train", interrupted)
    code, _, err = edgecnn("train", photos, "--task", task, "--out", tmp_path / "run")
    assert code == 130 and f"the same command with --resume {goes_on}" in err


@pytest.mark.parametrize(
    "option", [["--size", "4y"], ["--channels", "a,b"], ["--epochs", "0"], ["--task", "things"]]
)
def test_malformed_options_are_refused(
    photos: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", str(photos), "--task", "images", *option])
    assert caught.value.code == 2
    assert option[0] in capsys.readouterr().err


def test_an_exploding_loss_is_one_line_and_leaves_nothing(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    shown = refused(
        capsys, photos, "--task", "images", "--out", out, "--learning-rate", "1e38", *SHORT
    )
    assert "the loss became" in shown and "lower --learning-rate" in shown
    assert not out.exists()


def test_prints_figures_and_where_the_report_is(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["train", "photos", "--task", "images", *SHORT, "--skip-broken"])
    shown = capsys.readouterr().out
    assert "classifier 1/1  accuracy" in shown and "\r" not in shown and "\x1b" not in shown
    assert "accuracy   " in shown and "parameters   " in shown
    assert shown.splitlines()[-1].split() == ["report", "runs/photos-images/report.html"]
    assert (tmp_path / "runs/photos-images/report.html").is_file()
    assert "not empty" in refused(capsys, "photos", "--task", "images", *SHORT)


def test_a_new_process_prints_one_line_for_a_broken_file(photos: Path, tmp_path: Path) -> None:
    file = photos / "ant" / "00.png"
    file.write_bytes(file.read_bytes()[:80])
    done = subprocess.run(
        [sys.executable, "-m", "edgecnn", "train", photos, "--task", "images", "--out", "run"],
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
        | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "ant/00.png" in done.stderr
    assert not (tmp_path / "run").exists()


def test_tasks_of_the_command_are_those_of_the_library() -> None:
    assert tuple(training.TASKS) == TASKS


@pytest.mark.parametrize(
    ("defaults", "given", "expected"),
    [
        ({"a": 1}, {}, {"a": 1}),
        ({"a": None}, {"a": "x"}, {"a": "x"}),
        ({"size": [320, 240]}, {"size": 96}, {"size": [96, 96]}),
        ({"size": 112}, {"size": [96, 96]}, {"size": 96}),
        ({"network": {}}, {"network": {"k": 1}}, {"network": {"k": 1}}),
    ],
)
def test_settings_merge(
    defaults: dict[str, Any], given: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert training.settings_for("images", defaults, given) == expected


@pytest.mark.parametrize(
    ("defaults", "given"),
    [({"a": 1}, {"b": 1}), ({"network": {}}, {"network": "x"}), ({"size": 9}, {"size": [9, 8]})],
)
def test_settings_that_do_not_fit(defaults: dict[str, Any], given: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        training.settings_for("images", defaults, given)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("classifier 3/40", ("classifier", 2, 40)),
        ("reading pictures", ("reading pictures", 0, 1)),
        ("stage 2 of 4", ("stage 2 of 4", 0, 1)),
    ],
)
def test_a_step_says_how_far_its_stage_is(step: str, expected: tuple[str, int, int]) -> None:
    assert progress._overall(step) == expected


def test_a_bar_shows_on_a_terminal(monkeypatch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with progress.shown() as show:
        show("reading pictures", 5, 5, {})
        for epoch in (1, 2):
            show(f"classifier {epoch}/2", 10, 10, {"loss": 0.25})
    shown = capsys.readouterr().out
    assert "classifier" in shown and "2/2" in shown and "5/5" in shown


def test_lines_take_the_place_of_the_bar_without_rich(
    monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    monkeypatch.setitem(sys.modules, "rich", None)
    with progress.shown() as show:
        show("classifier 1/2", 1, 2, {"loss": 0.5})
        show("classifier 1/2", 2, 2, {"loss": 0.25})
    assert capsys.readouterr().out == "classifier 1/2  loss 0.25\n"
