"""From the loop to a receiver: nothing waits, nothing is lost unsaid."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from event_tools import until

from edgecnn.errors import StorageError
from edgecnn.events import delivery as delivery_module
from edgecnn.events.delivery import Delivery, Refused, Unreachable
from edgecnn.events.queue import DiskQueue, Waiting


class Receiver:
    """Takes events into ``got``; raises what ``faults`` holds first."""

    def __init__(self) -> None:
        self.got: list[int] = []
        self.faults: list[Exception] = []
        self.away = False
        self.hold = threading.Event()
        self.hold.set()

    def send(self, event: Waiting) -> None:
        self.hold.wait()
        if self.away:
            raise Unreachable("nobody there")
        if self.faults:
            raise self.faults.pop(0)
        self.got.append(json.loads(event.text)["n"])


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def make(tmp_path: Path, receiver: Receiver, notes: list[str]) -> Iterator[Callable[..., Delivery]]:
    made: list[Delivery] = []

    def made_one(limit: int = 1000, **more: int) -> Delivery:
        queue = DiskQueue(tmp_path / "q.queue.sqlite", limit)
        made.append(
            Delivery(
                "test", queue, receiver.send, notes.append,
                first_wait_s=0.01, longest_wait_s=0.02, **more,  # type: ignore[arg-type]
            )
        )  # fmt: skip
        return made[-1]

    yield made_one
    receiver.hold.set()
    for one in made:
        one.close()


def events(*numbers: int) -> list[dict[str, int]]:
    return [{"n": n} for n in numbers]


def test_events_arrive_in_order(make: Callable[..., Delivery], receiver: Receiver) -> None:
    delivery = make()
    for n in range(50):
        delivery.offer(events(n))
    until(lambda: len(receiver.got) == 50, "all")
    until(lambda: delivery.waiting == 0, "the last to be taken out")
    assert receiver.got == list(range(50))
    assert (delivery.delivered, delivery.lost, delivery.failures) == (50, 0, 0)


def test_who_is_away_gets_everything_later_and_two_lines_are_said(
    make: Callable[..., Delivery], receiver: Receiver, notes: list[str]
) -> None:
    receiver.away = True
    delivery = make()
    delivery.offer(events(*range(20)))
    until(lambda: delivery.failures > 5, "attempts")
    assert delivery.waiting == 20
    receiver.away = False
    until(lambda: len(receiver.got) == 20, "all")
    assert receiver.got == list(range(20))
    until(lambda: len(notes) == 2, "the second line")
    assert "nobody there; events wait in " in notes[0] and "back after 0 s" in notes[1]


def test_offering_waits_neither_for_a_receiver_nor_for_the_disk(
    make: Callable[..., Delivery], receiver: Receiver, tmp_path: Path
) -> None:
    delivery = make()
    receiver.hold.clear()
    with closing(sqlite3.connect(tmp_path / "q.queue.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # nothing can be stored until this ends
        for n in range(200):
            delivery.offer(events(n))
        assert receiver.got == []
        other.execute("COMMIT")
    receiver.hold.set()
    until(lambda: len(receiver.got) == 200, "all")
    assert receiver.got == list(range(200))


def test_what_is_refused_for_good_is_dropped_and_the_rest_goes_on(
    make: Callable[..., Delivery], receiver: Receiver, notes: list[str]
) -> None:
    receiver.faults = [Refused("answer 422"), Refused("answer 422")]
    delivery = make()
    delivery.offer(events(1, 2, 3, 4))
    until(lambda: receiver.got == [3, 4], "the others")
    delivery.close()
    assert (delivery.refused, delivery.delivered) == (2, 2)
    assert len(notes) == 2
    assert "refused an event, which is dropped (answer 422)" in notes[0]
    assert "refused 2 events in all, lost 0" in notes[1]


def test_a_receiver_that_asks_for_a_rest_gets_it(
    make: Callable[..., Delivery], receiver: Receiver
) -> None:
    receiver.faults = [Unreachable("busy", wait_s=0.5)]
    delivery = make()
    delivery.offer(events(1))
    until(lambda: delivery.failures, "the answer")
    assert receiver.got == []
    until(lambda: receiver.got == [1], "the second attempt")


def test_beyond_the_bound_the_oldest_are_lost_counted_and_said(
    make: Callable[..., Delivery], receiver: Receiver, notes: list[str]
) -> None:
    receiver.away = True
    delivery = make(limit=10)
    for n in range(30):
        delivery.offer(events(n))
    until(lambda: delivery.lost == 20, "the oldest to give way")
    receiver.away = False
    until(lambda: len(receiver.got) == 10, "the rest")
    assert receiver.got == list(range(20, 30))
    assert len([n for n in notes if "10 events wait: the oldest are lost" in n]) == 1
    delivery.close()
    assert "lost 20" in notes[-1]


def test_what_is_left_at_the_end_comes_first_in_the_next_run(
    make: Callable[..., Delivery],
    receiver: Receiver,
    notes: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery_module, "DRAIN_S", 0.2)
    receiver.away = True
    first = make()
    first.offer(events(1, 2))
    first.close()
    assert "2 events wait in " in notes[-1] and "for the next run" in notes[-1]
    receiver.away = False
    make().offer(events(3))
    until(lambda: receiver.got == [1, 2, 3], "both")


def test_the_end_of_a_run_delivers_what_is_there(
    make: Callable[..., Delivery],
    receiver: Receiver,
    notes: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery_module, "DRAIN_S", 60.0)  # this machine may be busy
    delivery = make()
    delivery.offer(events(*range(100)))
    delivery.close()
    assert receiver.got == list(range(100)) and notes == []


def test_a_receiver_that_hangs_does_not_hold_up_the_end(
    make: Callable[..., Delivery],
    receiver: Receiver,
    notes: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery_module, "DRAIN_S", 0.2)
    receiver.hold.clear()
    delivery = make()
    delivery.offer(events(1, 2))
    delivery.close()
    assert receiver.got == [] and "2 events wait" in notes[-1]


class Sick(DiskQueue):
    """A queue on a disk that is full for a while."""

    def __init__(self, path: Path):
        super().__init__(path)
        self.appends = self.dones = 0
        self.meanwhile: Callable[[], object] = lambda: None

    def append(self, given: object) -> int:
        if self.appends:
            self.appends -= 1
            self.meanwhile()
            raise StorageError("disk is full")
        return super().append(given)  # type: ignore[arg-type]

    def done(self, number: int) -> None:
        if self.dones:
            self.dones -= 1
            raise StorageError("disk is full")
        super().done(number)


def test_a_full_disk_keeps_events_in_memory_and_delivers_none_twice(
    tmp_path: Path, receiver: Receiver, notes: list[str]
) -> None:
    queue = Sick(tmp_path / "q.queue.sqlite")
    queue.appends = queue.dones = 3
    delivery = Delivery("test", queue, receiver.send, notes.append, first_wait_s=0.02)
    more = iter([3, 4, 5])
    queue.meanwhile = lambda: delivery.offer(events(next(more)))
    delivery.offer(events(1, 2))
    until(lambda: queue.appends == queue.dones == 0 and not delivery.waiting, "the disk")
    delivery.close()
    assert receiver.got == [1, 2, 3, 4, 5]
    assert "disk is full; until then events are kept in memory" in notes[0]


def test_memory_is_bounded_too(tmp_path: Path, receiver: Receiver, notes: list[str]) -> None:
    queue = Sick(tmp_path / "q.queue.sqlite")
    queue.appends = 1000
    delivery = Delivery("test", queue, receiver.send, notes.append, first_wait_s=0.02, in_memory=10)
    for n in range(30):
        delivery.offer(events(n))
    until(lambda: delivery.lost >= 19, "the oldest to give way")
    queue.appends = 0
    until(lambda: receiver.got[-1:] == [29], "the newest")
    delivery.close()
    assert receiver.got == list(range(30 - len(receiver.got), 30))
    assert len(receiver.got) + delivery.lost == 30


def test_what_never_reached_the_disk_is_said_at_the_end(
    tmp_path: Path, receiver: Receiver, notes: list[str]
) -> None:
    queue = Sick(tmp_path / "q.queue.sqlite")
    queue.appends = 1000
    delivery = Delivery("test", queue, receiver.send, notes.append)
    delivery.offer(events(1, 2))
    until(lambda: notes, "the first failure")
    delivery.close()
    assert "refused 0 events in all, lost 2" in notes[-1]


def test_the_end_of_a_run_tries_a_receiver_that_was_away_once_more(
    tmp_path: Path, receiver: Receiver, notes: list[str]
) -> None:
    receiver.away = True
    queue = DiskQueue(tmp_path / "q.queue.sqlite", 1000)
    delivery = Delivery("test", queue, receiver.send, notes.append, first_wait_s=600)
    delivery.offer([{"n": 1}, {"n": 2}])
    until(lambda: delivery.failures == 1, "the first attempt")
    receiver.away = False
    delivery.close()
    assert receiver.got == [1, 2]
    assert not any("for the next run" in note for note in notes)
