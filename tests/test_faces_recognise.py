"""The whole chain on frames of coloured squares: who gets a name, who must not, and when."""

import face_doubles as fake
import numpy as np
import pytest
from face_doubles import ANN, BOB, CID, THRESHOLD, face, scene

from edgecnn.errors import GalleryError
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.recognise import STAGES, Recogniser
from edgecnn.faces.types import Detection

SHA = "ab" * 32


@pytest.fixture
def gallery(tmp_path):
    with Gallery(tmp_path / "gallery.sqlite", SHA, create=True) as opened:
        for seed in range(3):
            opened.add("Ann", fake.embed(face(ANN, seed)))
        yield opened


def camera(gallery, detector=fake.detect, embedder=fake.embed):
    return Recogniser.from_parts(detector, embedder, gallery, THRESHOLD)


def watch(recogniser, frames, first_s=0.0):
    """The names of each frame, from left to right."""
    shown = []
    for i, frame in enumerate(frames):
        faces = recogniser(frame, first_s + 0.1 * i)
        shown.append([f.name for f in sorted(faces, key=lambda f: f.detection.box_xyxy[0])])
    return shown


def test_the_enrolled_are_named_from_the_first_frame_and_strangers_never(gallery):
    frames = [scene((face(ANN, i), 5 + i, 60), (face(BOB, i), 180 + i, 50)) for i in range(20)]
    assert watch(camera(gallery), frames) == [["Ann", None]] * 20


def test_what_a_recognition_holds(gallery):
    recogniser = camera(gallery)
    (found,) = recogniser(fake.portrait(ANN, 9), 0.0)
    assert (found.name, found.track) == ("Ann", 1)
    assert found.score == pytest.approx(1, abs=0.02)
    assert found.detection.box_xyxy.tolist() == [90, 60, 202, 172]
    assert set(recogniser.timings) == set(STAGES) and recogniser.timings["embed"] > 0
    assert recogniser(scene(), 0.1) == [] and recogniser.timings["embed"] == 0
    assert recogniser.people == ["Ann"]


@pytest.mark.parametrize("nobody", [True, False], ids=["no gallery", "empty gallery"])
def test_with_nobody_enrolled_everybody_is_unknown(tmp_path, nobody):
    with Gallery(tmp_path / "gallery.sqlite", SHA, create=True) as empty:
        (found,) = camera(None if nobody else empty)(fake.portrait(ANN), 0.0)
    assert (found.name, found.score) == (None, None)


def test_whoever_steps_into_a_named_persons_place_does_not_wear_the_name(gallery):
    recogniser = camera(gallery)
    assert watch(recogniser, [fake.portrait(ANN, i) for i in range(10)]) == [["Ann"]] * 10
    assert watch(recogniser, [fake.portrait(BOB, i) for i in range(10)], 1.0) == [[None]] * 10
    (found,) = recogniser(fake.portrait(BOB), 2.0)
    assert found.track == 2


def test_one_spoilt_frame_does_not_cost_the_track(gallery):
    recogniser = camera(gallery)
    watch(recogniser, [fake.portrait(ANN, i) for i in range(5)])
    assert watch(recogniser, [fake.portrait(CID), fake.portrait(ANN)], 0.5) == [[None], ["Ann"]]
    (found,) = recogniser(fake.portrait(ANN), 0.7)
    assert found.track == 1


def test_a_running_camera_follows_the_gallery(gallery):
    recogniser = camera(gallery)
    ann_and_bob = [scene((face(ANN, 1), 5, 60), (face(BOB, 1), 180, 50))]
    assert watch(recogniser, ann_and_bob) == [["Ann", None]]
    with Gallery(gallery.path) as elsewhere:
        elsewhere.add("Bob", fake.embed(face(BOB, 7)))
        assert watch(recogniser, ann_and_bob, 0.1) == [["Ann", "Bob"]]
        elsewhere.rename("Ann", "Zoe")
        assert watch(recogniser, ann_and_bob, 0.2) == [["Zoe", "Bob"]]
        elsewhere.forget("Zoe")
    assert watch(recogniser, ann_and_bob, 0.3) == [[None, "Bob"]]


def test_a_face_that_cannot_be_cut_out_has_no_name(gallery):
    spot = Detection(np.float32([0, 0, 50, 50]), 0.9, np.zeros((5, 2), np.float32))
    (found,) = camera(gallery, lambda frame: [spot])(scene(), 0.0)
    assert (found.name, found.score) == (None, None)


def test_a_gallery_of_another_embedder_is_refused(gallery, tmp_path, monkeypatch):
    with pytest.raises(GalleryError, match=r"abababababab.*again from photos"):
        Recogniser(fake.bundle(tmp_path / "bundle", monkeypatch), gallery)
