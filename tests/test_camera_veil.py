"""Faces without a name: blurred in every sink, and nobody's any more."""

import csv
import os
import zipfile
from pathlib import Path

import camera_tools
import cv2
import numpy as np
import pytest

from edgecnn.bundle import ASSETS, Bundle
from edgecnn.camera import veil
from edgecnn.camera.pipeline import run
from edgecnn.camera.veil import LINGER_S, WIDER, Veil, blur
from edgecnn.events.schema import Label
from edgecnn.faces.align import align
from edgecnn.faces.types import Detection, Recognition


def noise(size_wh=(300, 200)):
    shape = (size_wh[1], size_wh[0], 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def face(name, box, track=1):
    marks = np.zeros((5, 2), np.float32)
    return Recognition(Detection(np.array(box, np.float32), 0.9, marks), track, name, 0.5)


def changed(before, after):
    """Left, top, right, bottom of what differs, or None."""
    ys, xs = np.nonzero((before != after).any(axis=2))
    return None if not len(xs) else (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)


def test_the_box_and_its_margin_are_blurred_and_nothing_else():
    picture = noise()
    kept = picture.copy()
    veiled = blur(picture, [np.array([100, 60, 140, 120], np.float32)])
    np.testing.assert_array_equal(picture, kept)
    assert WIDER == 0.35
    assert changed(picture, veiled) == (86, 39, 154, 141)


def test_three_cells_are_all_that_is_left_of_a_square():
    # 30×30 widened by 0.35 on each side is 51×51: three cells of 17.
    picture = noise()
    veiled = blur(picture, [np.array([100, 100, 130, 130], np.float32)])
    cells = picture[89:141, 89:141].astype(float)
    assert changed(picture, veiled) == (89, 89, 141, 141)  # to whole pixels, outwards
    middle = veiled[115, 115]
    third = 52 / 3
    inner = cells[round(third) : round(2 * third), round(third) : round(2 * third)]
    assert np.abs(middle - inner.mean(axis=(0, 1))).max() < 3
    # Noise of 74 grey levels is gone; what is left changes slowly.
    steps = np.abs(np.diff(veiled[89:141, 89:141].astype(int), axis=0))
    assert steps.max() <= 4


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([-20, -20, 20, 20], (0, 0, 34, 34)),
        ([280, 180, 340, 260], (259, 152, 300, 200)),
        ([-50, -50, -10, -10], (0, 0, 4, 4)),
        ([400, 10, 420, 30], None),
        ([50, 50, 54, 54], (48, 48, 56, 56)),
    ],
)
def test_boxes_at_the_edge_and_outside(box, expected):
    picture = noise()
    assert changed(picture, blur(picture, [np.array(box, np.float32)])) == expected


def test_half_a_face_at_the_edge_keeps_no_more_than_its_half():
    # 60×200 of which the picture has a strip of 20 pixels: cells are 34 pixels, not a third of 20.
    picture = noise()
    veiled = blur(picture, [np.array([-59, 0, 1, 200], np.float32)])
    left, top, right, bottom = changed(picture, veiled)
    assert (left, top, right, bottom) == (0, 0, 22, 200)
    patch = veiled[:, :22].astype(int)
    assert np.ptp(patch, axis=1).max() == 0  # less than a cell wide: one colour across
    assert np.abs(np.diff(patch, axis=0)).max() <= 4


def test_who_has_a_name_is_left_and_no_copy_is_made():
    picture = noise()
    assert Veil()(picture, [face("Ann", [10, 10, 50, 50])], 0.0) is picture
    assert Veil()(picture, [], 0.0) is picture
    both = [face("Ann", [10, 10, 50, 50]), face(None, [200, 100, 240, 140], track=2)]
    assert changed(picture, Veil()(picture, both, 0.0)) == (186, 86, 254, 154)


def test_a_face_that_is_not_decided_yet_is_blurred():
    picture = noise()
    not_yet = Recognition(face(None, [10, 10, 50, 50]).detection, 1, None, None, decided=False)
    assert Veil()(picture, [not_yet], 0.0) is not picture


def test_a_face_that_is_lost_stays_blurred_for_a_moment():
    picture, hide = noise(), Veil()
    hide(picture, [face(None, [100, 60, 140, 120])], 5.0)
    assert changed(picture, hide(picture, [], 5.0 + LINGER_S)) == (86, 39, 154, 141)
    assert hide(picture, [], 5.1 + LINGER_S) is picture


def test_a_face_keeps_its_first_colours_while_it_is_followed():
    dark, light, hide = noise() // 4, noise() // 4 + 190, Veil()
    box, moved = [100, 60, 140, 120], [180, 60, 220, 120]
    first = hide(dark, [face(None, box)], 5.0)
    then = hide(light, [face(None, moved)], 5.1)
    assert changed(light, then) == (166, 39, 234, 141)
    np.testing.assert_array_equal(first[39:141, 86:154], then[39:141, 166:234])
    other = hide(light, [face(None, moved, track=2)], 6.2)  # the first one is gone for good
    assert other[90, 200].mean() > 150 > then[90, 200].mean()


def test_a_face_that_was_outside_first_is_blurred_once_it_is_inside():
    picture, hide = noise(), Veil()
    np.testing.assert_array_equal(hide(picture, [face(None, [400, 60, 440, 120])], 5.0), picture)
    inside = hide(picture, [face(None, [100, 60, 140, 120])], 5.1)
    assert changed(picture, inside) == (86, 39, 154, 141)


def test_a_face_that_gets_its_name_is_seen_at_once():
    picture, hide = noise(), Veil()
    hide(picture, [face(None, [100, 60, 140, 120])], 5.0)
    assert hide(picture, [face("Ann", [100, 60, 140, 120])], 5.1) is picture


class Given:
    name, live, fps = "given", False, 10.0

    def __init__(self, count):
        self.frames = [camera_tools.picture(i) for i in range(count)]
        for frame in self.frames:
            frame[:] = noise(camera_tools.SIZE_WH)
        self._left = [
            camera_tools_frame(image, i / self.fps, i) for i, image in enumerate(self.frames)
        ]

    def read(self):
        return self._left.pop(0) if self._left else None

    def close(self):
        pass


def camera_tools_frame(image, time_s, index):
    from edgecnn.camera.sources import Frame

    return Frame(image, time_s, index)


class Kept:
    def __init__(self):
        self.results = []

    def write(self, result):
        self.results.append(result)

    def close(self):
        pass


def test_every_sink_gets_the_blurred_frame_and_the_recogniser_the_real_one():
    seen, sinks, called = [], [Kept(), Kept()], []

    def recogniser(image_bgr, time_s):
        seen.append(image_bgr.copy())
        return [face("Ann" if time_s else None, [20, 15, 44, 40])]

    source = Given(2)
    run(source, recogniser, sinks, on_frame=called.append, veil=Veil())
    for given, image in zip(source.frames, seen, strict=True):
        np.testing.assert_array_equal(given, image)
    first, second = sinks[0].results
    assert sinks[1].results == called == [first, second]
    assert changed(source.frames[0], first.frame.image_bgr) == (11, 6, 53, 48)
    assert second.frame.image_bgr is source.frames[1]
    assert first.sharp_bgr is source.frames[0] and second.veiled_bgr is None
    assert (first.frame.index, first.frame.time_s) == (0, 0.0)
    # What is drawn is drawn on the blurred picture.
    inner = (slice(20, 36), slice(24, 40))
    assert first.annotated_bgr[inner].std() < source.frames[0][inner].std() / 3


def test_a_label_is_nobodys_face():
    source, sink = Given(1), Kept()
    run(source, lambda image, time_s: Label("cat", 0.9), [sink], veil=Veil())
    assert sink.results[0].frame.image_bgr is source.frames[0]


@pytest.fixture(scope="module")
def models():
    from edgecnn.faces.detect import Detector
    from edgecnn.faces.embed import Embedder

    bundle = Bundle(ASSETS)
    return Detector.of(bundle), Embedder.of(bundle, mirror=True), bundle.threshold


def largest(detections):
    return max(detections, key=lambda d: np.prod(d.box_xyxy[2:] - d.box_xyxy[:2]))


def test_portraits_are_recognised_before_and_not_behind_the_veil(models):
    data = pytest.importorskip("skimage.data")
    import matplotlib

    detect, embed, threshold = models
    hopper = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    for picture in (data.astronaut()[..., ::-1].copy(), cv2.imread(str(hopper))):
        found = largest(detect(picture))
        veiled = blur(picture, [found.box_xyxy])
        enrolled = embed(align(picture, found.landmarks_xy))
        again = cv2.convertScaleAbs(picture, alpha=0.8, beta=10)  # the oracle can tell: it does
        assert enrolled @ embed(align(again, found.landmarks_xy)) > threshold
        # Whoever knows where the eyes were has it easiest.
        assert enrolled @ embed(align(veiled, found.landmarks_xy)) < 0.2
        near = [d for d in detect(veiled) if _overlap(d.box_xyxy, found.box_xyxy) > 0.3]
        assert near == []


def _overlap(a, b):
    inner = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return inner / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inner)


@pytest.mark.data
def test_people_are_found_behind_the_veil_no_oftener_than_by_chance(
    models, shared_data, monkeypatch
):
    """Who is nearest to a blurred face among all other photos, by an embedder told where eyes were?

    ``CELLS="2 3 4 6 8 12" PEOPLE=60 pytest tests/test_camera_veil.py -m data -s`` prints the table
    in docs/privacy.md.
    """
    detect, embed, _ = models
    photos = list(faces_of(shared_data / "scenes", int(os.environ.get("PEOPLE", "40")), detect))
    who = np.array([person for person, _, _ in photos])
    sharp = [embed(align(picture, found.landmarks_xy)) for _, picture, found in photos]
    by_chance = np.mean([(who == w).sum() - 1 for w in who]) / (len(who) - 1)
    print(f"\n{len(who)} photos of {len(set(who))} people; by chance {by_chance:.1%}")
    print(f"sharp: the nearest is the same person's for {_nearest(who, sharp, sharp):.1%}")
    for cells in map(int, os.environ.get("CELLS", str(veil.CELLS)).split()):
        monkeypatch.setattr(veil, "CELLS", cells)
        hidden = [blur(picture, [found.box_xyxy]) for _, picture, found in photos]
        faces = [align(h, p[2].landmarks_xy) for h, p in zip(hidden, photos, strict=True)]
        blurred = [embed(face) for face in faces]
        rates = _nearest(who, blurred, sharp), _nearest(who, blurred, blurred)
        seen = np.mean([bool(detect(h)) for h in hidden])
        print(f"{cells} cells: {rates[0]:.1%}, among blurred {rates[1]:.1%}, a face in {seen:.1%}")
        assert rates[0] < by_chance + 0.04  # three standard errors
        assert cells > 3 or rates[1] < 0.15  # hair and background have colours
    assert _nearest(who, sharp, sharp) > 0.7


def faces_of(folder, count, detect):
    """Four photos of each of some people: who, the picture, and where the largest face is."""
    files = {}
    with open(folder / "people.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["person"]:
                files.setdefault(row["person"], []).append(Path(row["file"]).name)
    with zipfile.ZipFile(folder / "scenes.zip") as archive:
        inside = {Path(n).name: n for n in archive.namelist()}
        for person in [p for p in sorted(files) if len(files[p]) >= 4][:count]:
            for name in files[person][:4]:
                data = np.frombuffer(archive.read(inside[name]), np.uint8)
                picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
                if found := detect(picture):
                    yield person, picture, largest(found)


def _nearest(who, probes, gallery):
    scores = np.array(probes) @ np.array(gallery).T
    np.fill_diagonal(scores, -2)
    return float((who[scores.argmax(axis=1)] == who).mean())
