"""Metrics as Prometheus reads them: by its own parser."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from camera_tools import face
from event_tools import result
from prometheus_client.parser import text_string_to_metric_families

from edgecnn.camera.sinks import metrics
from edgecnn.camera.sinks.events import EventSink
from edgecnn.camera.sinks.metrics import MetricsSink, address
from edgecnn.camera.vitals import temperatures
from edgecnn.errors import DataError, StorageError
from edgecnn.events.delivery import Delivery, Unreachable
from edgecnn.events.queue import DiskQueue, Waiting


def scrape(url: str) -> dict[tuple[str, str], float]:
    """Sample and label to value."""
    with urlopen(url) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture
def thermal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's folder, with a sensor, one that is off and one that speaks nonsense."""
    folder = tmp_path / "thermal"
    for i, (kind, told) in enumerate([("cpu-thermal", "48312"), ("wifi", None), ("x", "hot")]):
        zone = folder / f"thermal_zone{i}"
        zone.mkdir(parents=True)
        (zone / "type").write_text(f"{kind}\n")
        if told is not None:
            (zone / "temp").write_text(f"{told}\n")
    monkeypatch.setattr(metrics, "THERMAL", folder)
    return folder


@pytest.fixture
def away(tmp_path: Path) -> Iterator[Delivery]:
    """To a receiver that refuses the connection, with two events waiting."""

    def send(event: Waiting) -> None:
        raise Unreachable("away")

    queue = DiskQueue(tmp_path / "q.queue.sqlite")
    queue.append([{"n": 1}, {"n": 2}])
    delivery = Delivery("webhook http://host", queue, send, lambda line: None, first_wait_s=60)
    yield delivery
    delivery.close()


@pytest.mark.usefixtures("thermal")
def test_what_prometheus_reads(away: Delivery) -> None:
    with closing(EventSink("-")) as lines, closing(MetricsSink("0", [away], lines)) as sink:
        lines.lost = 4
        for i in range(3):
            sink.write(result(i, [face("Ann"), face(None, track=2)]))
        away.delivered, away.refused, away.lost = 5, 6, 7
        found = scrape(sink.url)
        with urlopen(sink.url) as answer:
            assert b"Ann" not in answer.read(), "nobody's name"
    to = "webhook http://host"
    expected = {
        ("edgecnn_frames_total", ""): 3,
        ("edgecnn_faces", ""): 2,
        ("edgecnn_latency_seconds_count", ""): 3,
        ("edgecnn_latency_seconds_sum", ""): pytest.approx(3 * 0.01234),
        ("edgecnn_latency_seconds_bucket", "0.01"): 0,
        ("edgecnn_latency_seconds_bucket", "0.02"): 3,
        ("edgecnn_events_waiting", to): 2,
        ("edgecnn_events_delivered_total", to): 5,
        ("edgecnn_events_refused_total", to): 6,
        ("edgecnn_events_lost_total", to): 7,
        ("edgecnn_delivery_failures_total", to): away.failures,
        ("edgecnn_lines_lost_total", ""): 4,
        ("edgecnn_temperature_celsius", "thermal_zone0 cpu-thermal"): 48.312,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert [key for key in found if key[0] == "edgecnn_temperature_celsius"] == [
        ("edgecnn_temperature_celsius", "thermal_zone0 cpu-thermal")
    ]
    documented = {
        line.split("``")[1] for line in (metrics.__doc__ or "").splitlines() if "``e" in line
    }
    names = {
        name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        for name, _ in found
    }
    assert {name for name in names if not name.endswith("_created")} == documented


def test_a_queue_that_cannot_be_read_hides_only_itself(away: Delivery) -> None:
    away._queue.close()
    with closing(MetricsSink("0", [away])) as sink:
        found = scrape(sink.url)
    assert not [name for name, _ in found if name == "edgecnn_events_waiting"]
    assert [name for name, _ in found if name == "edgecnn_events_lost_total"]


def test_a_queue_is_no_longer_asked_after_the_end(away: Delivery) -> None:
    sink = MetricsSink("0", [away])
    sink.close()
    with pytest.raises(OSError, match="refused"):
        urlopen(sink.url)


def test_it_listens_on_the_loopback_unless_told_otherwise() -> None:
    with closing(MetricsSink("0")) as sink:
        assert sink.url.startswith("http://127.0.0.1:")
        port = int(sink.url.split(":")[-1].split("/")[0])
        with closing(socket.socket()) as other, pytest.raises(OSError, match="refused"):
            other.connect(("127.0.0.2", port))
    with closing(MetricsSink("127.0.0.2:0")) as sink:
        assert ("edgecnn_frames_total", "") in scrape(sink.url)


def test_a_port_that_is_taken_is_one_line() -> None:
    with (
        closing(MetricsSink("0")) as sink,
        pytest.raises(StorageError, match=r"could not listen on .* in use"),
    ):
        MetricsSink(sink.url.split("/")[2])


@pytest.mark.parametrize("host", ["127..0.0.1", ".localhost"])
def test_a_host_with_an_empty_label_is_one_line(host: str) -> None:
    with pytest.raises(StorageError, match=rf"could not listen on {host}:0 .* choose another"):
        MetricsSink(f"{host}:0")


def test_only_reading_is_possible() -> None:
    with closing(MetricsSink("0")) as sink, pytest.raises(HTTPError, match="405"):
        urlopen(sink.url, data=b"x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9108", ("127.0.0.1", 9108)),
        ("0.0.0.0:9108", ("0.0.0.0", 9108)),
        ("board.lan:1", ("board.lan", 1)),
        ("[::1]:9108", ("::1", 9108)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert address(text) == expected


@pytest.mark.parametrize("text", ["", "x", ":9108", "host:", "1:2:x", "70000", "http://a:1", "-1"])
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="expected --metrics PORT"):
        address(text)


def test_a_machine_without_sensors_has_no_temperature(tmp_path: Path, thermal: Path) -> None:
    assert temperatures(tmp_path / "none") == {}
    assert temperatures(thermal) == {"thermal_zone0 cpu-thermal": 48.312}
