"""A board measured as a whole: what it says, by hand; that it measures, by doing it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from test_cli_camera import make_bundle

from edgecnn.bundle import ASSETS
from edgecnn.camera import machine as machine_module
from edgecnn.camera.bench_advice import advice, best_backend, best_threads, kept
from edgecnn.camera.machine import machine
from edgecnn.cli import main
from edgecnn.errors import DataError
from edgecnn.report.board_results import check, read_all
from edgecnn.report.boards import plot, ranked

ROOT = Path(__file__).resolve().parent.parent
RESULTS = sorted((ROOT / "docs" / "boards").glob("*.json"))


def ms(p50: float) -> dict[str, float]:
    return {"p50_ms": p50, "p95_ms": p50 * 1.2, "p99_ms": p50 * 1.4, "runs": 10}


def sample(fps: float, degrees: float | None = 50.0, throttled: bool = False) -> dict[str, Any]:
    return {"at_s": 5.0, "fps": fps, "temperature_c": degrees, "throttled": throttled}


def result(**changes: Any) -> dict[str, Any]:
    """A board that takes 40 ms with one thread and 20 with two."""
    found: dict[str, Any] = {
        "schema": 1,
        "edgecnn": "0.1.0",
        "measured": "2026-05-04T09:30:00+00:00",
        "machine": {
            "model": "Raspberry Pi 5 Model B Rev 1.0",
            "architecture": "aarch64",
            "processor": None,
            "processors": 4,
            "memory_mb": 4045,
            "virtual": "",
            "emulated": False,
            "system": "Debian GNU/Linux 12 (bookworm)",
            "kernel": "6.6.31",
            "python": "3.11.2",
            "runtime": "ai-edge-litert 2.3.0",
        },
        "load_before": 0.1,
        "bundle": {"task": "faces", "sha256": "0" * 64, "files": {}},
        "frame": {"wh": [640, 480], "faces": 0, "made_up": True},
        "people": 100,
        "threads": {
            str(n): {
                "cold": {
                    "load_ms": 100.0,
                    "stages_ms": {"detect": 30.0, "embed": 9.0},
                    "first_frame_ms": 139.0,
                },
                "stages": {"detect": ms(total / 2), "embed": ms(total / 2), "total": ms(total)},
                "invokes": {"face-detector.tflite": ms(total / 4)},
                "peak_mb": 80.0,
            }
            for n, total in ((1, 40.0), (2, 20.0))
        },
        "edgetpu": {"invokes": {}, "why": "no libedgetpu.so.1 here"},
        "soak": None,
        "use": {"backend": "cpu", "threads": 2},
    }
    found |= changes
    return {**found, "says": advice(found)}


def on(**facts: Any) -> dict[str, Any]:
    return {**result()["machine"], **facts}


def soaked(*samples: dict[str, Any]) -> dict[str, Any]:
    return {"threads": 2, "seconds": 300.0, "frames": 9000, "samples": list(samples)}


@pytest.mark.parametrize(
    ("totals", "chosen"),
    [
        ({1: 40.0}, 1),
        ({1: 40.0, 2: 22.0, 3: 16.0, 4: 15.0}, 3),  # 16 is within a tenth of 15
        ({1: 16.5, 2: 15.0}, 1),
        ({1: 16.6, 2: 15.0}, 2),
        ({1: 10.0, 2: 12.0, 4: 50.0}, 1),  # threads that only get in each other's way
    ],
)
def test_how_many_threads(totals: dict[int, float], chosen: int) -> None:
    assert best_threads({n: ms(total) for n, total in totals.items()}) == chosen


@pytest.mark.parametrize(
    ("rates", "share"),
    [([30.0], None), ([30.0, 15.0], 0.5), ([30] * 30 + [20] * 6, 2 / 3), ([0.0, 0.0], None)],
)
def test_what_is_left_of_the_rate(rates: list[float], share: float | None) -> None:
    found = kept([sample(fps) for fps in rates])
    assert found is None if share is None else found == pytest.approx(share)


TPU = {"face-detector.tflite": ms(2.0)}
SAYINGS: dict[str, tuple[dict[str, Any], str]] = {
    "threads": ({}, r"Use 2 threads (--threads 2): a frame takes 20.0 ms, 50 a second (with 1: 40"),
    "no accelerator": ({}, "Use the CPU: no libedgetpu.so.1 here."),
    "a faster accelerator": (
        {"edgetpu": {"invokes": TPU, "why": ""}},
        "The Edge TPU is 2.5 times as fast as the CPU: 5.0 ms against 2.0 ms",
    ),
    "a slower accelerator": (
        {"edgetpu": {"invokes": {"face-detector.tflite": ms(6.0)}, "why": ""}},
        "The CPU of this board beats its accelerator for this model: 5.0 ms against 6.0 ms",
    ),
    "cool": (
        {"soak": soaked(*[sample(30)] * 20)},
        "In 300 s of frame after frame, up to 50 °C, it kept its rate.",
    ),
    "hot": (
        {"soak": soaked(*[sample(30)] * 10, *[sample(18, 85.0, True)] * 10)},
        "up to 85 °C, the board slowed itself down to 60% of its rate: give it a heat sink",
    ),
    "slower, no reason": (
        {"soak": soaked(*[sample(30, None)] * 10, *[sample(15, None)] * 10)},
        "no temperature to be read, the rate fell to 50%, though the board does not say why.",
    ),
    "short": ({"soak": soaked(sample(30))}, "too short to tell"),
    "emulated": (
        {"machine": on(virtual="qemu", emulated=True)},
        "This board is emulated: the figures show that everything runs, and nothing about how fast",
    ),
    "virtual": ({"machine": on(virtual="kvm")}, "This is a virtual machine (kvm)"),
    "busy": ({"load_before": 2.1}, "Other programs were busy (a load of 2.1 before it began)"),
}


@pytest.mark.parametrize(("changes", "says"), SAYINGS.values(), ids=SAYINGS)
def test_it_says_plainly(changes: dict[str, Any], says: str) -> None:
    assert says in "\n".join(result(**changes)["says"])


def test_a_quiet_board_is_told_no_more_than_it_needs() -> None:
    assert len(result()["says"]) == 2


def test_this_machine_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "here.json"
    main(["bench", "--runs", "3", "--soak-s", "1", "--out", str(out)])
    shown = capsys.readouterr()
    assert "Use " in shown.out and "memory, at its peak" in shown.out
    found = read_all(tmp_path)["here"]
    one = found["threads"]["1"]
    assert list(one["stages"]) == ["detect", "align", "embed", "match", "total"]
    assert set(one["cold"]["stages_ms"]) == set(one["stages"]) - {"total"}
    # The first call of a network sets up its memory.
    assert one["cold"]["stages_ms"]["detect"] > one["stages"]["detect"]["p50_ms"]
    assert one["cold"]["first_frame_ms"] > one["cold"]["load_ms"] > 0
    assert 20 < one["peak_mb"] < 1000
    assert set(one["invokes"]) == {p.name for p in ASSETS.glob("*.tflite")}
    assert found["soak"]["frames"] > 3 and found["soak"]["seconds"] >= 1
    assert found["edgetpu"]["why"] == "the bundle has no compiled model: edgecnn compile"
    assert found["machine"]["architecture"] and found["machine"]["runtime"]


def test_what_cannot_be_measured_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (
        ["bench", str(make_bundle(tmp_path / "stub")), "--threads-each", "--runs", "1"],
        ["bench", str(tmp_path / "none"), "--threads-each"],
        ["bench", "--plot", str(tmp_path)],
        ["bench", "--threads-each", "--threads", "2"],
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        shown = capsys.readouterr()
        assert ended.value.code == 2 and shown.out == ""
        assert "Traceback" not in shown.err
        assert shown.err.splitlines()[-1].startswith(("edgecnn: ", "Error: "))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["stub"]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


MEMINFO = "MemTotal:        2014932 kB\nMemFree: 1 kB\n"


@pytest.mark.parametrize(
    ("files", "detected", "expected"),
    [
        (
            {"proc/device-tree/compatible": "linux,dummy-virt\0"},
            "",
            {"virtual": "qemu", "emulated": True},
        ),
        (
            {"proc/device-tree/compatible": "linux,dummy-virt\0"},
            "kvm",  # an arm64 server with a hypervisor in hardware
            {"virtual": "kvm", "emulated": False},
        ),
        ({}, "qemu", {"virtual": "qemu", "emulated": True}),
        ({"proc/cpuinfo": "flags\t: fpu hypervisor lm\n"}, "", {"virtual": "unknown"}),
        (
            {
                "proc/device-tree/compatible": "raspberrypi,5-model-b\0brcm,bcm2712\0",
                "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
                "proc/meminfo": MEMINFO,
                "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
            },
            "none",
            {
                "model": "Raspberry Pi 5 Model B Rev 1.0",
                "virtual": "",
                "emulated": False,
                "memory_mb": 1968,
                "system": "Debian GNU/Linux 12 (bookworm)",
            },
        ),
    ],
)
def test_what_a_machine_is(
    files: dict[str, str],
    detected: str,
    expected: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in files.items():
        write(tmp_path / name, text)
    write(tmp_path / "systemd-detect-virt", f"#!/bin/sh\necho {detected}\n")
    (tmp_path / "systemd-detect-virt").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = machine(tmp_path)
    assert {key: found[key] for key in expected} == expected


def test_a_machine_without_systemd_is_told_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine_module._detected() == ""
    assert machine(tmp_path)["memory_mb"] is None


@pytest.mark.parametrize(
    ("invokes", "expected"),
    [({}, "cpu"), (TPU, "edgetpu"), ({"face-detector.tflite": ms(6.0)}, "cpu")],
)
def test_the_faster_back_end(invokes: dict[str, Any], expected: str) -> None:
    assert best_backend({**result(), "edgetpu": {"invokes": invokes, "why": ""}}) == expected


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_every_result_that_was_added_is_one(path: Path) -> None:
    found = json.loads(path.read_text("utf-8"))
    check(found, path.name)
    assert found["says"] == advice(found)
    assert path.stem == path.stem.lower()


def test_there_are_results() -> None:
    assert RESULTS


WRONG: dict[str, tuple[list[str | int], Any, str]] = {
    "schema": (["schema"], 2, "schema 1"),
    "a bool is no number": (["people"], True, "people"),
    "architecture": (["machine", "architecture"], None, "architecture"),
    "percentiles": (["threads", "1", "stages", "total", "p95_ms"], 1.0, "p50 <= p95"),
    "nothing at all": (["threads"], {}, "at least one"),
    "threads that were not measured": (["use"], {"backend": "cpu", "threads": 3}, "measured"),
    "a temperature": (["soak"], soaked(sample(1.0, "hot")), "temperature_c"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("place", "value", "says"), WRONG.values(), ids=WRONG)
def test_what_is_no_result_is_refused(place: list[Any], value: Any, says: str) -> None:
    wrong = copy.deepcopy(result())
    check(wrong, "x")
    inner = wrong
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(DataError, match=says):
        check(wrong, "x")


def test_a_foreign_or_a_missing_key_is_refused() -> None:
    for wrong in ({**result(), "more": 1}, {k: v for k, v in result().items() if k != "says"}, []):
        with pytest.raises(DataError, match="expected the keys"):
            check(wrong, "x")


def test_an_emulated_board_is_never_ranked(tmp_path: Path) -> None:
    slow = result(threads={"2": result()["threads"]["1"]})
    emulated = result(machine=on(virtual="qemu", emulated=True), threads=result()["threads"])
    results = {"slow": slow, "fast": result(), "board": emulated}
    assert ranked(results) == (["fast", "slow"], ["board"])
    pytest.importorskip("skimage")  # the board part of the matrix has no matplotlib either
    picture = plot(results)
    assert picture.startswith(b"\x89PNG") and picture == plot(results)
    assert plot({"board": emulated}).startswith(b"\x89PNG")
    for name, found in results.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(found))
    main(["bench", "--plot", str(tmp_path)])
    assert (tmp_path / "boards.png").read_bytes() == picture
