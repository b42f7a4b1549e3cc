"""What a board asks of a release in the release's own environment."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from devices import selftest
from edgecnn.bundle import ASSETS, Bundle
from edgecnn.faces.embed import fingerprint
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.vault import new_key


def asked(
    capsys: pytest.CaptureFixture[str], *words: object
) -> tuple[int, list[dict[str, object]]]:
    code = selftest.main([str(w) for w in words])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_sound_bundle_and_a_camera_that_gives_frames(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "frame.png"), np.zeros((48, 64, 3), np.uint8))
    code, found = asked(capsys, "bundle", ASSETS, "--source", tmp_path)
    assert code == 0 and found[1] == {"frame": [64, 48]}
    assert {*found[0]["self_test"]} == {*Bundle(ASSETS).manifest.models}  # type: ignore[misc]


def test_a_changed_model_and_a_camera_that_is_not_there_are_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, found = asked(capsys, "bundle", ASSETS, "--source", tmp_path / "none.mp4")
    assert code == 2 and "none.mp4" in str(found[-1]["error"])
    bundle = tmp_path / "bundle"
    shutil.copytree(ASSETS, bundle)
    model = bundle / Bundle(ASSETS).entry("embedder").file
    model.write_bytes(model.read_bytes()[:-1])
    code, found = asked(capsys, "bundle", bundle)
    assert code == 2 and "sha256 differs" in str(found[-1]["error"])


def test_a_gallery_to_enrol_into_is_made_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "gallery.sqlite"
    assert asked(capsys, "gallery", ASSETS, path) == (0, [{"gallery": str(path)}])
    with Gallery(path, fingerprint(Bundle(ASSETS))) as gallery:
        assert gallery.people() == []
    before = path.read_bytes()
    assert asked(capsys, "gallery", ASSETS, path)[0] == 0
    assert path.read_bytes() == before


def test_a_gallery_for_a_camera_with_a_key_is_encrypted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path, key_file = tmp_path / "gallery.sqlite", tmp_path / "household.key"
    key = new_key(key_file)
    words = ("gallery", ASSETS, path, "--key-file", key_file)
    assert asked(capsys, *words) == (0, [{"gallery": str(path)}])
    with Gallery(path, fingerprint(Bundle(ASSETS)), key=key) as gallery:
        assert gallery.people() == []
    code, found = asked(capsys, "gallery", ASSETS, tmp_path / "other", "--key-file", path)
    assert code == 2 and "key file" in str(found[0]["error"])
