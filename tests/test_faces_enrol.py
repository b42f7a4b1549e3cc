"""Each photo's fate."""

import cv2
import face_doubles as fake
import numpy as np
import pytest
from face_doubles import ANN, BOB, THRESHOLD, face, scene

from edgecnn.errors import DataError, GalleryError
from edgecnn.faces.enrol import enrol, teach
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.photo import USED, examine, examine_file
from edgecnn.faces.recognise import Recogniser
from edgecnn.faces.sift import thumbnail, without_copies, without_strangers
from edgecnn.faces.types import Detection


def look(picture, name="Ann", source="a.png"):
    return examine(name, source, picture, fake.detect, fake.embed)


def stark(picture):
    """The same with twice the contrast, so that a blur takes the details and leaves the light."""
    twice = np.clip((picture.astype(int) - 140) * 2 + 140, 40, 255)
    return np.where(picture > 30, twice, picture).astype(np.uint8)


def test_a_good_photo_is_used():
    photo = look(fake.portrait(ANN))
    assert (photo.fate, photo.kind) == (USED, USED)
    assert photo.sample.name == "Ann" and photo.sample.source == "a.png"
    np.testing.assert_allclose(photo.embedding, fake.embed(face(ANN)), atol=0.02)


@pytest.mark.parametrize(
    ("picture", "kind"),
    [
        (scene(), "no face"),
        (scene((face(ANN), 10, 60), (face(BOB, side=60), 200, 60)), "several faces"),
        (scene((face(ANN, side=40), 10, 60)), "too small"),
        (cv2.GaussianBlur(stark(fake.portrait(ANN)), (0, 0), 4), "blurred"),
        (scene((face(ANN) // 8 + 36, 90, 60)), "too dark or flat"),
        (scene((np.maximum(face(ANN), 252), 90, 60)), "too dark or flat"),
    ],
    ids=["empty", "two", "small", "blurred", "dark", "white"],
)
def test_photos_that_cannot_be_used(picture, kind):
    photo = look(picture)
    assert photo.kind == kind and ":" in photo.fate
    with pytest.raises(DataError, match="was not used"):
        _ = photo.sample


def test_a_small_face_in_the_background_is_no_doubt():
    assert look(scene((face(ANN), 10, 60), (face(BOB, side=44), 200, 60))).fate == USED


def test_a_face_that_is_cut_off():
    picture = fake.portrait(ANN)

    def beside(image):
        (found,) = fake.detect(image)
        shift = np.float32([-140, 0])
        return [Detection(found.box_xyxy, 0.9, found.landmarks_xy + shift)]

    assert examine("Ann", "a.png", picture, beside, fake.embed).kind == "cut off"


def test_a_small_face_is_looked_at_from_near_by():
    picture = scene((face(ANN, side=80), 500, 300), size_wh=(1000, 800))
    sizes = []

    def coarse(image):
        sizes.append(image.shape[:2])
        (found,) = fake.detect(image)
        off = np.float32(6 if image.shape[1] == 1000 else 0)
        return [Detection(found.box_xyxy, 0.9, found.landmarks_xy + off)]

    photo = examine("Ann", "a.png", picture, coarse, fake.embed)
    assert sizes == [(800, 1000), (240, 240)]
    expected = cv2.resize(face(ANN, side=80), (112, 112))
    assert np.abs(photo.face[8:-8, 8:-8].astype(int) - expected[8:-8, 8:-8]).mean() < 2


def test_a_broken_file_is_a_fate(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    for name in ("a.jpg", "missing.jpg"):
        photo = examine_file("Ann", tmp_path / name, fake.detect, fake.embed)
        assert photo.kind == "unreadable" and photo.source == name


def test_thumbnails_of_copies_correlate_and_of_other_photos_do_not():
    one, other = face(ANN, 0), face(ANN, 1)
    copy = cv2.imdecode(cv2.imencode(".jpg", one, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 1)
    assert thumbnail(one) @ thumbnail(copy) > 0.995
    assert abs(thumbnail(one) @ thumbnail(other)) < 0.5
    assert thumbnail(np.zeros((112, 112, 3), np.uint8)).tolist() == [0] * 256


def fates(photos):
    return [p.kind for p in photos]


def test_the_second_copy_is_not_used():
    again = (fake.portrait(ANN) * 0.9).astype(np.uint8)
    photos = [look(fake.portrait(ANN)), look(fake.portrait(ANN, 1)), look(again, source="c.png")]
    checked = without_copies(photos)
    assert fates(checked) == [USED, USED, "duplicate"] and checked[2].fate.endswith("a.png")
    assert without_copies([]) == []


def test_neither_copy_is_used_where_two_people_claim_it():
    photos = [look(fake.portrait(ANN)), look(fake.portrait(ANN), name="Bob")]
    assert fates(without_copies(photos)) == ["duplicate"] * 2


def test_a_photo_in_the_wrong_folder_is_not_used():
    photos = [look(fake.portrait(ANN, i)) for i in range(3)]
    photos += [look(fake.portrait(BOB, 10 + i), name="Bob") for i in range(3)]
    photos += [look(fake.portrait(BOB, 20))]
    checked = without_strangers(photos, [], THRESHOLD)
    assert fates(checked) == [USED] * 6 + ["someone else"] and "Bob" in checked[6].fate


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    return fake.bundle(tmp_path / "bundle", monkeypatch)


def test_enrolling_writes_what_can_be_used(bundle, tmp_path):
    good = [fake.save(tmp_path / f"{i}.png", fake.portrait(ANN, i)) for i in range(2)]
    empty = fake.save(tmp_path / "empty.png", scene())
    looked_at = enrol(bundle, bundle.gallery, " Ann ", [*good, empty])
    assert fates(looked_at) == [USED, USED, "no face"]
    with Gallery(bundle.gallery) as gallery:
        (ann,) = gallery.people()
    assert (ann.name, ann.embeddings) == ("Ann", 2)


def test_nothing_is_written_where_no_photo_can_be_used(bundle, tmp_path):
    enrol(bundle, bundle.gallery, "Ann", [fake.save(tmp_path / "empty.png", scene())])
    assert not bundle.gallery.exists()


def test_somebody_who_is_enrolled_is_not_enrolled_under_another_name(bundle, tmp_path):
    photos = [fake.save(tmp_path / f"{i}.png", fake.portrait(ANN, i)) for i in range(4)]
    enrol(bundle, bundle.gallery, "Ann", photos[:1])
    assert fates(enrol(bundle, bundle.gallery, "Eve", photos[1:2])) == ["someone else"]
    # Nor do several vouch for each other.
    assert fates(enrol(bundle, bundle.gallery, "Eve", photos[1:])) == ["someone else"] * 3
    assert fates(enrol(bundle, bundle.gallery, "Eve", photos[1:2], force=True)) == [USED]


def test_two_frames_of_a_moment_are_one_photo(bundle, tmp_path):
    pictures = [fake.portrait(ANN), fake.portrait(ANN, 1)]
    files = [fake.save(tmp_path / f"{i}.png", p) for i, p in enumerate(pictures)]
    # A frame later: a little noise. Not so alike as copies, which are found by their pixels.
    later = cv2.GaussianBlur(pictures[0], (0, 0), 1.2)
    files.append(fake.save(tmp_path / "later.png", later))
    looked_at = enrol(bundle, bundle.gallery, "Ann", files)
    assert sorted(fates(looked_at)) == ["redundant", USED, USED]
    (twin,) = (p for p in looked_at if p.fate != USED)
    assert twin.source != "1.png" and "redundant: like " in twin.fate
    kept = [p.source for p in looked_at if p.fate == USED]
    again = enrol(bundle, bundle.gallery, "Ann", [tmp_path / kept[0]])
    assert fates(again) == ["redundant"] and f"like {kept[0]} (1.00)" in again[0].fate
    with Gallery(bundle.gallery) as gallery:
        assert [s.source for s in gallery.samples()] == kept


def test_whom_a_face_is_not(bundle, tmp_path):
    for i in range(2):
        enrol(
            bundle, bundle.gallery, "Ann", [fake.save(tmp_path / f"{i}.png", fake.portrait(ANN, i))]
        )
    twin = fake.save(tmp_path / "twin.png", fake.portrait(ANN, 5))
    score = teach(bundle, bundle.gallery, "Ann", twin)
    assert THRESHOLD < score < 1
    with Gallery(bundle.gallery) as gallery:
        index = gallery.index()
        assert index.scores(fake.embed_photo(face(ANN, 5)))[0] < THRESHOLD
        assert index.scores(fake.embed_photo(face(ANN, 0)))[0] > THRESHOLD
    assert fates(enrol(bundle, bundle.gallery, "Ann", [twin])) == ["someone else"]
    assert fates(enrol(bundle, bundle.gallery, "Ann", [twin], force=True)) == [USED]


@pytest.mark.parametrize(
    ("name", "picture", "error", "words"),
    [
        ("Bob", fake.portrait(ANN, 5), GalleryError, "nobody called 'Bob'"),
        ("Ann", scene(), DataError, r"sharp face\. .*x\.png has no face"),
        ("Ann", scene((face(ANN, 5), 10, 60), (face(BOB), 170, 60)), DataError, "several faces"),
        ("Ann", fake.portrait(ANN), GalleryError, r"x\.png is one that Ann is enrolled with \(a"),
    ],
    ids=["unknown name", "no face", "two faces", "own photo"],
)
def test_what_cannot_be_taught(bundle, tmp_path, name, picture, error, words):
    enrol(bundle, bundle.gallery, "Ann", [fake.save(tmp_path / "a.png", fake.portrait(ANN))])
    before = bundle.gallery.read_bytes()
    with pytest.raises(error, match=words) as caught:
        teach(bundle, bundle.gallery, name, fake.save(tmp_path / "x.png", picture))
    assert "\n" not in str(caught.value)
    assert bundle.gallery.read_bytes() == before


def test_nobody_to_teach_without_a_gallery(bundle, tmp_path):
    with pytest.raises(GalleryError, match="edgecnn enroll"):
        teach(bundle, bundle.gallery, "Ann", fake.save(tmp_path / "x.png", fake.portrait(ANN)))
    assert not bundle.gallery.exists()


def test_a_running_camera_takes_a_name_back_that_was_taught_to_be_wrong(bundle, tmp_path):
    own = [fake.save(tmp_path / f"{i}.png", fake.portrait(ANN, i)) for i in range(2)]
    enrol(bundle, bundle.gallery, "Ann", own)
    twin, at_s = fake.portrait(ANN, 5), iter(range(100))

    def names(camera, picture):
        return [r.name for _ in range(8) for r in camera(picture, float(next(at_s)))]

    with Gallery(bundle.gallery) as gallery:
        camera = Recogniser.from_parts(fake.detect, fake.embed_photo, gallery, THRESHOLD)
        assert names(camera, twin)[-1] == "Ann"
        teach(bundle, bundle.gallery, "Ann", fake.save(tmp_path / "twin.png", twin))
        assert names(camera, twin) == [None] * 8
        assert names(camera, fake.portrait(ANN, 0))[-1] == "Ann"
