from itertools import pairwise

import numpy as np
import pytest

from edgecnn.camera import simulation
from edgecnn.camera.sources.source import Frame
from edgecnn.camera.sources.synthetic import Face, Photo, SyntheticCamera
from edgecnn.camera.tour import Place, Tour, View, between, ease
from edgecnn.errors import DataError

SIZE = (640, 480)


def photo(colour=(120, 120, 120), name=None, box=(30, 20, 70, 70)):
    image = np.full((100, 100, 3), colour, np.uint8)
    if name:
        left, top, right, bottom = box
        image[top:bottom, left:right] = (0, 255, 255)
    return Photo(image, 300, Face(name, box) if name else None)


def camera(**options):
    photos = [photo((160, 90, 40)), photo(name="Ann"), photo(name="Bo")]
    wall = np.full((64, 64, 3), 70, np.uint8)
    return SyntheticCamera(photos, wall, **{"frames": 400, **options})


def test_ease_is_0_and_1_at_the_ends_and_half_in_the_middle():
    assert [ease(0.0), ease(0.5), ease(1.0)] == [0, 0.5, 1]


@pytest.mark.parametrize(
    ("index", "x"), [(0, 0), (9, 0), (10, 0), (15, 50), (20, 100), (29, 100), (35, 0), (99, -100)]
)
def test_between_stays_at_a_stop_and_moves_on_in_time(index, x):
    views = [View(0, 0), View(100, 0), View(-100, 0)]
    assert between(views, [0, 10, 30], [0, 10, 10], index).x == pytest.approx(x)


def test_tour_has_faces_of_every_distance_photos_without_and_bare_wall():
    outline = np.array([[-10.0, -10], [10, -10], [10, 10], [-10, 10]])
    places = [Place(-300, 100, 100, None), Place(0, 100, 100, outline)]
    tour = Tour(places, 2000, SIZE, 25.0, np.random.default_rng(0))
    zoom = np.exp([tour(i).log_zoom for i in range(2000)])
    y = np.array([tour(i).y for i in range(2000)])
    x = np.array([tour(i).x for i in range(2000)])
    at_face = (np.abs(x) < 25) & (np.abs(y) < 25)
    assert np.ptp(20 * zoom[at_face]) > 100
    assert (x < -250).any()
    assert (y - SIZE[1] / 2 / zoom > 50).any()


def test_tour_moves_no_faster_than_a_hand():
    places = [Place(x, 100, 100, None) for x in (-2000, 0, 2000)]
    tour = Tour(places, 1000, SIZE, 25.0, np.random.default_rng(3))
    views = [tour(i) for i in range(1000)]
    pans = [np.hypot(b.x - a.x, b.y - a.y) * np.exp(b.log_zoom) for a, b in pairwise(views)]
    # Minimum jerk peaks at 15/8 of its mean; zooming meanwhile adds some.
    assert 15 < max(pans) < 80


def test_homography_of_a_straight_view_is_zoom_and_shift():
    matrix = simulation.homography(View(10, 20, log_zoom=np.log(2)), SIZE)
    seen = simulation.project(matrix, np.array([[10.0, 20], [11, 20], [10, 23]]))
    np.testing.assert_allclose(seen, [[320, 240], [322, 240], [320, 246]], atol=1e-9)


def test_homography_rolls_clockwise_and_shrinks_what_is_far():
    rolled = simulation.homography(View(0, 0, roll=90), SIZE)
    np.testing.assert_allclose(
        simulation.project(rolled, np.array([[10.0, 0]])), [[320, 250]], atol=1e-9
    )
    turned = simulation.homography(View(0, 0, yaw=20), SIZE)
    left, right = simulation.project(turned, np.array([[-100.0, 0], [100, 0]]))
    assert 320 - left[0] < 100 < right[0] - 320 + 15


def test_project_takes_no_points():
    assert simulation.project(np.eye(3), np.zeros((0, 2))).shape == (0, 2)


def test_streak_spreads_along_the_movement_only():
    image = np.zeros((21, 21, 3), np.uint8)
    image[10, 10] = 200
    blurred = simulation.streak(image, np.array([5.0, 0.0]))
    assert np.flatnonzero(blurred[10, :, 0]).tolist() == [8, 9, 10, 11, 12]
    assert np.flatnonzero(blurred[:, 10, 0]).tolist() == [10]
    assert blurred[10, 10, 0] == 40


def test_nothing_moves_and_nothing_is_blurred():
    image = np.arange(75, dtype=np.uint8).reshape(5, 5, 3)
    assert simulation.streak(image, np.zeros(2)) is image
    assert simulation.defocus(image, 0.1) is image


def test_sensor_without_noise_and_change_of_light_shows_the_picture():
    image = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    shown = simulation.sensor(image, View(0, 0), np.zeros(image.shape, np.float32))
    assert np.abs(shown.astype(int) - image)[image > 20].max() <= 1


def test_sensor_noise_grows_with_light_by_its_root():
    still = np.zeros((200, 200, 3), np.float32)
    noise = np.random.default_rng(0).standard_normal(still.shape, np.float32)
    linear = []
    for level in (60, 240):
        image = np.full(still.shape, level, np.uint8)
        seen = simulation.sensor(image, View(0, 0), noise) / 255.0
        linear.append((seen**simulation.DISPLAY_GAMMA * simulation.FULL_WELL).std())
    electrons = [(level / 255) ** 2.2 * simulation.FULL_WELL for level in (60, 240)]
    expected = [np.sqrt(n + simulation.READ_NOISE**2) for n in electrons]
    np.testing.assert_allclose(linear, expected, rtol=0.1)


def test_half_a_shadow_darkens_one_side():
    share = simulation.shade(View(0, 0, shadow=0.6), SIZE)
    assert share.shape == (480, 640, 1)
    assert share[0, 0, 0] == pytest.approx(0.4, abs=0.01) or share[0, -1, 0] == pytest.approx(
        0.4, abs=0.01
    )
    assert share.min() >= 0.4 - 1e-6
    assert share.max() <= 1


def test_layer_shows_its_picture_where_it_hangs():
    layer = simulation.Layer(np.full((50, 50, 3), 200, np.uint8), np.eye(3), border=2)
    frame = np.zeros((100, 100, 3), np.uint8)
    layer.paste(frame, np.array([[1.0, 0, 20], [0, 1, 30], [0, 0, 1]]))
    assert (frame[32:78, 22:68] == 200).all()
    assert (frame[29, 30:60] >= 254).all()  # the white border
    assert not frame[:26].any()
    assert not frame[:, 75:].any()


def test_layer_out_of_sight_leaves_the_frame_alone():
    layer = simulation.Layer(np.full((50, 50, 3), 200, np.uint8), np.eye(3))
    frame = np.zeros((100, 100, 3), np.uint8)
    layer.paste(frame, np.array([[1.0, 0, 500], [0, 1, 0], [0, 0, 1]]))
    assert not frame.any()


def test_frames_are_the_same_for_a_seed_in_any_order_and_others_for_another():
    one, other = camera(seed=5), camera(seed=5)
    late = one.render(300)
    other.render(10)
    np.testing.assert_array_equal(late, other.render(300))
    assert (camera(seed=6).render(300) != late).any()


def test_a_camera_that_is_rewound_shows_the_same_frames_without_rendering_them(monkeypatch):
    source = camera(frames=3)
    first = [source.read() for _ in range(3)]
    assert source.read() is None
    source.rewind()
    monkeypatch.setattr(simulation, "sensor", None)  # rendering would call it
    for frame in first:
        again = source.read()
        assert (again.index, again.time_s) == (frame.index, frame.time_s)
        np.testing.assert_array_equal(again.image_bgr, frame.image_bgr)
    assert source.read() is None


def test_camera_is_a_source_that_ends():
    with camera(frames=3, fps=10.0) as source:
        frames = [source.read() for _ in range(4)]
    assert [f and (f.index, f.time_s) for f in frames] == [(0, 0), (1, 0.1), (2, 0.2), None]
    assert isinstance(frames[0], Frame)
    assert frames[0].image_bgr.shape == (480, 640, 3)
    assert frames[0].image_bgr.dtype == np.uint8
    closed = camera()
    closed.close()
    assert closed.read() is None


def test_truth_is_where_the_yellow_face_is():
    source = camera(seed=2, frames=900)

    def shows_one_in_good_light(index):
        truths, view = source.truth(index), source.view(index)
        whole = len(truths) == 1 and truths[0].whole
        return whole and view.log_gain > -1 and view.shadow < 0.1

    fit = [i for i in range(900) if shows_one_in_good_light(i)]
    assert len(fit) >= 50
    for index in fit[:: len(fit) // 6]:
        blue, green, red = np.moveaxis(source.render(index).astype(int), -1, 0)
        rows, columns = np.nonzero((blue < 0.6 * green) & (red > 0.5 * green) & (green > 40))
        left, top, right, bottom = source.truth(index)[0].box_xyxy
        found = np.median(columns), np.median(rows)
        assert found == pytest.approx(((left + right) / 2, (top + bottom) / 2), abs=6), index


def test_truth_knows_whole_cut_and_absent_faces():
    source = camera(frames=800)
    truths = [source.truth(i) for i in range(800)]
    w, h = SIZE
    for truth in (t for found in truths for t in found):
        left, top, right, bottom = truth.box_xyxy
        inside = left > 0 and top > 0 and right < w and bottom < h
        assert inside or not truth.whole
    kinds = {(len(found), sum(t.whole for t in found)) for found in truths}
    assert {(0, 0), (1, 0), (1, 1), (2, 2)} <= kinds
    assert {t.name for found in truths for t in found} == {"Ann", "Bo"}


def test_no_photo_is_refused():
    with pytest.raises(DataError, match="at least one photo"):
        SyntheticCamera([], np.zeros((8, 8, 3), np.uint8))
