"""Who gets events over the network, and how they are reached."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import DataError
from edgecnn.events.mqtt import Broker
from edgecnn.events.queue import LIMIT
from edgecnn.events.secret import secret
from edgecnn.events.webhook import Webhook

WEBHOOK_SECRET = "EDGECNN_WEBHOOK_SECRET"
MQTT_PASSWORD = "EDGECNN_MQTT_PASSWORD"


@dataclass(frozen=True)
class Receivers:
    """At least one of ``webhook`` and ``broker``.

    Attributes:
        queue: the folder of what waits.
        limit: most events that wait for a receiver.
        camera: its name in topics and files; None for one made of the machine's and the source's.
        every_frame: each event, not only who came and who left.
        prefix, discovery: see :class:`edgecnn.events.homeassistant.Topics`.
    """

    webhook: Webhook | None
    broker: Broker | None
    queue: Path
    limit: int = LIMIT
    camera: str | None = None
    every_frame: bool = False
    prefix: str = "edgecnn"
    discovery: str | None = "homeassistant"

    @classmethod
    def named(
        cls,
        *,
        webhook: str | None,
        webhook_secret_file: Path | None,
        mqtt: str | None,
        mqtt_password_file: Path | None,
        mqtt_ca: Path | None,
        mqtt_topic: str,
        mqtt_discovery: str,
        publish: str,
        camera_id: str | None,
        queue: Path | None,
        queue_max: int,
    ) -> Receivers | None:
        """From the options of ``edgecnn camera``; None where nobody is named.

        Raises:
            DataError: an address, a name or a secret is not what it has to be.
        """
        hook = broker = None
        if webhook:
            hook = Webhook(webhook, secret(webhook_secret_file, WEBHOOK_SECRET))
        if mqtt:
            broker = Broker.parse(mqtt, secret(mqtt_password_file, MQTT_PASSWORD), mqtt_ca)
        for option, text in (("--mqtt-topic", mqtt_topic), ("--mqtt-discovery", mqtt_discovery)):
            if re.search(r"[+#\0]|^/|/$", text) or (not text and option == "--mqtt-topic"):
                raise DataError(
                    f"expected {option} without +, # or / at its ends. Received: {text}"
                )
        if camera_id is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", camera_id):
            raise DataError(
                f"expected --camera-id of letters, digits, - and _. Received: {camera_id}"
            )
        if hook is None and broker is None:
            return None
        return cls(
            hook,
            broker,
            queue or default_folder(),
            queue_max,
            camera_id,
            publish == "frames",
            mqtt_topic,
            mqtt_discovery or None,
        )

    def camera_of(self, source: str) -> str:
        """The camera's name, where it watches ``source``."""
        made = re.sub(r"[^A-Za-z0-9]+", "-", f"{socket.gethostname()}-{source}").strip("-")
        return self.camera or made[-64:].strip("-")


def default_folder() -> Path:
    """``edgecnn`` in the user's folder for states (XDG Base Directory Specification)."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "edgecnn"
