"""One page a run: after training, after each command that finds something out, in a browser."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_folder import make_photos

from edgecnn.training import images
from edgecnn.training.run import LATENCY, METRICS, REPORT, ROBUSTNESS, RUN, SPEED, VERIFICATION, Run

SETTINGS = {"epochs": 2, "batch_size": 8, "channels": [4, 8]}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
Edgecnn = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("page") / "photos", each=14)


@pytest.fixture(scope="module")
def finished(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return images.train(photos, tmp_path_factory.mktemp("page") / "run", SETTINGS).path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Run:
    return Run(shutil.copytree(finished, tmp_path / "run"))


def page_of(run: Run) -> str:
    return (run.path / REPORT).read_text("utf-8")


def headings(run: Run) -> list[str]:
    return re.findall("<h2>(.*?)</h2>", page_of(run))


def test_a_trained_run_shows_what_is_known_and_how_to_get_the_rest(run: Run) -> None:
    shown = headings(run)
    assert shown[:4] == ["Result", "Learning curves", "Confusion on the test pictures", "Classes"]
    assert "What the first layers see" in shown and "How sure, how right" in shown
    assert shown[-2:] == ["Not measured yet", "Settings"]
    page = page_of(run)
    for command in ("edgecnn convert RUN", "edgecnn robustness RUN", "edgecnn report RUN --bundle"):
        assert command in page
    assert "Grad-CAM" in page and "mean rank correlation of" in page


@pytest.mark.slow
def test_every_command_adds_its_part_to_the_one_page(
    run: Run, photos: Path, tmp_path: Path, edgecnn: Edgecnn
) -> None:
    bundle, trained = tmp_path / "bundle", page_of(run)
    convert = ("convert", run.path, "--for", "x86-64", "--out", bundle, "--max-drop", 1)
    assert edgecnn(*convert)[0] == 0
    assert {"Float against int8", "Size and speed"} < set(headings(run))
    proof, speed = run.found(VERIFICATION), run.found(SPEED)
    assert proof and speed
    assert f"{speed['int8_bytes']:,} bytes" in page_of(run)
    assert speed["int8_bytes"] == (bundle / "model.tflite").stat().st_size
    assert f"{100 * proof['calibration_error']['int8']:.2f} % in int8" in page_of(run)
    # All answers are in the bins, in float and in int8.
    assert [sum(row[0] for row in proof["reliability"][k]) for k in ("float", "int8")] == [6, 6]

    robustness = ("robustness", run.path, photos, "--out", tmp_path / "card", "--kinds", "shift")
    assert edgecnn(*robustness)[0] == 0
    assert "Robustness" in headings(run)
    assert run.found(ROBUSTNESS) == json.loads((tmp_path / "card" / "robustness.json").read_text())

    code, said, _ = edgecnn("report", run.path, "--bundle", bundle, "--runs", 2, "--json")
    assert code == 0 and json.loads(said) == {"report": str(run.path / REPORT)}
    shown = headings(run)
    assert "Latency" in shown and "Not measured yet" not in shown
    assert set((run.found(LATENCY) or {})["stages"]) == {"preprocess", "classify", "total"}
    assert "http" not in page_of(run) and "<script" not in page_of(run)

    # What the training knew stands there as before.
    first = re.search(r"<h2>Confusion.*?</section>", trained, re.S)
    assert first and first[0] in page_of(run)


def test_what_cannot_be_shown_is_one_line(
    run: Run, photos: Path, tmp_path: Path, edgecnn: Edgecnn
) -> None:
    (run.path / SPEED).write_text("{}")
    code, _, complaint = edgecnn("report", run.path)
    assert code == 2 and "speed.json is not as edgecnn writes it" in complaint
    (run.path / SPEED).write_text("{")
    code, _, complaint = edgecnn("report", run.path)
    assert code == 2 and "speed.json cannot be read" in complaint and complaint.count("\n") == 1
    (run.path / SPEED).unlink()
    code, _, complaint = edgecnn("report", run.path, "--bundle", tmp_path)
    assert code == 2 and complaint.count("\n") == 1
    from edgecnn.bundle import ASSETS

    code, _, complaint = edgecnn("report", run.path, "--bundle", ASSETS)
    assert code == 2 and "has other classes or another input" in complaint
    (run.path / METRICS).unlink()
    code, _, complaint = edgecnn("report", run.path)
    assert code == 2 and "the training did not end" in complaint
    facts = json.loads((run.path / RUN).read_text())
    (run.path / RUN).write_text(json.dumps({**facts, "task": "faces"}))
    code, _, complaint = edgecnn("report", run.path)
    assert code == 2 and "--task images" in complaint


def test_another_command_goes_on_where_the_page_cannot_be_drawn(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgecnn.cli.report import refreshed

    before = page_of(run)
    (run.path / METRICS).write_text('{"confusion": [[1]]}')  # as of a run by other hands
    refreshed(run, robustness={"curves": {}})
    said = capsys.readouterr().err
    assert said.startswith("warning: ") and "stays as it was" in said and said.count("\n") == 1
    assert page_of(run) == before and run.found(ROBUSTNESS) == {"curves": {}}


def test_a_dense_network_has_input_gradients_and_no_feature_maps(
    photos: Path, tmp_path: Path
) -> None:
    settings = {"epochs": 1, "batch_size": 8, "network": "dense", "channels": [4]}
    run = images.train(photos, tmp_path / "run", settings)
    page = page_of(run)
    assert "no feature maps, so no Grad-CAM" in page and "What the first layer weighs" in page
    assert "Feature maps of" not in page


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium: sudo apt-get install chromium")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_a_browser(run: Run, scheme: Any) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    said: list[str] = []
    asked: list[str] = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url.partition(":")[0]))
        page.goto((run.path / REPORT).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
        assert page.evaluate(broken) == 0 and page.evaluate("document.images.length") > 10
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness = np.mean([int(n) for n in re.findall(r"\d+", ground)[:3]])
        assert (brightness > 128) == (scheme == "light")
        browser.close()
    assert said == [] and set(asked) <= {"file", "data"}
