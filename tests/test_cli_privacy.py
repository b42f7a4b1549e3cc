"""``edgecnn people forget`` and ``traces``, ``prune``, and what a camera leaves on the disk."""

import errno
import json
import os

import camera_tools
import face_doubles as fake
import numpy as np
import pytest
from camera_tools import make_video
from face_doubles import ANN, BOB

from edgecnn.camera import app
from edgecnn.camera.sinks.receivers import default_folder
from edgecnn.camera.sources import open_source
from edgecnn.events.queue import DiskQueue

EVENT = '{"schema": 1, "event": "face", "time": "%s", "name": "%s"}\n'


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    return fake.bundle(tmp_path / "bundle", monkeypatch)


@pytest.fixture
def enrolled(edgecnn, bundle, tmp_path):
    for name, tint in (("Ann", ANN), ("Bob", BOB)):
        photo = fake.save(tmp_path / "photos" / f"{name}.png", fake.portrait(tint, 0))
        edgecnn("enroll", bundle.path, name, photo)
    return bundle


@pytest.fixture
def events(tmp_path):
    path = tmp_path / "out" / "events.jsonl"
    path.parent.mkdir()
    lines = [EVENT % ("2026-05-04T09:30:00.125+00:00", name) for name in ("Ann", "Bob", "Ann")]
    path.write_text("".join(lines))
    (path.parent / "events.jsonl.1").write_text(EVENT % ("2026-01-04T09:30:00.000+00:00", "Ann"))
    return path


def test_forget_says_what_was_searched(edgecnn, enrolled):
    size = enrolled.gallery.stat().st_size / 1e6
    code, out, err = edgecnn("people", "forget", enrolled.path, "Ann")
    assert (code, err) == (0, "")
    assert out == (
        f"forgotten: Ann (1 embeddings)\n1 files ({size:.1f} MB) searched: nothing is left\n"
    )


def test_forget_takes_events_along_and_tells_what_is_left(edgecnn, enrolled, events, tmp_path):
    photos = tmp_path / "photos"
    also = ("--also", events, "--also", photos)
    code, out, _ = edgecnn("people", "forget", enrolled.path, "Ann", *also)
    assert code == 1
    assert out.splitlines()[:-1] == [
        "forgotten: Ann (1 embeddings)",
        f"{events}: 2 events taken out",
        f"{events}.1: 1 events taken out",
        f"left: {photos / 'Ann.png'}: the name, in its path, 1 times",
        "2 pictures or videos: whether a face is on them is yours to see",
    ]
    assert "5 files" in out.splitlines()[-1] and out.endswith("see above\n")
    assert "Ann" not in events.read_text() and events.read_text().count("Bob") == 1
    (photos / "Ann.png").unlink()
    code, out, _ = edgecnn("people", "traces", "Ann", events, photos)
    assert code == 0 and out.endswith("nothing is left\n")


def test_forget_looks_at_the_queues_in_the_state_folder_by_itself(edgecnn, enrolled):
    path = default_folder() / "mqtt.queue.sqlite"
    queue = DiskQueue(path)
    queue.append([{"event": "arrived", "name": "Ann"}])
    queue.close()
    code, out, _ = edgecnn("people", "forget", enrolled.path, "Ann")
    assert code == 0 and f"{path}: 1 events taken out" in out


def test_traces_of_a_name_from_before(edgecnn, events):
    code, out, _ = edgecnn("people", "traces", "Ann", events)
    assert code == 1 and f"left: {events}: the name, 2 times" in out
    code, out, _ = edgecnn("people", "traces", "Ann", events, "--remove")
    assert code == 0 and f"{events}: 2 events taken out" in out
    assert json.loads(events.read_text())["name"] == "Bob"


@pytest.mark.parametrize("command", ["people traces Ann", "prune --older-than 1d"])
def test_a_file_that_is_not_there(edgecnn, tmp_path, command):
    code, _, err = edgecnn(*command.split(), tmp_path / "none")
    assert code == 2 and err.count("\n") == 1 and "There is no" in err


def test_prune(edgecnn, events, tmp_path):
    code, out, _ = edgecnn("prune", tmp_path / "out", "--older-than", "36500d")
    assert (code, out) == (0, "nothing is older\n")
    code, out, _ = edgecnn("prune", tmp_path / "out", "--older-than", "1h")
    assert code == 0 and out.splitlines() == [
        f"{events}: 3 events taken out, all of them: removed",
        f"{events}.1: 1 events taken out, all of them: removed",
    ]
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("people traces Ann", 1, "not searched: {inside} (the folder cannot be listed)\n"),
        ("prune --older-than 1d", 0, "{inside} cannot be listed: what is in it was left as it is"),
    ],
)
def test_a_folder_that_cannot_be_listed_is_said(
    edgecnn, tmp_path, monkeypatch, command, code, said
):
    inside = tmp_path / "out" / "inside"
    inside.mkdir(parents=True)
    scandir = os.scandir

    def refuse(path):  # root may list any
        if os.fspath(path) == str(inside):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(inside))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found, out, err = edgecnn(*command.split(), tmp_path / "out")
    assert found == code and said.format(inside=inside) in out + err
    assert "nothing is" not in out


@pytest.mark.parametrize("age", ["30", "d", "-1d", "1.5d", "1w", ""])
def test_an_age_that_is_none(edgecnn, tmp_path, age):
    code, _, err = edgecnn("prune", tmp_path, "--older-than", age)
    assert code == 2 and "expected an age such as 30d or 12h" in err


@pytest.fixture
def textured(bundle, tmp_path, monkeypatch):
    """A bundle that sees a stranger in the middle of each frame, and a video of noise."""
    import cv2

    monkeypatch.setattr(app, "load", lambda *args: lambda image, time_s: [camera_tools.face(None)])
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    pictures = np.random.default_rng(0).integers(0, 256, (5, 48, 64, 3), np.uint8)
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return bundle, path


def test_blur_unknown_reaches_the_recorded_video(edgecnn, textured, tmp_path):
    bundle, clip = textured
    spread = {}
    for options in ((), ("--blur-unknown",)):
        video = tmp_path / f"out{len(options)}.avi"
        record = ("camera", bundle.path, "--source", clip, "--out-video", video, *options)
        assert edgecnn(*record)[0] == 0
        with open_source(str(video)) as recorded:
            spread[options] = recorded.read().image_bgr[22:36, 26:40].std()
    assert spread[("--blur-unknown",)] < spread[()] / 3


def test_there_are_no_faces_to_blur_in_an_images_bundle(edgecnn, tmp_path, monkeypatch):
    from test_cli_camera import make_bundle

    bundle = make_bundle(tmp_path / "images", task="images")
    clip = make_video(tmp_path / "clip.mp4", 2)
    code, _, err = edgecnn("camera", bundle, "--source", clip, "--blur-unknown")
    assert code == 2 and err.count("\n") == 1
    assert "expected a bundle for faces with --blur-unknown" in err


def test_a_tape_of_blurred_faces_is_refused(edgecnn, textured, tmp_path):
    bundle, clip = textured
    tape = tmp_path / "a.tape"
    record = ("camera", bundle.path, "--source", clip, "--record", tape, "--blur-unknown")
    code, _, err = edgecnn(*record)
    assert code == 2 and err.count("\n") == 1 and "a tape holds faces as they are" in err
    assert not tape.exists()


def test_no_picture_is_stored_unless_asked(edgecnn, textured, tmp_path, monkeypatch, clean_user):
    bundle, clip = textured
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("TMPDIR", str(place))
    before = everything(tmp_path, clean_user)
    assert edgecnn("camera", bundle.path, "--source", clip, "--events", "events.jsonl")[0] == 0
    new = {p for p, size in everything(tmp_path, clean_user).items() if before.get(p) != size}
    assert new == {place / "events.jsonl"}
    assert {type(v) for line in lines(place / "events.jsonl") for v in line.values()} <= {
        str, int, float, bool, list, type(None),
    }  # fmt: skip
    assert (place / "events.jsonl").stat().st_size < 5 * 400  # of five faces


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def everything(*folders):
    files = (p for folder in folders for p in folder.rglob("*") if p.is_file())
    return {p: p.stat().st_size for p in files}
