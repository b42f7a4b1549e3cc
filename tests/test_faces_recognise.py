"""The whole chain on frames of coloured squares: who gets a name, who must not, and when."""

import face_doubles as fake
import numpy as np
import pytest
from face_doubles import ANN, BOB, CID, THRESHOLD, face, scene

from edgecnn.errors import GalleryError
from edgecnn.faces.cohort import Cohort
from edgecnn.faces.embed import unit
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.look import REFRESH_S, STALE_S
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


def test_at_a_frame_in_three_seconds_looks_count_and_no_name_is_inherited(gallery):
    recogniser = camera(gallery)
    frames = [fake.portrait(ANN, i % 5) for i in range(4)] + [
        fake.portrait(BOB, i) for i in range(4)
    ]
    found = [recogniser(frame, 3.0 * i)[0] for i, frame in enumerate(frames)]
    assert [f.name for f in found] == ["Ann"] * 4 + [None] * 4
    assert [f.track for f in found] == [1] * 5 + [2] * 3


def test_one_spoilt_frame_does_not_cost_the_track(gallery):
    recogniser = camera(gallery)
    watch(recogniser, [fake.portrait(ANN, i) for i in range(5)])
    assert watch(recogniser, [fake.portrait(CID), fake.portrait(ANN)], 0.5) == [[None], ["Ann"]]
    (found,) = recogniser(fake.portrait(ANN), 0.7)
    assert found.track == 1


def test_a_face_that_comes_in_over_the_edge_is_not_unknown_for_its_first_half(gallery):
    cut = face(CID)  # what is seen of her first is like nobody
    frames = [scene((cut, 0, 60)), *(scene((face(ANN, i), 12 + i, 60)) for i in range(3))]
    recogniser = camera(gallery)
    (first,) = recogniser(frames[0], 0.0)
    assert (first.name, first.decided) == (None, False)
    assert watch(recogniser, frames[1:], 0.04)[-1] == ["Ann"]


def test_looks_at_somebody_before_they_were_enrolled_count(gallery):
    def aside(face_bgr):
        """A look that would not do alone."""
        bob = fake.embed(face_bgr)
        return np.float32(0.56 * bob + 0.83 * unit(np.cross(bob, fake.embed(face(ANN)))))

    looks = [fake.embed] * 4 + [aside]
    recogniser = camera(gallery, embedder=lambda face_bgr: looks.pop(0)(face_bgr))
    assert watch(recogniser, [fake.portrait(BOB, i) for i in range(20)]) == [[None]] * 20
    gallery.add("Bob", fake.embed(face(BOB)))
    assert watch(recogniser, [fake.portrait(BOB, 5)], 2.0) == [["Bob"]]
    assert watch(camera(gallery, embedder=aside), [fake.portrait(BOB, 5)]) == [[None]]


class Counted:
    """An embedder that counts."""

    def __init__(self):
        self.count = 0

    def __call__(self, face_bgr):
        self.count += 1
        return fake.embed(face_bgr)


FPS = 30


def live(recogniser, frames, first_s):
    """The name of the one face in each frame, at :data:`FPS`."""
    found = [recogniser(frame, first_s + i / FPS) for i, frame in enumerate(frames)]
    return [faces[0].name for faces in found]


def test_a_face_that_is_decided_on_is_embedded_now_and_then_only(gallery):
    counted = Counted()
    frames = [fake.portrait(ANN, i % 5) for i in range(3 * FPS)]
    assert set(live(camera(gallery, embedder=counted), frames, 0.0)) == {"Ann"}
    assert 3 / REFRESH_S <= counted.count <= 3 / REFRESH_S + 3


def test_a_stranger_too(gallery):
    counted = Counted()
    frames = [fake.portrait(BOB, i % 5) for i in range(3 * FPS)]
    assert set(live(camera(gallery, embedder=counted), frames, 0.0)) == {None}
    assert counted.count <= 3 / REFRESH_S + 3


@pytest.mark.parametrize("before", range(20, 36, 3))
def test_nobody_wears_a_name_for_longer_than_between_two_looks(gallery, before):
    recogniser = camera(gallery)
    assert live(recogniser, [fake.portrait(ANN, i % 5) for i in range(before)], 0.0)[-1] == "Ann"
    names = live(recogniser, [fake.portrait(BOB, i % 5) for i in range(FPS)], before / FPS)
    worn = names.index(None)
    assert worn <= REFRESH_S * FPS and set(names[worn:]) == {None}


def flat(tint):
    """A face without any detail, which tells nothing."""
    return scene((np.full((112, 112, 3), np.add(tint, 140), np.uint8), 90, 60))


def test_a_name_that_no_look_confirms_goes(gallery):
    recogniser, counted = camera(gallery), Counted()
    assert live(recogniser, [fake.portrait(ANN, 1)], 0.0) == ["Ann"]
    recogniser._embedder = counted
    names = live(recogniser, [flat(BOB)] * (2 * FPS), 1 / FPS)
    assert counted.count == 0
    assert names.index(None) <= STALE_S * FPS + 1 and names[-1] is None


def test_a_face_in_doubt_that_cannot_be_looked_at_has_no_name(gallery):
    recogniser = camera(gallery)
    assert live(recogniser, [fake.portrait(ANN, i) for i in range(3)], 0.0) == ["Ann"] * 3
    assert live(recogniser, [fake.portrait(BOB), flat(BOB)], REFRESH_S + 0.1) == [None, None]


def test_nothing_is_decided_by_a_frame_that_tells_nothing(gallery):
    (found,) = camera(gallery)(flat(ANN), 0.0)
    assert (found.name, found.score, found.decided) == (None, None, False)
    assert camera(gallery)(fake.portrait(BOB), 0.0)[0].decided


def test_a_face_that_jumps_keeps_its_track(gallery):
    recogniser = camera(gallery)
    left, right = scene((face(ANN, 1), 5, 60)), scene((face(ANN, 2), 200, 60))
    assert [recogniser(f, 0.1 * i)[0].track for i, f in enumerate([left, right, left])] == [1] * 3
    bob = scene((face(BOB, 1), 200, 60))
    assert recogniser(bob, 0.3)[0].track != 1


def test_strangers_who_are_like_a_person_make_it_take_more(gallery):
    rng = np.random.default_rng(0)
    (ann,) = {tuple(gallery.index().centres[0])}
    near = unit(np.array(ann) + rng.normal(0, 0.4, (300, 3)))
    cohort = Cohort(near, np.arange(300) // 2, np.full(300, "a"), SHA)
    alike = fake.portrait((60, 0, -60))
    plain = Recogniser.from_parts(fake.detect, fake.embed, gallery, THRESHOLD)
    careful = Recogniser.from_parts(fake.detect, fake.embed, gallery, THRESHOLD, cohort=cohort)
    assert plain(alike, 0.0)[0].name == "Ann"
    assert careful(alike, 0.0)[0].name is None


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
