"""Matching with negatives and with an adaptation, by hand."""

import numpy as np
import pytest

from edgecnn.faces.adapt import Adaptation
from edgecnn.faces.match import NOT_THEM, Index


def unit(*values):
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


ANN, BOB, EVE = unit(1, 0, 0), unit(0, 1, 0), unit(1, 0, 0.5)


def test_a_face_nearer_to_the_negative_is_not_that_person():
    index = Index(["Ann", "Bob"], np.array([ANN, BOB]), (["Ann"], EVE[None]))
    plain = Index(["Ann", "Bob"], np.array([ANN, BOB]))
    # cos to Ann 0.9285, to Eve 0.9965: nearer to Eve.
    np.testing.assert_allclose(plain.scores(unit(1, 0, 0.4)), [0.9285, 0], atol=1e-4)
    np.testing.assert_allclose(index.scores(unit(1, 0, 0.4)), [NOT_THEM, 0], atol=1e-4)
    # cos to Ann 0.9950, to Eve 0.9345: still Ann.
    np.testing.assert_allclose(index.scores(unit(1, 0, 0.1)), [0.9950, 0], atol=1e-4)
    assert index.best(unit(1, 0, 0.1))[0] == "Ann"


def test_a_negative_says_nothing_about_others():
    index = Index(["Ann", "Bob"], np.array([ANN, BOB]), (["Bob"], EVE[None]))
    assert index.best(EVE)[0] == "Ann"
    # A face unlike all of them keeps a score below what it would be lifted to.
    below = Index(["Ann"], ANN[None], (["Ann"], unit(-1, 0, 0.1)[None]))
    assert below.scores(unit(-1, 0, 0.05))[0] == pytest.approx(-0.9988, abs=1e-4)


def test_several_negatives_and_one_of_nobody_who_is_enrolled():
    faces = np.array([unit(1, 0.5, 0), EVE, ANN])
    index = Index(["Ann"], ANN[None], (["Ann", "Ann", "Zoe"], faces))
    assert [index.scores(f)[0] for f in faces] == [NOT_THEM, NOT_THEM, 1.0]


@pytest.mark.parametrize("adaptation", [None, Adaptation(np.diag(np.float32([1, 1, 0.2])), 0.03)])
def test_many_faces_at_once_score_as_one_by_one(adaptation):
    faces = np.array([unit(*row) for row in np.random.default_rng(0).normal(size=(20, 3))])
    index = Index(["Ann", "Bob"], np.array([ANN, BOB]), (["Ann"], EVE[None]), adaptation)
    scores = index.scores(faces)
    assert scores.shape == (20, 2) and (scores[:, 0] == NOT_THEM).any()
    np.testing.assert_allclose(scores, [index.scores(f) for f in faces], atol=1e-6)
    assert index.scores(faces[:0]).shape == (0, 2)


def test_nobody():
    index = Index([], np.zeros((0, 3)), ([], np.zeros((0, 3))), Adaptation(np.eye(3)))
    assert index.scores(ANN).shape == (0,) and index.scores(np.array([ANN])).shape == (1, 0)
    assert index.best(ANN) == (None, None)


def test_an_adaptation_moves_people_probes_and_negatives_alike():
    # The third axis counts nearly nothing: Eve becomes Ann, and the shift comes off the cosine.
    flat = Adaptation(np.diag(np.float32([1, 1, 0])), shift=0.25)
    index = Index(["Ann"], ANN[None], adaptation=flat)
    assert index.scores(EVE)[0] == pytest.approx(0.75, abs=1e-6)
    taught = Index(["Ann"], ANN[None], (["Ann"], unit(1, 0.3, 0.9)[None]), flat)
    # Behind the map the negative is (1, 0.3, 0), which is nearer to (1, 0.2, 0).
    assert taught.scores(unit(1, 0.2, -0.9))[0] == NOT_THEM
    # The identity with no shift changes nothing.
    same = Index(["Ann"], ANN[None], adaptation=Adaptation(np.eye(3, dtype=np.float32)))
    np.testing.assert_allclose(same.scores(EVE), Index(["Ann"], ANN[None]).scores(EVE), atol=1e-6)
