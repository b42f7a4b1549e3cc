"""``kill -9`` at random moments while events are written, queued and delivered.

``EDGECNN_KILLS=200`` sets how many moments; fewer are tried unless told.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from event_tools import Receiver, until
from event_victim import EVENTS, KEEP, MAX_BYTES, QUEUE

from edgecnn.events.delivery import Delivery
from edgecnn.events.jsonl import JsonLines
from edgecnn.events.queue import DiskQueue
from edgecnn.events.webhook import Webhook

KILLS = int(os.environ.get("EDGECNN_KILLS") or 30)
LIFE_S = 0.04


@contextmanager
def victim(kind: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(Path(__file__).with_name("event_victim.py")), kind]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*command, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        yield process
        assert process.stdin
        process.stdin.close()
        process.wait(10)


def kill(process: subprocess.Popen[str], first: int, soon: bool) -> list[str]:
    """What a child that begins with number ``first`` had done when it was killed.

    Args:
        soon: from its birth on, which few outlive that far that they write; else it has written.
    """
    assert process.stdin and process.stdout
    process.stdin.write(f"{first}\n")
    process.stdin.flush()
    _, pid = process.stdout.readline().split()
    done = [] if soon else [process.stdout.readline().rstrip("\n")]
    time.sleep(random.uniform(0, LIFE_S))
    os.kill(int(pid), signal.SIGKILL)
    while (line := process.stdout.readline().rstrip("\n")) != "ended":
        assert line, "the child ended by itself"
        done.append(line)
    return done


def killed(process: subprocess.Popen[str]) -> list[str]:
    """What all children had done. Two of them never use a number twice."""
    done: list[str] = []
    first = 0
    for i in range(KILLS):
        now = kill(process, first, soon=i % 3 == 0)
        done += now
        # One more may be written than its child had time to tell.
        first = max([first, *(int(line.split()[1]) + 1 for line in now if "written" in line)]) + 1
    return done


def numbers(done: list[str], what: str) -> list[int]:
    """Of the lines that begin with ``what``."""
    told = [line.split(maxsplit=1)[1] for line in done if line.startswith(f"{what} ")]
    return [json.loads(t)["number"] if t.startswith("{") else int(t) for t in told]


def test_every_line_that_was_written_is_there_once_and_whole(tmp_path: Path) -> None:
    with victim("lines", tmp_path) as process:
        written = numbers(killed(process), "written")
    assert len(written) >= KILLS // 2
    JsonLines(tmp_path / EVENTS, MAX_BYTES, KEEP).close()  # what the last kill tore is mended
    rotated = sorted(tmp_path.glob(f"{EVENTS}.*"), key=lambda p: -int(p.suffix[1:]))
    assert rotated
    found = []
    for path in [*rotated, tmp_path / EVENTS]:
        text = path.read_text()
        assert len(text) <= MAX_BYTES and (text.endswith("\n") or not text)
        found += [json.loads(line)["number"] for line in text.splitlines()]
    assert found == sorted(set(found)), "in order, and none of them twice"
    assert set(written) - set(found) == set()


def test_every_event_in_the_queue_is_there_once(tmp_path: Path) -> None:
    with victim("queue", tmp_path) as process:
        done = killed(process)
    written = numbers(done, "written")
    assert len(written) >= KILLS // 2
    with closing(DiskQueue(tmp_path / QUEUE)) as queue:
        left = []
        while event := queue.first():
            left.append(json.loads(event.text)["number"])
            queue.done(event.number)
    assert left == sorted(set(left)), "in order, and none of them twice"
    assert set(written) - set(left) - set(numbers(done, "taking")) == set()
    assert set(left) & set(numbers(done, "taken")) == set()


def test_every_event_is_delivered(tmp_path: Path) -> None:
    receiver = Receiver()
    receiver.start()
    try:
        with victim("deliver", tmp_path, receiver.url) as process:
            written = numbers(killed(process), "written")
        queue = DiskQueue(tmp_path / QUEUE)
        rest = Delivery("test", queue, Webhook(receiver.url).send, lambda line: None)
        until(lambda: rest.waiting == 0, "the rest to be delivered")
        rest.close()
    finally:
        receiver.stop()
    posts = [(h["Edgecnn-Delivery"], json.loads(body)["number"]) for _, h, body in receiver.posts]
    assert len(written) >= KILLS // 2
    # The one that was under way at a kill may come again, as what it is: with the same key.
    once = list(dict.fromkeys(posts))
    assert [number for _, number in once] == sorted(number for _, number in once)
    assert len({key for key, _ in once}) == len(once) == len({number for _, number in once})
    assert set(written) - {number for _, number in once} == set()
    assert len(posts) - len(once) <= KILLS
