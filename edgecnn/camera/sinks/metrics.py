"""Sink: how the camera does, for Prometheus, by its own client library
(``pip install 'edgecnn[metrics]'``). No name of anybody is among it.

=====================================  ============================================================
``edgecnn_frames_total``               frames recognised
``edgecnn_latency_seconds``            histogram: from the picture's arrival to the outcome
``edgecnn_faces``                      faces, or labels, in the newest frame
``edgecnn_events_waiting``             a receiver: events in memory and on disk
``edgecnn_events_delivered_total``     a receiver: events that it has taken
``edgecnn_events_refused_total``       a receiver: events that it will never take, dropped
``edgecnn_events_lost_total``          a receiver: events that gave way because the queue was full
``edgecnn_delivery_failures_total``    a receiver: attempts that failed and are made again
``edgecnn_lines_lost_total``           events that ``--events`` could not write
``edgecnn_temperature_celsius``        a thermal zone of the kernel's, where it has some
=====================================  ============================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from edgecnn.camera.pipeline import Result
from edgecnn.camera.sinks.events import EventSink
from edgecnn.camera.vitals import THERMAL, temperatures
from edgecnn.errors import DataError, StorageError, needs
from edgecnn.events.delivery import Delivery

if TYPE_CHECKING:
    from prometheus_client import Metric

LOOPBACK = "127.0.0.1"

LATENCIES_S = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0)
"""Bounds of the histogram: closest where a board's frame takes 20 to 200 ms."""


def address(text: str) -> tuple[str, int]:
    """Host and port of ``PORT``, on the loopback, ``HOST:PORT`` or ``[IPV6]:PORT``.

    Port 0 takes a free one.

    Raises:
        DataError: it is none of these.
    """
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not port.isdecimal() or int(port) > 65535 or bool(colon) != bool(bare) or "/" in host:
        raise DataError(f"expected --metrics PORT or HOST:PORT, as in 9108. Received: {text}")
    return bare or LOOPBACK, int(port)


class MetricsSink:
    """Counts results and answers ``GET /metrics`` in a thread of its own.

    Args:
        where: ``PORT`` of the loopback or ``HOST:PORT`` to listen on.
        deliveries: whose queues are shown.
        lines: whose losses are.

    Attributes:
        url: what to scrape.

    Raises:
        DataError: ``where`` is no address.
        StorageError: it is taken, or not this machine's.
        MissingExtra: prometheus_client is not installed.
    """

    def __init__(
        self, where: str, deliveries: Sequence[Delivery] = (), lines: EventSink | None = None
    ):
        with needs("metrics", "prometheus_client"):
            from prometheus_client import (
                CollectorRegistry,
                Counter,
                Gauge,
                Histogram,
                start_http_server,
            )

        host, port = address(where)
        self._deliveries, self._lines = deliveries, lines
        registry = CollectorRegistry()
        self._frames = Counter("edgecnn_frames", "Frames recognised", registry=registry)
        self._faces = Gauge("edgecnn_faces", "Faces in the newest frame", registry=registry)
        self._latency = Histogram(
            "edgecnn_latency_seconds",
            "From the picture's arrival to the outcome",
            buckets=LATENCIES_S,
            registry=registry,
        )
        registry.register(self)
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except (OSError, UnicodeError) as e:  # a label of the host's name is empty, or too long
            why = getattr(e, "strerror", None) or e
            raise StorageError(
                f"could not listen on {where} for --metrics ({why}): choose another address or port"
            ) from e
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._server.server_port}/metrics"

    def write(self, result: Result) -> None:
        """Count one frame."""
        self._frames.inc()
        self._faces.set(len(result.names))
        self._latency.observe(result.latency_ms / 1e3)

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def collect(self) -> Iterable[Metric]:
        """What is asked for at the moment of a scrape: queues and temperatures."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        waiting = GaugeMetricFamily("edgecnn_events_waiting", "Not delivered", labels=["to"])
        counts = {
            "delivered": CounterMetricFamily("edgecnn_events_delivered", "Taken", labels=["to"]),
            "refused": CounterMetricFamily("edgecnn_events_refused", "Dropped", labels=["to"]),
            "lost": CounterMetricFamily("edgecnn_events_lost", "Gave way", labels=["to"]),
            "failures": CounterMetricFamily("edgecnn_delivery_failures", "Failed", labels=["to"]),
        }
        for delivery in self._deliveries:
            with suppress(StorageError):  # said already, by who writes to it
                waiting.add_metric([delivery.name], delivery.waiting)
            for key, family in counts.items():
                family.add_metric([delivery.name], getattr(delivery, key))
        unwritten = self._lines.lost if self._lines else 0
        lost = CounterMetricFamily("edgecnn_lines_lost", "Not written", unwritten)
        zones = GaugeMetricFamily("edgecnn_temperature_celsius", "By the kernel", labels=["zone"])
        for zone, degrees in temperatures(THERMAL).items():
            zones.add_metric([zone], degrees)
        return [waiting, *counts.values(), lost, zones]
