"""A process that changes a gallery for ever, to be killed: ``python kill_9.py GALLERY SEED KEY``.

It says on the standard output what it is about to do and, once that is done, that it is: a line of
JSON each. The gallery may change its key on the way; :func:`key_of` tells which key a number means.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.faces.gallery import Gallery
from edgecnn.faces.types import Sample
from edgecnn.faces.vault import FILE, Key
from edgecnn.images import Floats

SHA = "ab" * 32
PHOTOS = 3


def key_of(number: int) -> Key | None:
    """None, plain, for 0."""
    return Key(FILE, bytes([number]) * 32) if number else None


def embedding(name: str, photo: int) -> Floats:
    """``(128,)`` float32 of length 1, the same for the same name and photo."""
    seed = int.from_bytes(f"{name} {photo}".encode(), "little")
    vector = np.random.default_rng(seed).normal(size=128).astype(np.float32)
    return vector / np.linalg.norm(vector)


def say(**facts: Any) -> None:
    """One write, so that a kill leaves no half of a line."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def work(path: Path, seed: int, key: int) -> None:
    """Enrol, forget and change the key, whichever comes."""
    chance = random.Random(seed)
    with Gallery(path, SHA, create=True, key=key_of(key)) as gallery:
        people = [p.name for p in gallery.people()]
        count = 0
        say(ready=True)
        while True:
            what = chance.choice(["enrol", "enrol", "forget", "key"])
            if what == "enrol" or (what == "forget" and not people):
                name = f"Person{seed}x{count}"
                count += 1
                say(enrol=name)
                gallery.add_all([Sample(name, embedding(name, i)) for i in range(PHOTOS)])
                people.append(name)
            elif what == "forget":
                name = people.pop(chance.randrange(len(people)))
                say(forget=name)
                gallery.forget(name)
            else:
                key = (key + 1) % 3
                say(key=key)
                gallery.relock(key_of(key))
            say(done=True)


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
