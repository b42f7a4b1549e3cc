"""Sink: events to receivers on a network. The live loop never waits for one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from edgecnn.camera.pipeline import Result
from edgecnn.camera.sinks.events import change_in, moment_in
from edgecnn.camera.sinks.receivers import Receivers
from edgecnn.camera.sources import Change
from edgecnn.events.delivery import LONGEST_WAIT_S, Delivery
from edgecnn.events.homeassistant import Topics
from edgecnn.events.mqtt import BROKER_WAIT_S, Mqtt
from edgecnn.events.queue import SUFFIX, DiskQueue
from edgecnn.events.schema import events_of
from edgecnn.events.visits import Visits


class PublishSink:
    """Hands what is news to the threads of each receiver.

    Args:
        source: the source's name.
        people: the names of who is enrolled, or of the classes.
        note: takes a line for the user; called from other threads.

    Attributes:
        deliveries: one a receiver.

    Raises:
        StorageError: a queue cannot be written, or is another camera's.
        MissingExtra: for a broker, without paho-mqtt.
    """

    def __init__(
        self,
        receivers: Receivers,
        source: str,
        people: Callable[[], Sequence[str]],
        note: Callable[[str], object],
    ):
        camera = receivers.camera_of(source)
        self._every_frame = receivers.every_frame
        self._visits = Visits()
        self._mqtt: Mqtt | None = None
        with ExitStack() as undo:

            def queue(kind: str) -> DiskQueue:
                made = DiskQueue(receivers.queue / f"{camera}-{kind}{SUFFIX}", receivers.limit)
                undo.callback(made.close)
                return made

            senders = []
            if hook := receivers.webhook:
                senders.append((hook.name, queue("webhook"), hook.send, LONGEST_WAIT_S))
            if receivers.broker:
                waits = queue("mqtt")
                topics = Topics(camera, receivers.prefix, receivers.discovery)
                self._mqtt = Mqtt(receivers.broker, topics, people, note)
                senders.append((self._mqtt.name, waits, self._mqtt.send, BROKER_WAIT_S))
            self.deliveries = [
                Delivery(name, waits, send, note, longest_wait_s=wait_s)
                for name, waits, send, wait_s in senders
            ]
            undo.pop_all()

    def write(self, result: Result) -> None:
        """Take the news of one frame; returns at once."""
        moment = moment_in(result)
        events = events_of(result.outcome, moment)
        news = self._visits.see(moment, events)
        if outgoing := events if self._every_frame else news:
            for delivery in self.deliveries:
                delivery.offer(outgoing)
        if self._mqtt:
            self._mqtt.see(self._visits.present, self._visits.last)

    def source_changed(self, change: Change) -> None:
        """Tell that the source stopped or is back; for :meth:`.source.Source.tell`."""
        for delivery in self.deliveries:
            delivery.offer([change_in(change)])

    def close(self) -> None:
        """Whoever is there leaves; wait a moment for the receivers, then leave the rest on disk."""
        news = self._visits.end()
        if self._mqtt:
            self._mqtt.see(self._visits.present, self._visits.last)
        for delivery in self.deliveries:
            delivery.offer([] if self._every_frame else news)
        for delivery in self.deliveries:
            delivery.close()
        if self._mqtt:
            self._mqtt.close()
