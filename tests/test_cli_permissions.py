"""Files that this user may not open: one line that says so, and no cure that destroys."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from camera_tools import make_folder, make_tape, make_video
from test_cli_camera import make_bundle

from edgecnn.bundle import Bundle
from edgecnn.faces.embed import fingerprint
from edgecnn.faces.gallery import Gallery

NO_SETPRIV = "root opens anything, and there is no setpriv: apt-get install util-linux"

OPEN = """
import sys
from edgecnn.camera.sources import open_source
from edgecnn.errors import CameraError
try:
    open_source(sys.argv[1])
except CameraError as e:
    sys.exit(str(e))
"""

ENROL = """
import sys
import numpy as np
from edgecnn.bundle import Bundle
from edgecnn.errors import GalleryError
from edgecnn.faces.enrol import add
from edgecnn.faces.photo import USED, Photo
from edgecnn.faces.quality import Quality
face, one = np.zeros((112, 112, 3), np.uint8), np.ones(1, np.float32)
photo = Photo("Ann", "a.png", USED, face, one, Quality(60, 0.1, 120, 40, 0, 0, 0.58, 0, 0.9))
try:
    add(Bundle(sys.argv[1]), sys.argv[2], "Ann", [photo])
except GalleryError as e:
    sys.exit(str(e))
"""


def run_closed(closed: Path, *arguments: object) -> tuple[int, str]:
    """Exit code and error output of Python while a file or folder is closed, to root as well."""
    command = [sys.executable, *map(str, arguments)]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip(NO_SETPRIV)
        command = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", *command]
    before = closed.stat().st_mode
    closed.chmod(0)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    finally:
        closed.chmod(before)
    return done.returncode, done.stderr


PEOPLE = {
    "gallery": ("{bundle}", "gallery.sqlite"),
    "its folder": ("{bundle} --gallery {bundle}/inside/g.sqlite", "inside"),
    "model": ("{bundle}", "detector.tflite"),
    "manifest": ("{bundle}", "manifest.json"),
}
"""What is listed, and what is closed."""


@pytest.mark.parametrize("name", PEOPLE)
def test_a_closed_gallery_or_bundle_is_said_to_be_just_that(tmp_path: Path, name: str) -> None:
    bundle = Bundle(make_bundle(tmp_path / "bundle"))
    (bundle.path / "inside").mkdir()
    Gallery(bundle.gallery, fingerprint(bundle), create=True).close()
    listed, closed = PEOPLE[name]
    words = f"-m edgecnn people list {listed}".format(bundle=bundle.path).split()
    code, said = run_closed(bundle.path / closed, *words)
    assert code == 2 and said.count("\n") == 1, said
    assert f"{bundle.path / closed}" in said and "change its permissions" in said
    assert not any(word in said for word in ("damaged", "enroll again", "convert"))


def test_nobody_is_enrolled_in_a_closed_folder(tmp_path: Path) -> None:
    bundle, closed = make_bundle(tmp_path / "bundle"), tmp_path / "closed"
    closed.mkdir()
    code, said = run_closed(closed, "-c", ENROL, bundle, closed / "gallery.sqlite")
    assert code == 1 and said.count("\n") == 1, said
    assert f"since {closed} belongs to" in said


def test_no_key_is_made_in_a_closed_folder(tmp_path: Path) -> None:
    bundle, closed = Bundle(make_bundle(tmp_path / "bundle")), tmp_path / "closed"
    Gallery(bundle.gallery, fingerprint(bundle), create=True).close()
    closed.mkdir()
    words = f"-m edgecnn people encrypt {bundle.path} --key-file {closed}/key".split()
    code, said = run_closed(closed, *words)
    assert code == 2 and said.count("\n") == 1, said
    assert f"could not make the key file {closed}/key (Permission denied)" in said


@pytest.mark.parametrize("closed", ["a.tape", "a.avi", "pictures", "pictures/0.png"])
def test_a_closed_source_is_said_to_be_just_that(tmp_path: Path, closed: str) -> None:
    make_tape(tmp_path / "a.tape", 2)
    make_video(tmp_path / "a.avi", 2)
    make_folder(tmp_path / "pictures", 1)
    shut = tmp_path / ("pictures" if closed == "pictures/0.png" else closed)
    code, said = run_closed(shut, "-c", OPEN, tmp_path / closed)
    assert code == 1 and said == (
        f"cannot read {tmp_path / closed} (Permission denied): do this as the user that it belongs "
        "to, or change its permissions\n"
    )
