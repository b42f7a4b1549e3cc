"""The evidence of a track, by hand; and matching, which gives the scores it is made of."""

import numpy as np
import pytest

from edgecnn.faces.decide import FADE, HIGHEST, LOWEST, Evidence, votes
from edgecnn.faces.match import Index, best

THRESHOLD = 0.4


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], []),
        ([0.46], [0.6]),
        ([0.4], [0.0]),
        ([0.9], [1.0]),
        ([-0.5], [-1.0]),
        ([0.48, 0.1], [0.8, -1.0]),
        ([0.48, 0.45], [0.3, -0.3]),  # two alike: the other is the rival, not the threshold
        ([0.6, 0.6], [0.0, 0.0]),
        ([0.38, 0.35], [-0.2, -0.5]),
        ([0.6, 0.55, 0.6], [0.0, -0.5, 0.0]),
    ],
)
def test_votes(scores, expected):
    assert votes(np.array(scores), THRESHOLD).tolist() == pytest.approx(expected, abs=1e-5)


def test_votes_with_a_threshold_for_each():
    given = votes(np.array([0.3, 0.1]), np.array([0.25, 0.4]))
    assert given.tolist() == pytest.approx([0.5, -1.0], abs=1e-5)


def run(*frames, quality=1.0):
    """Names (as numbers) after each frame."""
    evidence, named = Evidence(), []
    for scores in frames:
        evidence.add(np.array(scores), THRESHOLD, quality)
        named.append(evidence.named)
    return evidence, named


def test_the_worked_example_of_the_module():
    evidence, named = run([0.46], [0.42], [0.30], [0.10], [0.10])
    assert named == [0, 0, 0, 0, None]
    # 0.6, 0.54 + 1, 1.386 + 0.5, 1.6974 - 1, 0.62766 - 1
    assert evidence.sums.tolist() == pytest.approx([-0.37234], abs=1e-4)


@pytest.mark.parametrize(("score", "expected"), [(0.44, None), (0.451, 0), (0.7, 0)])
def test_a_first_frame_names_only_well_above_the_threshold(score, expected):
    assert run([score])[1] == [expected]


def test_several_frames_just_above_the_threshold_name_too():
    # 0.3, 0.57
    assert run([0.43], [0.43])[1] == [None, 0]


def test_one_lucky_frame_does_not_name_a_stranger():
    stranger = [[0.2]] * 5
    assert set(run(*stranger, [0.9], *stranger)[1]) == {None}


def test_below_the_threshold_a_face_keeps_a_name_and_never_gets_one():
    assert run([0.5], *[[0.3]] * 20)[1] == [0] * 21
    assert run(*[[0.39]] * 20)[1] == [None] * 20
    assert run([0.5], *[[0.2]] * 5)[1][-1] is None


def test_after_any_past_three_good_frames_name_and_three_bad_ones_do_not():
    assert run(*[[0.0]] * 50, [0.8], [0.8], [0.8])[1][-3:] == [None, None, 0]
    assert run(*[[0.8]] * 50, [0.0], [0.0], [0.0])[1][-3:] == [0, 0, None]


def test_the_evidence_stays_within_its_bounds():
    assert run(*[[0.9]] * 50)[0].sums[0] == HIGHEST
    assert run(*[[0.0]] * 50)[0].sums[0] == LOWEST


def test_a_bad_picture_says_less():
    assert run([0.9], quality=0.3)[1] == [None]
    evidence, named = run([0.9], [0.9])
    evidence.add(np.array([0.1]), THRESHOLD, 0.1)
    assert named[-1] == evidence.named == 0
    assert evidence.sums[0] == pytest.approx(1.9 * FADE - 0.1, abs=1e-5)


def test_a_name_does_not_last_on_frames_that_say_nothing():
    evidence, _ = run(*[[0.9]] * 20)
    for _ in range(33):
        evidence.add(np.array([0.0]), THRESHOLD, 0.0)
    assert evidence.named is None


def test_two_people_who_look_alike_are_neither():
    assert set(run(*[[0.60, 0.58], [0.58, 0.60]] * 15)[1]) == {None}


def test_another_person_takes_over_only_with_evidence():
    _, named = run(*[[0.8, 0.1]] * 10, *[[0.1, 0.8]] * 4)
    # Against the name 3, 1.7, 0.53; for the other -2, -0.8, 0.28, 1.25.
    assert named[-4:] == [0, 0, 1, 1]


def test_other_people_than_before_start_anew():
    evidence, _ = run([0.9], [0.9])
    evidence.add(np.array([0.1, 0.1]), THRESHOLD)
    assert evidence.named is None and evidence.sums.tolist() == [-1, -1]
    evidence.add(np.zeros(0), THRESHOLD)
    assert evidence.named is None


def unit(*values):
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def test_a_person_is_the_mean_of_their_embeddings():
    index = Index(["Bob", "Ann", "Bob"], np.array([unit(1, 0), unit(0, -1), unit(0, 1)]))
    assert index.people == ["Ann", "Bob"] and len(index) == 2
    assert index.scores(unit(1, 1)).tolist() == pytest.approx([-(0.5**0.5), 1.0], abs=1e-6)
    assert index.best(unit(1, 1)) == ("Bob", pytest.approx(1.0))


def test_equally_near_people_give_the_first_by_name():
    assert best(unit(1, 0), ["b", "a"], np.array([unit(1, 1), unit(1, -1)]))[0] == "a"


def test_an_empty_gallery_knows_nobody():
    assert best(unit(1, 0), [], np.zeros((0, 2))) == (None, None)
    assert Index([], np.zeros((0, 2))).scores(unit(1, 0)).shape == (0,)
