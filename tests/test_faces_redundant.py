"""Which embeddings are kept, by hand and in the large."""

import numpy as np
import pytest

from edgecnn.faces.embed import unit
from edgecnn.faces.photo import REDUNDANT, USED, Photo
from edgecnn.faces.quality import Quality
from edgecnn.faces.redundant import ENOUGH, MOST, SAME_PHOTO, choose, is_same_photo
from edgecnn.faces.sift import without_negatives, without_redundant
from edgecnn.faces.types import Sample


def person(count, seed=0, spread=1.0, dimension=64):
    """Photos about one direction; two have a cosine of about ``1 / (1 + spread ** 2)``."""
    rng = np.random.default_rng(seed)
    return unit(
        unit(rng.normal(size=dimension))
        + spread * unit(rng.normal(size=(count, dimension))) * rng.uniform(0.9, 1.1, (count, 1))
    )


def kept(verdicts):
    return [i for i, v in enumerate(verdicts) if v.kept]


def test_nobody_and_one():
    assert choose(np.zeros((0, 4))) == []
    (only,) = choose(person(1))
    assert only.kept and only.like is None and only.cosine == pytest.approx(1)


def test_near_copies_go_the_best_stays():
    a, b = person(2)
    copy = unit(a + 0.2 * b)
    assert float(copy @ a) > SAME_PHOTO > float(a @ b)
    points = np.array([a, b, copy])
    first, other, second = choose(points)
    assert (first.kept, other.kept, second.kept) == (True, True, False)
    assert second.like == 0 and second.cosine == pytest.approx(float(copy @ a), abs=1e-6)
    by_quality = choose(points, [0.5, 1.0, 0.9])
    assert kept(by_quality) == [1, 2] and by_quality[0].like == 2


def test_exact_copies_leave_one():
    assert kept(choose(np.repeat(person(1), 5, axis=0))) == [0]


@pytest.mark.parametrize(("count", "most"), [(40, MOST), (40, 5), (3, 1)])
def test_never_more_than_the_bound(count, most):
    verdicts = choose(person(count, spread=3.0), most=most)
    assert len(kept(verdicts)) == most
    assert all(v.like is None for v in verdicts)


def test_it_stops_when_the_mean_is_reached():
    points = person(60, spread=0.6, dimension=256)
    verdicts = choose(points, most=60)
    few = kept(verdicts)
    likeness = float(unit(points[few].mean(axis=0)) @ unit(points.mean(axis=0)))
    assert 1 < len(few) < 40
    assert likeness >= ENOUGH and verdicts[0].cosine == pytest.approx(likeness, abs=1e-5)
    # One fewer would not have been enough.
    fewer = kept(choose(points, most=len(few) - 1))
    assert float(unit(points[fewer].mean(axis=0)) @ unit(points.mean(axis=0))) < ENOUGH


def test_those_kept_say_more_than_as_many_at_random():
    points = person(40, spread=2.0)
    mean = unit(points.mean(axis=0))
    ours = float(unit(points[kept(choose(points, most=6))].mean(axis=0)) @ mean)
    rng = np.random.default_rng(0)
    random = [unit(points[rng.permutation(40)[:6]].mean(axis=0)) @ mean for _ in range(50)]
    assert ours > max(random)


def test_the_same_photo():
    a, b = person(2)
    assert is_same_photo(a, unit(a + 0.2 * b)) and not is_same_photo(a, b)
    assert not is_same_photo(a, a[:8])


def photo(source, embedding, name="Ann", fate=USED, quality=0.9):
    measured = Quality(60, 0.1, 120, 40, 0, 0, 0.58, 0, quality)
    return Photo(name, source, fate, np.zeros((112, 112, 3), np.uint8), embedding, measured)


def test_photos_say_why_they_are_redundant():
    a, b, c = person(3)
    photos = [
        photo("a", a),
        photo("copy", unit(a + 0.3 * c)),
        photo("b", b),
        photo("bad", c, fate="blurred: x"),
        photo("a of Bob", a, name="Bob"),
    ]
    sifted, gone = without_redundant(photos)
    assert [p.kind for p in sifted] == [USED, REDUNDANT, USED, "blurred", USED]
    assert sifted[1].fate.startswith("redundant: like a (0.9") and gone == []
    assert sifted[1].usable and sifted[1].sample.source == "copy"
    many = [photo(str(i), e) for i, e in enumerate(person(40, spread=3.0))]
    fates = [p.fate for p in without_redundant(many)[0]]
    assert fates.count(USED) == MOST
    assert any(f.startswith(f"redundant: the {MOST} kept are as good as all (0.") for f in fates)
    assert without_redundant([]) == ([], [])


def test_who_is_enrolled_gives_way_to_a_better_copy_or_above_the_bound_alone():
    a, b = person(2)
    known = [Sample("Ann", a, 0.5, "old"), Sample("Bob", a, 0.5, "bob")]
    sifted, gone = without_redundant([photo("new", unit(a + 0.1 * b))], known)
    assert sifted[0].fate == USED and [s.source for s in gone] == ["old"]
    sifted, gone = without_redundant([photo("new", unit(a + 0.1 * b), quality=0.1)], known)
    assert sifted[0].fate.startswith("redundant: like old") and gone == []

    before = [Sample("Ann", e, 0.5, str(i)) for i, e in enumerate(person(10, spread=0.6))]
    one = photo("new", person(11, spread=0.6)[10])
    assert without_redundant([one], before)[1] == []  # though fewer would do
    # One that gave way to a copy which is redundant itself would be replaced by nothing.
    copies = [photo(f"copy of {s.source}", unit(s.embedding + 0.1 * a)) for s in before]
    sifted, gone = without_redundant([*copies, one], before)
    kept = {p.source for p in sifted if p.fate == USED}
    assert REDUNDANT in {p.kind for p in sifted}
    assert {f"copy of {s.source}" for s in gone} == kept - {"new"}
    full = [Sample("Ann", e, 0.5, str(i)) for i, e in enumerate(person(MOST, spread=3.0))]
    more = [photo(f"new{i}", e) for i, e in enumerate(person(MOST + 9, spread=3.0)[MOST:])]
    sifted, gone = without_redundant(more, full)
    used = sum(p.fate == USED for p in sifted)
    assert used > 0 and MOST - len(gone) + used == MOST


def test_a_photo_that_was_taught_as_not_that_person_is_not_used():
    a, b, c = person(3)
    taught = [Sample("Ann", a, source="eve.jpg"), Sample("Bob", b, source="kim.jpg")]
    sifted = without_negatives(
        [photo("x", unit(a + 0.1 * b)), photo("y", b), photo("z", c)], taught
    )
    assert [p.fate for p in sifted] == [
        "someone else: taught as not Ann (eve.jpg)",
        USED,
        USED,
    ]
