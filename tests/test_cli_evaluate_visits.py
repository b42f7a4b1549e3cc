"""``edgecnn evaluate --visits`` and ``--quality``: what reaches the library, what is printed."""

import json

import pytest
from click.testing import CliRunner

from edgecnn.cli import cli
from edgecnn.faces.decide import Rates
from edgecnn.training import face_quality, visits_run


@pytest.fixture
def asked(monkeypatch):
    """The library's answers are made up; how it was asked is noted."""
    calls = []

    def visits(bundle, folder, **options):
        options.pop("progress")
        calls.append((str(folder), options))
        return {"rules": {}}

    def quality(bundle, folder, threads, progress):
        calls.append((str(folder), threads))
        return {"faces": 3}

    monkeypatch.setattr(visits_run, "evaluate", visits)
    monkeypatch.setattr(visits_run, "lines", lambda found: ["two", f"lines {found}"])
    monkeypatch.setattr(face_quality, "evaluate", quality)
    monkeypatch.setattr(face_quality, "lines", lambda found: [f"{found['faces']} faces"])
    return calls


def run(*words):
    return CliRunner().invoke(cli, ["evaluate", *words])


def test_rates_and_people_reach_the_library(asked):
    words = ["--strangers", "1/200", "--missed", "10%", "--enrolled", "7", "--threads", "2"]
    assert run("--visits", "faces", *words).exit_code == 0
    rates = Rates(strangers=1 / 200, missed=0.1)
    assert asked == [("faces", {"rates": rates, "enrolled": 7, "threads": 2})]


def test_without_options_it_is_the_usual(asked):
    found = run("--visits", "faces")
    assert found.stdout == "two\nlines {'rules': {}}\n"
    ((_, options),) = asked
    assert options["enrolled"] == visits_run.ENROLLED
    assert options["rates"].missed == Rates.missed and 0 < options["rates"].strangers < 1


def test_quality(asked):
    assert run("--quality", "faces", "--threads", "3").stdout == "3 faces\n"
    assert asked == [("faces", 3)]


@pytest.mark.parametrize(
    ("option", "answer"), [("--visits", {"rules": {}}), ("--quality", {"faces": 3})]
)
def test_json(asked, option, answer):
    assert json.loads(run(option, "faces", "--json").stdout) == answer


@pytest.mark.parametrize(
    "words",
    [
        ("--visits", "a", "--quality", "b"),
        ("--visits", "a", "--lfw", "b"),
        ("--quality", "a", "--out", "b"),
        ("--visits", "a", "--strangers", "0"),
        ("--missed", "1/10", "--lfw", "a"),
        ("--quality", "a", "--strangers", "1/10"),
        ("--lfw", "a", "--scenes", "b", "--end-to-end"),
        ("--data", "a", "--end-to-end"),
        ("--end-to-end",),
        ("--lfw", "a", "--not-faces", "b"),
        ("bundle", "--open-set"),
        ("bundle", "people"),
    ],
)
def test_what_does_not_go_together_is_refused(asked, words):
    found = run(*words)
    assert found.exit_code == 2 and asked == []
    assert "Error: " in found.output and "Traceback" not in found.output
