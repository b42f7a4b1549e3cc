"""Sink: how the camera does, for Prometheus, by its own client library
(``pip install 'edgecnn[metrics]'``). No name of anybody is among it.

=====================================  ============================================================
``edgecnn_frames_total``               frames recognised
``edgecnn_frames_per_second``          over the last 10 s; 0 where no frame came
``edgecnn_latency_seconds``            histogram: from the picture's arrival to the outcome
``edgecnn_faces``                      faces, or labels, in the newest frame
``edgecnn_events_waiting``             a receiver: events in memory and on disk
``edgecnn_events_delivered_total``     a receiver: events that it has taken
``edgecnn_events_refused_total``       a receiver: events that it will never take, dropped
``edgecnn_events_lost_total``          a receiver: events that gave way because the queue was full
``edgecnn_delivery_failures_total``    a receiver: attempts that failed and are made again
``edgecnn_temperature_celsius``        a thermal zone of the kernel's, where it has some
=====================================  ============================================================
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.camera.pipeline import Result
from edgecnn.errors import DataError, StorageError, needs
from edgecnn.events.delivery import Delivery

if TYPE_CHECKING:
    from prometheus_client import Metric

RATE_OVER_S = 10.0

LATENCIES_S = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0)
"""Bounds of the histogram: closest where a board's frame takes 20 to 200 ms."""

THERMAL = Path("/sys/class/thermal")
"""``thermal_zone*/temp`` in thousandths of a degree (Documentation/driver-api/thermal/
sysfs-api.rst of Linux)."""


def temperatures(folder: Path = THERMAL) -> dict[str, float]:
    """Thermal zone, as ``thermal_zone0 cpu-thermal``, to degrees Celsius; empty where none tells."""
    found = {}
    for zone in sorted(folder.glob("thermal_zone*")):
        try:
            kind, text = (zone / "type").read_text().strip(), (zone / "temp").read_text()
            found[f"{zone.name} {kind}"] = int(text) / 1000
        except (OSError, ValueError):
            continue  # a sensor that is switched off answers with an error
    return found


def address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT`` or ``[IPV6]:PORT``; port 0 takes a free one.

    Raises:
        DataError: it is neither.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535 or "/" in host:
        raise DataError(f"expected --metrics HOST:PORT, as in 127.0.0.1:9108. Received: {text}")
    return host.strip("[]"), int(port)


class MetricsSink:
    """Counts results and answers ``GET /metrics`` in a thread of its own.

    Args:
        where: ``HOST:PORT`` to listen on.
        deliveries: whose queues are shown.

    Attributes:
        url: what to scrape.

    Raises:
        DataError: ``where`` is no address.
        StorageError: it is taken, or not this machine's.
        MissingExtra: prometheus_client is not installed.
    """

    def __init__(self, where: str, deliveries: Sequence[Delivery] = ()):
        with needs("metrics", "prometheus_client"):
            from prometheus_client import (
                CollectorRegistry,
                Counter,
                Gauge,
                Histogram,
                start_http_server,
            )

        host, port = address(where)
        self._deliveries = deliveries
        self._moments_s: deque[float] = deque()
        registry = CollectorRegistry()
        self._frames = Counter("edgecnn_frames", "Frames recognised", registry=registry)
        self._faces = Gauge("edgecnn_faces", "Faces in the newest frame", registry=registry)
        self._latency = Histogram(
            "edgecnn_latency_seconds",
            "From the picture's arrival to the outcome",
            buckets=LATENCIES_S,
            registry=registry,
        )
        rate = Gauge(
            "edgecnn_frames_per_second", f"Over the last {RATE_OVER_S:g} s", registry=registry
        )
        rate.set_function(self._rate)
        registry.register(self)
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as e:
            raise StorageError(
                f"could not listen on {where} for --metrics ({e.strerror or e}): "
                "choose another address or port"
            ) from e
        self.url = f"http://{host}:{self._server.server_port}/metrics"

    def write(self, result: Result) -> None:
        """Count one frame."""
        now_s = time.monotonic()
        self._moments_s.append(now_s)
        while self._moments_s[0] < now_s - RATE_OVER_S:
            self._moments_s.popleft()
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
            waiting.add_metric([delivery.name], delivery.waiting)
            for key, family in counts.items():
                family.add_metric([delivery.name], getattr(delivery, key))
        zones = GaugeMetricFamily("edgecnn_temperature_celsius", "By the kernel", labels=["zone"])
        for zone, degrees in temperatures().items():
            zones.add_metric([zone], degrees)
        return [waiting, *counts.values(), zones]

    def _rate(self) -> float:
        since_s = time.monotonic() - RATE_OVER_S
        return sum(moment >= since_s for moment in list(self._moments_s)) / RATE_OVER_S
