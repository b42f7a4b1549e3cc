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
from collections.abc import Collection
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
    def node(self) -> str:
        """The camera among Home Assistant's devices."""
        return f"edgecnn_{self.camera}"

    @property
    def availability(self) -> str:
        return f"{self.base}/availability"

    @property
    def event(self) -> str:
        """Of the events, the one topic that is not retained."""
        return f"{self.base}/event"

    @property
    def last_seen(self) -> str:
        return f"{self.base}/last_seen"

    @property
    def filters(self) -> list[str]:
        """What to subscribe to for all that an earlier run may have left at the broker."""
        own = [f"{self.base}/person/+", self.last_seen]
        if self.discovery is None:
            return own
        return [*own, f"{self.discovery}/binary_sensor/{self.node}/+/config"]


def slug(name: str) -> str:
    """A name as part of a topic: never a separator or a wild card, and two names never the same.

    >>> slug("Ann"), slug("张伟")
    ('ann-17239b', 'person-a3a0ba')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:32] or "person"
    return f"{plain}-{sha256(name.encode()).hexdigest()[:6]}"


def retained(
    topics: Topics,
    people: Collection[str],
    present: Collection[str | None],
    last: dict[str, Any] | None,
    online: bool,
) -> dict[str, str]:
    """Topic to payload of all that the broker is to keep.

    Args:
        people: who is enrolled. Nothing is kept about anybody else.
        present: who is there; None for somebody unknown.
        last: ``name``, None for unknown, and ``time`` of the last arrival or departure.
        online: whether the camera shows pictures.
    """
    sensors = [(f"{topics.base}/person/{slug(n)}", slug(n), n, n in present) for n in people]
    sensors.append((f"{topics.base}/unknown", "unknown", "Somebody unknown", None in present))
    kept = {state: "ON" if there else "OFF" for state, _, _, there in sensors}
    kept[topics.availability] = ONLINE if online else OFFLINE
    if last is not None and (last.get("name") is None or last["name"] in people):
        kept[topics.last_seen] = json.dumps(last, ensure_ascii=False)
    if topics.discovery is not None:
        for state, key, name, _ in sensors:
            told = {"name": name, "state_topic": state, "device_class": "occupancy"}
            told |= {"payload_on": "ON", "payload_off": "OFF"}
            config = f"{topics.discovery}/binary_sensor/{topics.node}/{key}/config"
            kept[config] = _config(topics, key, told)
        told = {"name": "Last seen", "state_topic": topics.last_seen}
        told |= {"json_attributes_topic": topics.last_seen, "icon": "mdi:face-recognition"}
        told |= {"value_template": "{{ value_json.name or 'somebody unknown' }}"}
        config = f"{topics.discovery}/sensor/{topics.node}/last_seen/config"
        kept[config] = _config(topics, "last_seen", told)
    return kept


def _config(topics: Topics, key: str, told: dict[str, str]) -> str:
    shared = {
        "unique_id": f"{topics.node}_{key}",
        "availability_topic": topics.availability,
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
        "device": {
            "identifiers": [topics.node],
            "name": f"edgecnn {topics.camera}",
            "manufacturer": "edgecnn",
            "sw_version": __version__,
        },
        "origin": {"name": "edgecnn", "sw_version": __version__},
    }
    return json.dumps(told | shared, ensure_ascii=False)
