"""What the doctor says of a Coral: the device, its rights and driver, and what it is run by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from devices import Board, pairings
from devices.coral_pcie import ACCELERATOR as PCIE
from devices.coral_usb import ACCELERATOR as USB
from devices.finding import Finding, note, ok, problem
from devices.raspberry_pi_5 import PCIE as PI_5_PCIE

Facts = dict[str, Any]

BOOT_ID, READY_ID = USB.ids
USB_3_MBPS = 5000
SMALL_PAGE = 4096


def judge(facts: Facts, board: Board | None) -> Iterator[Finding]:
    """Nothing where there is neither a Coral nor its library."""
    sticks = [device for device in facts["usb"] if device["id"] in USB.ids]
    cards = [i for i in facts["pcie"] if i in PCIE.ids]
    for stick in sticks:
        yield from on_usb(stick)
    if cards:
        yield from on_pcie(facts, board)
    yield from library(facts, bool(sticks or cards))


def on_usb(stick: Facts) -> Iterator[Finding]:
    """A Coral USB Accelerator, or the Dev Board Mini's."""
    speed = stick["mbps"]
    state = "not used yet" if stick["id"] == BOOT_ID else "its firmware is loaded"
    found = f"on USB ({stick['id']}, {state})"
    if not stick["allowed"]:
        cure = (
            "libedgetpu's package brings the udev rule: sudo usermod -aG plugdev $USER, then log "
            "out and in again, and plug it in anew"
        )
        yield problem("coral", f"{found}: no permission", cure)
    elif speed is not None and speed < USB_3_MBPS:
        cure = "a blue USB 3 port and a USB 3 cable; on USB 2 it is about half as fast"
        yield note("coral", f"{found}, USB 2 ({speed:g} Mbit/s)", cure)
    else:
        yield ok("coral", f"{found}" + (f", USB 3 ({speed:g} Mbit/s)" if speed else ""))


def on_pcie(facts: Facts, board: Board | None) -> Iterator[Finding]:
    """A card, or the Dev Board's."""
    apex = facts["apex"]
    found = f"on PCI Express ({PCIE.ids[0]})"
    if board and board.name.startswith("raspberry-pi-5"):
        page = facts["system"]["page_bytes"]
        if page != SMALL_PAGE:
            yield problem("coral", f"{found}, and pages of {page} bytes", str(PI_5_PCIE))
    if not apex["driver"]:
        yield problem("coral", f"{found}, without its driver apex", str(PCIE.traps[1]))
    elif not apex["nodes"]:
        cure = "sudo dmesg | grep apex says why; " + (
            PI_5_PCIE.cure if board and board.name.startswith("raspberry-pi-5") else "boot anew"
        )
        yield problem("coral", f"{found}, but there is no /dev/apex_0", cure)
    elif not all(node["allowed"] for node in apex["nodes"]):
        yield problem("coral", f"{found}: no permission for /dev/apex_0", PCIE.traps[2].cure)
    else:
        degrees = apex["temperature_c"]
        yield ok("coral", found + (f", {degrees:.0f} °C" if degrees is not None else ""))


def library(facts: Facts, device: bool) -> Iterator[Finding]:
    """libedgetpu, and how it goes with the Python, the numpy and the run time there."""
    versions = {n: v for n, v in facts["packages"].items() if n.startswith("libedgetpu")}
    if not versions and not facts["libraries"]:
        if device:
            yield note("libedgetpu", "not installed", _install())
        return
    name, version = next(iter(versions.items()), ("libedgetpu", ""))
    yield ok("libedgetpu", f"{name} {version or 'of unknown version'}")
    if facts["installed"] is None:
        return
    yield from _pair(facts, version)
    yield from _first_run(facts["installed"].get("edgetpu"), device)


def _pair(facts: Facts, version: str) -> Iterator[Finding]:
    installed = facts["installed"]
    told, runtimes = installed["packages"].get("versions", {}), installed["runtimes"]
    name = next((pairings.RUN_TIMES[runtime] for runtime in runtimes), "")
    if not name or not version:
        return
    runtime, numpy = f"{name} {told.get(name, '')}".strip(), installed["opencv"].get("numpy", "")
    python = facts["python"]["version"]
    found = pairings.judge(facts["system"]["machine"], python, numpy, runtime, version)
    says = f"Python {python}, numpy {numpy or '?'}, {runtime}, libedgetpu {version}"
    if found.works:
        yield ok("pairing", f"{says}: known to work")
    elif found.works is None:
        yield note("pairing", f"{says}: {found.why}", found.cure)
    else:
        yield problem("pairing", f"{says}: {found.why}", found.cure)


def _first_run(told: Facts | None, device: bool) -> Iterator[Finding]:
    if told is None:
        return
    if told.get("crashed"):
        cure = "libedgetpu and the run time do not fit each other: " + _install()
        yield problem("edge tpu", f"its first load and run: {told['error']}", cure)
    elif "error" in told and device:
        cure = "plug it in anew, or end the other program that has it; see coral, libedgetpu above"
        yield problem("edge tpu", f"its first load and run: {told['error']}", cure)
    elif "ms" in told:
        kind = "a compiled model" if told["compiled"] else "a model that is not compiled"
        yield ok("edge tpu", f"loads and runs {kind}, {told['ms']:.1f} ms")


def _install() -> str:
    return f"install libedgetpu1-std {USB.library} of {pairings.RELEASES}"
