"""A second model on the live feed: it is compared, and whatever it does, the camera goes on."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from camera_tools import make_video, network_camera, until
from event_tools import result
from test_camera_status import ann
from test_cli_camera import lines, make_bundle, run

from edgecnn.bundle import ASSETS, COHORT, MANIFEST, Bundle, Manifest
from edgecnn.camera import app
from edgecnn.camera import shadow as shadow_module
from edgecnn.camera.app import Outputs, watch
from edgecnn.camera.governor import Governor
from edgecnn.camera.pipeline import Stats
from edgecnn.camera.shadow import Shadow, Wanted, gives_way, plan, words
from edgecnn.camera.vitals import Vitals
from edgecnn.cli.demo_faces import FIRST, load_portraits
from edgecnn.errors import DataError, GalleryError
from edgecnn.faces.enrol import enrol
from edgecnn.storage import sha256_of

CROP = (slice(0, 330), slice(60, 390))
"""Where the portrait has its face."""


def rewritten(
    folder: Path, change: Callable[[Manifest], Manifest], without: tuple[str, ...] = ()
) -> Path:
    """A copy of the shipped bundle with other facts, and without some files."""
    shutil.copytree(ASSETS, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for name in without:
        (folder / name).unlink()
    manifest = change(Bundle(ASSETS).manifest)
    files = {n: sha256_of(folder / n) for n in manifest.files if n not in without}
    (folder / MANIFEST).write_text(replace(manifest, files=files).to_json())
    return folder


def strict(manifest: Manifest) -> Manifest:
    """Nobody is like anybody: the threshold is above what two photos of one person reach."""
    assert manifest.operating_point is not None
    point = replace(manifest.operating_point, threshold=0.999)
    return replace(manifest, operating_point=point, cohort={})


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder: ``old``, the shipped bundle with one person enrolled, and ``visit.avi``, in which
    that person moves a little; ``strict``, a bundle that knows nobody."""
    folder = tmp_path_factory.mktemp("visit")
    pytest.importorskip("skimage")
    portrait = load_portraits()[FIRST][CROP]
    old = rewritten(folder / "old", lambda manifest: manifest)
    rewritten(folder / "strict", strict, (COHORT,))
    cv2.imwrite(str(folder / "photo.png"), load_portraits()[FIRST])
    enrol(Bundle(old), old / "gallery.sqlite", FIRST, [folder / "photo.png"])
    big = cv2.resize(portrait, (500, 500))
    code = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(folder / "visit.avi"), code, 5.0, (480, 480))
    for k in range(24):
        writer.write(np.ascontiguousarray(big[k % 20 : k % 20 + 480, k % 20 : k % 20 + 480]))
    writer.release()
    return folder


def status(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return told


def test_the_same_bundle_agrees_with_itself(
    visit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, old = ("--source", visit / "visit.avi"), visit / "old"
    alone, beside, path = tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "s.json"
    assert run(old, *source, "--events", alone) == 0
    capsys.readouterr()
    assert run(old, *source, "--events", beside, "--shadow", ASSETS, "--status", path) == 0
    told = status(path)["shadow"]
    assert told["bundle"] == sha256_of(ASSETS / MANIFEST)
    assert told["frames"] == 24 and told["disagree"] == 0 and told["fault"] is None
    assert told["agree"] + told["undecided"] == 24 and told["agree"] > 18
    assert told["examples"] == []
    assert 0 < told["latency_ms"]["p50"] <= told["latency_ms"]["p95"]
    assert told["old_latency_ms"]["p50"] > 0
    said = capsys.readouterr().out
    assert re.search(r"shadow .*assets: \d+ judgements in 24 frames, 100.0% alike", said)
    # Events come from the old model alone.
    keys = ("event", "frame", "track", "name", "score", "box")
    first, second = ([[e[k] for k in keys] for e in lines(p)] for p in (alone, beside))
    assert first == second and first
    assert FIRST not in path.read_text()


def test_a_stricter_bundle_disagrees_and_pictures_are_private(
    visit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, pictures = tmp_path / "s.json", tmp_path / "pictures"
    shadow = ("--shadow", visit / "strict", "--shadow-pictures", pictures)
    source = ("--source", visit / "visit.avi")
    assert run(visit / "old", *source, *shadow, "--status", path) == 0
    told = status(path)["shadow"]
    assert told["kinds"]["named_unknown"] == told["disagree"] > 5
    assert [e["kind"] for e in told["examples"]] == ["named_unknown"]
    (example,) = told["examples"]
    assert set(example) == {"time", "frame", "kind", "old_score", "new_score"}
    assert example["old_score"] == pytest.approx(example["new_score"], abs=0.2)
    (picture,) = pictures.iterdir()
    assert picture.name == "01-named_unknown.png"
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    drawn = cv2.imread(str(picture))
    assert drawn.shape == (480, 960, 3)
    assert np.abs(drawn[:, :480].astype(int) - drawn[:, 480:]).max() > 100  # other labels
    assert "named before, unknown to the new model: " in capsys.readouterr().out
    assert FIRST not in path.read_text()


def test_a_live_camera_goes_on_at_its_rate_while_the_shadow_takes_what_it_gets(
    visit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stats, stop, path = Stats(), threading.Event(), tmp_path / "s.json"
    before = sorted(visit.rglob("*"))
    real, children = subprocess.Popen, list[Any]()

    def popen(command: list[str], **options: Any) -> Any:
        children.append(real(command, **options))
        return children[-1]

    monkeypatch.setattr(shadow_module.subprocess, "Popen", popen)
    with network_camera(fps=20) as camera:
        watching = threading.Thread(
            target=watch,
            args=(visit / "old", camera.address, Outputs(status=path)),
            kwargs={
                "stats": stats,
                "stop": stop,
                "full_rate": True,
                "shadow": Wanted(visit / "strict"),
                "threads": 1,
            },
        )
        watching.start()
        try:
            until(lambda: path.exists() and status(path)["shadow"]["frames"] >= 3, 60)
            children[0].send_signal(signal.SIGSTOP)  # the slowest model there is
            seen = stats.frames
            until(lambda: stats.frames >= seen + 20, 60)
            children[0].send_signal(signal.SIGCONT)
        finally:
            stop.set()
            watching.join(20)
    assert stats.shadow is not None and stats.shadow["fault"] is None
    assert 3 <= stats.shadow["frames"] < stats.frames
    assert stats.dropped.get("shadow", 0) > 0
    assert sorted(visit.rglob("*")) == before, "pictures are made when asked for alone"


# What may be wrong with a new model, as its process shows it.
STUB = """
import json, os, signal, sys, time
stdin, say = sys.stdin.buffer, lambda answer: print(json.dumps(answer), flush=True)
orders = json.loads(stdin.readline())
def frame():
    facts = json.loads(stdin.readline())
    stdin.read(facts["height"] * facts["width"] * 3)
"""
BROKEN = {
    "crashes": ("say({'ready': True}); frame(); os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
    "ends": ("sys.exit(7)", "exit code 7"),
    "never starts": ("time.sleep(600)", "did not answer within"),
    "hangs": ("say({'ready': True}); frame(); time.sleep(600)", "did not answer within"),
    "reads no more": ("say({'ready': True}); time.sleep(600)", "did not answer within 0.5 s"),
    "babbles": ("say({'ready': True}); frame(); print('{', flush=True); time.sleep(9)", "Error"),
    "says nonsense": (
        "say({'ready': True}); frame(); say({'seen': 3}); time.sleep(9)",
        "Error",
    ),
    "fails": ("say({'fault': 'model.tflite does not run'})", "model.tflite does not run"),
}


@pytest.mark.parametrize(("does", "says"), BROKEN.values(), ids=BROKEN)
def test_a_broken_shadow_never_takes_the_camera_down(
    does: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = subprocess.Popen

    def popen(command: list[str], **options: Any) -> Any:
        assert command[-1] == "edgecnn.camera.shadow_child"
        return real([sys.executable, "-c", STUB + does], **options)

    monkeypatch.setattr(app, "load", lambda *args: ann)
    monkeypatch.setattr(shadow_module.subprocess, "Popen", popen)
    monkeypatch.setattr(shadow_module, "HUNG_S", 0.5)
    monkeypatch.setattr(shadow_module, "START_S", 0.5 if says.startswith("did") else 20.0)
    old, new = make_bundle(tmp_path / "old"), make_bundle(tmp_path / "new")
    clip, path = make_video(tmp_path / "clip.avi", 12), tmp_path / "s.json"
    notes: list[str] = []
    stats = watch(old, str(clip), Outputs(status=path), note=notes.append, shadow=Wanted(new))
    assert stats.frames == 12 and stats.names["Ann"] == 12
    (said,) = [n for n in notes if n.startswith("the shadow ")]
    assert says in said and "Recognition goes on" in said
    assert status(path)["shadow"]["fault"] in said
    assert stats.shadow is not None and says in words(stats.shadow, "new")[-1]


def test_a_pipe_that_nobody_empties_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, notes = subprocess.Popen, list[str]()
    does = STUB + "say({'ready': True}); time.sleep(600)"
    monkeypatch.setattr(
        shadow_module.subprocess,
        "Popen",
        lambda command, **options: real([sys.executable, "-c", does], **options),
    )
    bundle = Bundle(make_bundle(tmp_path / "new"))
    big = replace(result(), frame=replace(result().frame, image_bgr=np.zeros((480, 640, 3), "u1")))
    planned = plan(bundle, None, Wanted(bundle.path))
    made = Shadow(planned, Stats(), threading.Event(), False, notes.append, hung_s=0.3)
    try:
        made.write(big)
        assert made.fault == "it has taken no frame for 0.3 s" and len(notes) == 1
    finally:
        made.close()


def test_a_model_that_breaks_is_told_by_its_own_fault(visit: Path, tmp_path: Path) -> None:
    """The real child, with a bundle that passes every check and cannot be run."""
    new = rewritten(tmp_path / "new", lambda manifest: manifest)
    manifest = Bundle(new).manifest
    detector = new / manifest.models["detector"].file
    damaged = bytearray(detector.read_bytes())
    damaged[len(damaged) // 2 :] = b"\0" * (len(damaged) - len(damaged) // 2)
    detector.write_bytes(damaged)
    files = {**manifest.files, detector.name: sha256_of(detector)}
    (new / MANIFEST).write_text(replace(manifest, files=files).to_json())
    notes: list[str] = []
    stats = watch(
        visit / "old",
        str(visit / "visit.avi"),
        Outputs(),
        note=notes.append,
        shadow=Wanted(new),
        max_frames=8,
    )
    assert stats.frames == 8
    (said,) = [n for n in notes if n.startswith("the shadow ")]
    assert "face-detector.tflite" in said or "crashed" in said
    assert stats.shadow is not None and stats.shadow["frames"] == 0


def other_embedder(folder: Path) -> Path:
    """The shipped bundle with an embedder of another hash, as after a new training."""
    new = rewritten(folder, lambda manifest: replace(manifest, cohort={}), (COHORT,))
    manifest = Bundle(new).manifest
    name = manifest.models["embedder"].file
    with open(new / name, "ab") as f:
        f.write(b"\0" * 16)
    files = {**manifest.files, name: sha256_of(new / name)}
    (new / MANIFEST).write_text(replace(manifest, files=files).to_json())
    return new


def test_another_embedder_needs_its_own_people(
    visit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, source = other_embedder(tmp_path / "new"), ("--source", visit / "visit.avi")
    assert run(visit / "old", *source, "--shadow", new) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and len(shown.err.splitlines()) == 1
    assert f"edgecnn enroll {new}" in shown.err and "--shadow-gallery" in shown.err
    people = tmp_path / "people.sqlite"
    enrol(Bundle(new), people, FIRST, [visit / "photo.png"])
    assert run(visit / "old", *source, "--shadow", new, "--shadow-gallery", people) == 0
    assert re.search(r"\d+ judgements in 24 frames, 100.0% alike", capsys.readouterr().out)
    wrong = ("--shadow-gallery", visit / "old" / "gallery.sqlite")
    assert run(visit / "old", *source, "--shadow", new, *wrong) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    with pytest.raises(GalleryError, match="another than"):
        plan(Bundle(visit / "old"), None, Wanted(new))


def test_another_task_and_options_without_a_shadow_are_refused(
    visit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = make_bundle(tmp_path / "images", "images")
    with pytest.raises(DataError, match="task faces"):
        plan(Bundle(visit / "old"), None, Wanted(images))
    source = ("--source", visit / "visit.avi")
    assert run(visit / "old", *source, "--shadow-pictures", tmp_path) == 2
    assert "need --shadow" in capsys.readouterr().err
    pictures = ("--shadow", ASSETS, "--shadow-pictures", tmp_path / "p", "--blur-unknown")
    assert run(visit / "old", *source, *pictures) == 2
    assert "without --shadow-pictures" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("vitals", "expected"),
    [
        (Vitals(), False),
        (Vitals(72.4), False),
        (Vitals(72.5), True),  # the governor slows the loop down at 75
        (Vitals(throttled=True), True),
        (Vitals(pressure=0.59), False),
        (Vitals(pressure=0.61), True),
        (Vitals(load=1.49), False),
        (Vitals(load=1.5), True),
    ],
)
def test_the_shadow_rests_before_the_loop_has_to(vitals: Vitals, expected: bool) -> None:
    assert gives_way(vitals) is expected


def test_a_hot_board_is_spared(visit: Path, tmp_path: Path) -> None:
    stats, stop = Stats(), threading.Event()
    stats.pace.governor = Governor(look=Vitals)
    stats.pace.governor.vitals = Vitals(79.0)
    made = Shadow(plan(Bundle(visit / "old"), None, Wanted(ASSETS)), stats, stop, live=True)
    try:
        from event_tools import result

        for _ in range(3):
            made.write(result())
        assert made.rested == 3 and made.comparison.frames == 0 and made.fault is None
        assert "rested for 3 frames" in "\n".join(words(made.report(), "new"))
    finally:
        made.close()


def test_ctrl_c_ends_both_and_blames_nobody(visit: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    with network_camera(fps=20) as camera:
        options = ["--source", camera.address, "--shadow", str(ASSETS), "--status", str(path)]
        process = subprocess.Popen(
            [sys.executable, "-m", "edgecnn", "camera", str(visit / "old"), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        until(lambda: path.exists() and status(path)["frames"] > 0, 60)
        time.sleep(2)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "ended" not in err and "shadow" in out
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
