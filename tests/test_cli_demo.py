import json
import re
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from edgecnn.cli import demo, demo_digits, demo_faces, demo_page, demo_score
from edgecnn.cli.demo_faces import BOXES, FIRST, SECOND
from edgecnn.cli.demo_score import count, judge
from edgecnn.errors import EdgeCNNError, MissingExtra, StorageError
from edgecnn.faces.types import Detection, Recognition
from edgecnn.images import decode_image, read_image


def face(box, name=None):
    detection = Detection(np.array(box, np.float32), 0.9, np.zeros((5, 2), np.float32))
    return Recognition(detection, 1, name, 0.6)


def truth(name, box, whole=True):
    from edgecnn.camera.sources.synthetic import Truth

    return Truth(name, np.array(box, np.float32), whole, 0.5)


ANN, BO = (100, 100, 200, 220), (400, 100, 500, 220)
NEAR_ANN, WALL = (105, 95, 210, 215), (250, 300, 320, 380)


@pytest.mark.parametrize(
    ("truths", "outcome", "named", "found", "strangers"),
    [
        ([], [], {}, set(), ()),
        ([], [face(WALL)], {}, set(), ()),
        ([], [face(WALL, "Ann")], {}, set(), ("Ann",)),
        ([truth("Ann", ANN)], [], {"Ann": None}, set(), ()),
        ([truth("Ann", ANN)], [face(NEAR_ANN)], {"Ann": None}, {"Ann"}, ()),
        ([truth("Ann", ANN)], [face(NEAR_ANN, "Ann")], {"Ann": "Ann"}, {"Ann"}, ()),
        ([truth("Ann", ANN)], [face(NEAR_ANN, "Bo")], {"Ann": "Bo"}, {"Ann"}, ("Bo",)),
        ([truth("Ann", ANN)], [face(WALL, "Ann")], {"Ann": None}, set(), ("Ann",)),
        ([truth("Ann", ANN, False)], [face(NEAR_ANN, "Ann")], {}, set(), ()),
        ([truth("Bo", BO, False)], [face(BO, "Ann")], {}, set(), ("Ann",)),
        (
            [truth("Ann", ANN), truth("Bo", BO)],
            [face(BO), face(NEAR_ANN, "Ann")],
            {"Ann": "Ann", "Bo": None},
            {"Ann", "Bo"},
            (),
        ),
        (
            [truth("Ann", ANN)],
            [face(NEAR_ANN, "Ann"), face(ANN, "Bo")],
            {"Ann": "Bo"},
            {"Ann"},
            ("Bo",),
        ),
    ],
)
def test_judge(truths, outcome, named, found, strangers):
    verdict = judge(truths, outcome)
    assert (verdict.named, verdict.found, verdict.strangers) == (named, found, strangers)


def test_count_has_each_whole_face_in_one_pot():
    frames = [
        judge([truth("Ann", ANN)], [face(ANN, "Ann")]),
        judge([truth("Ann", ANN)], [face(ANN, "Bo")]),
        judge([truth("Ann", ANN)], [face(ANN)]),
        judge([truth("Ann", ANN)], []),
        judge([truth("Ann", ANN, whole=False)], [face(ANN, "Ann")]),
        judge([truth("Bo", BO)], []),
    ]
    assert count(frames, "Ann") == {
        "whole": 4, "named_right": 1, "named_wrong": 1, "missed": 2, "found": 3,
    }  # fmt: skip
    assert count([], "Ann")["whole"] == 0


def summary(**changed):
    counts = {"whole": 200, "named_right": 190, "named_wrong": 0, "missed": 10, "found": 200}
    flat = {
        "int8_accuracy": 0.98,
        "strangers_named": 0,
        "second": counts,
        **counts,
        **changed,
    }
    return {
        "digits": {
            "float_accuracy": 0.99, "int8_accuracy": flat["int8_accuracy"], "parameters": 4466,
            "dense": [{"units": 512, "parameters": 39946, "accuracy": 0.992}],
            "dense_as_accurate": True,
        },
        "faces": {
            "frames": 600, **{k: flat[k] for k in (*counts, "strangers_named")}, "fps": 50.0,
            "latency_ms": {"p50_ms": 20.0, "p95_ms": 25.0}, "stranger": counts,
            "second_run": {FIRST: counts, SECOND: flat["second"], "strangers_named": 0},
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, None),
        ({"int8_accuracy": 0.979}, "int8 lost 0.011"),
        ({"int8_accuracy": 1.0}, None),
        ({"named_right": 189, "missed": 11}, "189 of 200"),
        ({"strangers_named": 1}, "a stranger was named in 1 [+] 0"),
        ({"named_wrong": 1}, "a wrong name in 1"),
        ({"second": {"whole": 100, "named_right": 94}}, f"{SECOND}, enrolled too"),
    ],
)
def test_goals(changed, words):
    missed = demo_page.missed_goals(summary(**changed))
    assert len(missed) == (words is not None)
    for line in missed:
        assert re.search(words, line)


def test_check_spares_what_no_demo_wrote(tmp_path):
    demo_page.check(tmp_path / "new")
    demo_page.check(tmp_path)
    (tmp_path / "summary.json").write_text(json.dumps(summary()))
    demo_page.check(tmp_path)
    for text in ("[]", "{}", "3", "not JSON"):
        (tmp_path / "summary.json").write_text(text)
        with pytest.raises(StorageError, match="holds something else"):
            demo_page.check(tmp_path)
    (tmp_path / "summary.json").unlink()
    (tmp_path / "thesis.txt").write_text("mine")
    result = CliRunner().invoke(demo.command, ["--out", str(tmp_path)])
    assert isinstance(result.exception, StorageError)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_digits_are_written_by_class(tmp_path):
    assert demo_digits.write_digits(tmp_path) == 1797
    files = sorted(tmp_path.rglob("*.png"))
    assert len(files) == 1797
    assert {f.parent.name for f in files} == set("0123456789")
    picture = read_image(files[0])
    assert picture.shape == (8, 8, 3)
    assert picture.max() > 200


def test_faces_lie_in_the_portraits():
    for name, portrait in demo_faces.load_portraits().items():
        left, top, right, bottom = BOXES[name]
        height, width = portrait.shape[:2]
        assert 0 < left < right < width
        assert 0 < top < bottom < height


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(MissingExtra, match=r"edgecnn\[demo\]"):
        demo_faces.load_portraits()


class Knowing:
    """A recogniser that sees the truth, and knows some names."""

    def __init__(self, source, names):
        self.source, self.names = source, names
        self.timings = {"detect": 2.0, "embed": 1.0}

    def __call__(self, frame_bgr, time_s):
        found = self.source.truth(round(time_s * self.source.fps))
        return [face(t.box_xyxy, t.name if t.name in self.names else None) for t in found]


@pytest.fixture(scope="module")
def tours(tmp_path_factory):
    out = tmp_path_factory.mktemp("tours")
    portraits = demo_faces.load_portraits()
    watched = []
    for names in ({FIRST}, {FIRST, SECOND}):
        source = demo_faces.camera(portraits, 90, 0)
        files = out / f"{len(names)}.mp4", out / f"{len(names)}.jsonl"
        watched.append(
            demo_faces.watch(source, Knowing(source, names), lambda *_: None, "", *files)
        )
    return out, source, watched


def test_watch_records_every_frame(tours):
    import cv2

    out, _, (first, _) = tours
    assert len(first.outcomes) == len(first.truths) == 90
    assert first.stages_ms == {"detect": pytest.approx(2), "embed": pytest.approx(1)}
    events = [json.loads(line) for line in (out / "1.jsonl").read_text().splitlines()]
    assert len(events) == sum(map(len, first.outcomes))
    video = cv2.VideoCapture(str(out / "1.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 90


def test_who_sees_the_truth_makes_no_mistake(tours):
    faces = demo_score.figures(*tours[2])
    assert faces["frames"] == 90
    assert faces["named_right"] == faces["whole"] > 0
    assert faces["named_wrong"] == faces["missed"] == faces["strangers_named"] == 0
    assert faces["stranger"]["named_right"] == 0
    assert faces["second_run"][SECOND]["missed"] == 0
    assert faces["fps"] > 0


def test_page_sheet_and_summary(tours, tmp_path):
    _, source, watched = tours
    faces = demo_score.figures(*watched)
    digits = {**summary()["digits"], "bytes": 9000, "test_pictures": 269}
    made = demo_page.write(tmp_path, digits, faces, source, watched)
    assert json.loads((tmp_path / "summary.json").read_text()) == made
    required = {"frames", "named_right", "named_wrong", "missed", "strangers_named", "fps"}
    assert required <= set(made["faces"])
    assert {"float_accuracy", "int8_accuracy"} <= set(made["digits"])
    sheet = decode_image((tmp_path / "contact-sheet.png").read_bytes())
    assert 1000 < sheet.shape[1] < 1300
    html = (tmp_path / "report.html").read_text()
    assert FIRST in html
    assert "39,946" in html
    assert any("contact-sheet.png" in line for line in demo_page.lines(made, tmp_path))


@pytest.mark.slow
def test_demo_from_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(demo_digits, "EPOCHS", 12)
    monkeypatch.setattr(demo_digits, "DENSE_WIDTHS", (16,))
    out = tmp_path / "demo"
    result = CliRunner().invoke(demo.command, ["--out", str(out), "--frames", "60"])
    # Sixty frames and twelve epochs may miss a goal, and that is all that may go wrong.
    assert result.exception is None or (
        type(result.exception) is EdgeCNNError and "missed a goal" in str(result.exception)
    )
    written = {f.name for f in out.iterdir()}
    assert written == {
        "summary.json", "report.html", "contact-sheet.png", "video.mp4", "events.jsonl",
        "video-both.mp4", "events-both.jsonl", "gallery.sqlite", "photos",
        "digits-report.html", "digits-bundle",
    }  # fmt: skip
    made = json.loads((out / "summary.json").read_text())
    assert made["faces"]["frames"] == 60
    assert made["faces"]["strangers_named"] == 0
    assert list(tmp_path.iterdir()) == [out]
