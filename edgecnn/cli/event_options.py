"""Options of ``edgecnn camera`` about who gets its events over the network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.options import gathered

if TYPE_CHECKING:
    from edgecnn.camera.sinks.receivers import Receivers

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)

_OPTIONS = {
    "webhook": click.option(
        "--webhook", metavar="URL", help="POST to this address who comes and who goes."
    ),
    "webhook_secret_file": click.option(
        "--webhook-secret-file",
        type=_FILE,
        help="Holds what to sign with.  [default: $EDGECNN_WEBHOOK_SECRET]",
    ),
    "mqtt": click.option(
        "--mqtt",
        metavar="mqtt[s]://[USER@]HOST[:PORT]",
        help="Tell this MQTT broker, and Home Assistant through it.",
    ),
    "mqtt_password_file": click.option(
        "--mqtt-password-file",
        type=_FILE,
        help="Holds the broker's password.  [default: $EDGECNN_MQTT_PASSWORD]",
    ),
    "mqtt_ca": click.option(
        "--mqtt-ca",
        type=_FILE,
        help="Who may have signed an mqtts broker's certificate (PEM).  [default: the system's]",
    ),
    "mqtt_topic": click.option(
        "--mqtt-topic", default="edgecnn", help="What our own topics begin with."
    ),
    "mqtt_discovery": click.option(
        "--mqtt-discovery",
        default="homeassistant",
        help='What Home Assistant\'s topics begin with; "" keeps quiet there.',
    ),
    "publish": click.option(
        "--publish",
        type=click.Choice(["visits", "frames"]),
        default="visits",
        help="What webhook and broker get: who comes and goes, or each frame's events.",
    ),
    "camera_id": click.option(
        "--camera-id", help="The camera's name in topics.  [default: of machine and source]"
    ),
    "queue": click.option(
        "--queue",
        type=_FOLDER,
        help="Where events wait for a receiver that is away.  [default: ~/.local/state/edgecnn]",
    ),
    "queue_max": click.option(
        "--queue-max",
        type=click.IntRange(1),
        default=100_000,
        help="Most events that wait for each; beyond that the oldest are lost, and counted.",
    ),
}
"""Argument of ``Receivers.named`` to its option, in the order of the help."""


def _named(**given: Any) -> Receivers | None:
    from edgecnn.camera.sinks.receivers import Receivers

    return Receivers.named(**given)


receivers_options = gathered("receivers", _OPTIONS, _named)
"""Adds the options; the command gets what they come to as ``receivers``."""
