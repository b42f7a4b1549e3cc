"""Writes events until it is killed: ``python tests/event_victim.py KIND FOLDER [URL]``.

For each number on its standard input it forks a child that writes events of that number and the
following ones, and prints the child's process id, then what the child has done, a line each.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edgecnn.events.delivery import Delivery
from edgecnn.events.jsonl import JsonLines
from edgecnn.events.queue import DiskQueue
from edgecnn.events.webhook import Webhook

EVENTS, QUEUE = "events.jsonl", "porch.queue.sqlite"
MAX_BYTES, KEEP = 20_000, 2_000


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def write_lines(folder: Path, numbers: Iterator[int]) -> None:
    lines = JsonLines(folder / EVENTS, MAX_BYTES, KEEP)
    for number in numbers:
        lines.write({"number": number, "padding": "x" * random.randrange(9_000)})
        say(f"written {number}")


def queue(folder: Path, numbers: Iterator[int]) -> None:
    waiting = DiskQueue(folder / QUEUE)
    for number in numbers:
        waiting.append([{"number": number}])
        say(f"written {number}")
        if number % 3 == 0 and (first := waiting.first()):
            say(f"taking {first.text}")
            waiting.done(first.number)
            say(f"taken {first.text}")


def deliver(folder: Path, numbers: Iterator[int], url: str) -> None:
    waiting = DiskQueue(folder / QUEUE)
    Delivery("test", waiting, Webhook(url, "key").send, lambda line: None, first_wait_s=0.01)
    for number in numbers:
        waiting.append([{"number": number}])
        say(f"written {number}")
        time.sleep(0.001)


KINDS: dict[str, Callable[..., None]] = {"lines": write_lines, "queue": queue, "deliver": deliver}

if __name__ == "__main__":
    _, kind, where, *more = sys.argv
    for text in sys.stdin:
        child = os.fork()
        if child == 0:
            say(f"child {os.getpid()}")
            KINDS[kind](Path(where), itertools.count(int(text)), *more)
        os.waitpid(child, 0)
        say("ended")
