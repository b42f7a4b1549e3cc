"""What an MQTT broker is to keep about a camera, for Home Assistant and others. Pure functions.

Everything here is retained: a client that comes later has the state at once. With ``edgecnn`` and
``homeassistant`` as prefixes and ``porch`` as the camera:

====================================================  =============================================
``edgecnn/porch/availability``                        ``online``, or ``offline``: the last will
``edgecnn/porch/person/ann-17239b``                   ``ON`` while Ann is there, else ``OFF``
``edgecnn/porch/unknown``                             the same for somebody unknown
``edgecnn/porch/last_seen``                           ``{"name": "Ann", "time": "…"}``
``homeassistant/binary_sensor/edgecnn_porch/…/config``  discovery, one a person and the unknown
``homeassistant/sensor/edgecnn_porch/last_seen/config`` discovery of who was seen last
====================================================  =============================================

The keys of a discovery message are those of https://www.home-assistant.io/integrations/mqtt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from edgecnn import __version__

ONLINE, OFFLINE = "online", "offline"


@dataclass(frozen=True)
class Topics:
    """Where a camera's messages go.

    Attributes:
        camera: its name, of letters, digits, ``-`` and ``_``.
        prefix: of its own messages.
        discovery: Home Assistant's prefix; None for no discovery.
    """

    camera: str
    prefix: str = "edgecnn"
    discovery: str | None = "homeassistant"

    @property
    def base(self) -> str:
        return f"{self.prefix}/{self.camera}"

    @property
    def availability(self) -> str:
        return f"{self.base}/availability"

    @property
    def event(self) -> str:
        """Of the events, the one topic that is not retained."""
        return f"{self.base}/event"

    @property
    def filters(self) -> list[str]:
        """What to subscribe to for all that an earlier run may have left at the broker."""
        own = [f"{self.base}/person/+"]
        if self.discovery is None:
            return own
        return [*own, f"{self.discovery}/binary_sensor/edgecnn_{self.camera}/+/config"]


def slug(name: str) -> str:
    """A name as part of a topic: never a separator or a wild card, and two names never the same.

    >>> slug("Ann"), slug("张伟")
    ('ann-17239b', 'person-a3a0ba')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "person"
    return f"{plain}-{sha256(name.encode()).hexdigest()[:6]}"


def retained(
    topics: Topics,
    people: Iterable[str],
    present: Collection[str | None],
    last: dict[str, Any] | None,
    online: bool,
) -> dict[str, str]:
    """Topic to payload of all that the broker is to keep.

    Args:
        people: who is enrolled.
        present: who is there; None for somebody unknown.
        last: name, None for unknown, and time of the last arrival or departure.
        online: whether the camera shows pictures.
    """
    sensors = {f"{topics.base}/person/{slug(name)}": (slug(name), name) for name in people}
    there = {slug(name) for name in present if name is not None}
    sensors[f"{topics.base}/unknown"] = ("unknown", "Somebody unknown")
    if None in present:
        there.add("unknown")
    kept = {state: "ON" if key in there else "OFF" for state, (key, _) in sensors.items()}
    kept[topics.availability] = ONLINE if online else OFFLINE
    if last is not None:
        kept[f"{topics.base}/last_seen"] = json.dumps(last, ensure_ascii=False)
    if topics.discovery is not None:
        node = f"edgecnn_{topics.camera}"
        for state, (key, name) in sensors.items():
            told = {"name": name, "state_topic": state, "device_class": "occupancy"}
            kept[f"{topics.discovery}/binary_sensor/{node}/{key}/config"] = _config(
                topics, key, told | {"payload_on": "ON", "payload_off": "OFF"}
            )
        seen = f"{topics.base}/last_seen"
        told = {"name": "Last seen", "state_topic": seen, "json_attributes_topic": seen}
        told |= {"value_template": "{{ value_json.name or 'somebody unknown' }}"}
        kept[f"{topics.discovery}/sensor/{node}/last_seen/config"] = _config(
            topics, "last_seen", told | {"icon": "mdi:face-recognition"}
        )
    return kept


def _config(topics: Topics, key: str, told: dict[str, str]) -> str:
    node = f"edgecnn_{topics.camera}"
    shared = {
        "unique_id": f"{node}_{key}",
        "availability_topic": topics.availability,
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
        "device": {
            "identifiers": [node],
            "name": f"edgecnn {topics.camera}",
            "manufacturer": "edgecnn",
            "sw_version": __version__,
        },
        "origin": {"name": "edgecnn", "sw_version": __version__},
    }
    return json.dumps(told | shared, ensure_ascii=False)
