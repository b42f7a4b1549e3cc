"""The board's half of a deploy: it makes releases, switches between them and never bricks a board.

On a board it is one file, ``/opt/edgecnn/board.py``, which the system's own Python (3.9 or newer)
runs as root with nothing but its standard library. Here it is a folder of small modules, and
:func:`packed` makes the one file of them: plain text, so that ``python3 -c`` runs it as well where
nothing may be written.

What a release is, and where everything lies, stands in :mod:`.ground` and :mod:`.release`; making
one in :mod:`.stage`; the links that say what runs, and what to do with them after a power cut, in
:mod:`.standing`; switching in :mod:`.activate`; the unit in :mod:`.unit`; the verbs in
:mod:`.main`.
"""

from __future__ import annotations

from pathlib import Path

MODULES = (
    "ground",
    "disk",
    "release",
    "unit",
    "system",
    "standing",
    "stage",
    "activate",
    "report",
    "main",
)
"""From the ground up: a module imports only those before it."""

_HEAD = '''\
#!/usr/bin/python3
"""The board's half of edgecnn deploy, packed by devices.onboard: `board.py --help`."""
import linecache, sys, types


def add(name, text=""):
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = []
    above, _, last = name.rpartition(".")
    if above:
        setattr(sys.modules[above], last, module)
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), module.__dict__)


add("devices")
add("devices.onboard")
'''


def packed() -> bytes:
    """``board.py``: every module as a text, and what runs them; the same bytes each time."""
    folder = Path(__file__).parent
    parts = [_HEAD]
    for name in MODULES:
        text = (folder / f"{name}.py").read_text("utf-8")
        parts.append(f"add({f'devices.onboard.{name}'!r}, {text!a})\n")
    parts.append("sys.exit(sys.modules['devices.onboard.main'].main(sys.argv[1:]))\n")
    return "".join(parts).encode()
