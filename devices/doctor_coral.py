"""Findings about Coral's accelerators: where they are plugged in, driver, library, first invoke."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from devices.doctor_packages import RUN_TIMES
from devices.finding import Finding
from devices.pairings import judge

Facts = dict[str, Any]

USB_3_MBPS = 5000
REPLUG = "sudo usermod -aG plugdev $USER, then log out and in again, and plug it in anew"
RULE = (
    "sudo apt install libedgetpu1-std brings the rule; by hand: in "
    '/etc/udev/rules.d/60-edgetpu.rules two lines SUBSYSTEM=="usb", '
    'ATTRS{idVendor}=="1a6e" (and "18d1"), GROUP="plugdev"; sudo udevadm control --reload'
)
LIBRARY = "install libedgetpu1-std of github.com/feranick/libedgetpu/releases for this system"
PAGES = "kernel=kernel8.img in /boot/firmware/config.txt, then reboot"


def coral(facts: Facts) -> Iterator[Finding]:
    """Nothing where there is neither an accelerator nor its library."""
    told = facts["edgetpu"]
    for device in told["usb"]:
        yield from usb(device, told["rule"])
    for device in told["pci"]:
        yield from pci(device, facts)
    if told["usb"] or told["pci"]:
        yield from library(facts)
    elif told["library"]:
        cure = "plug it in anew, with a short cable, in a blue port; lsusb and lspci show it"
        yield Finding("Coral", "note", "its library is there, no accelerator is", cure)


def usb(device: Facts, rule: bool) -> Iterator[Finding]:
    """One accelerator on USB."""
    fast = device["speed_mbps"] >= USB_3_MBPS
    found = f"USB {'3' if fast else '2'} ({device['speed_mbps']:.0f} Mbit/s), id {device['id']}"
    if device["id"] == "1a6e:089a":
        found += ", not used since it was plugged in"
    if not device["allowed"]:
        cure = REPLUG if rule else RULE
        yield Finding("Coral", "problem", f"{found}: no permission", cure)
    elif not fast:
        cure = "a blue port and a cable of USB 3: on USB 2 it is about half as fast"
        yield Finding("Coral", "note", found, cure)
    else:
        yield Finding("Coral", "ok", found)


def pci(device: Facts, facts: Facts) -> Iterator[Finding]:
    """One card on PCI Express."""
    apex = facts["edgetpu"]["apex"]
    found = f"PCI Express {device['slot']}"
    if facts["system"]["page_bytes"] != 4096:
        found += f", the kernel's pages are of {facts['system']['page_bytes'] // 1024} KB"
        yield Finding("Coral", "problem", found, f"the driver takes 4 KB: {PAGES}")
    elif not device["driver"]:
        cure = "build gasket and apex with github.com/jnicolson/gasket-builder; sudo modprobe apex"
        yield Finding("Coral", "problem", f"{found}: no kernel driver holds it", cure)
    elif not apex:
        cure = "read dmesg | grep apex; on a Pi 5 see its overlays in docs/boards.md"
        found += f", driver {device['driver']}: no /dev/apex_0"
        yield Finding("Coral", "problem", found, cure)
    elif not all(node["allowed"] for node in apex):
        cure = (
            'echo \'SUBSYSTEM=="apex", MODE="0660", GROUP="apex"\' | sudo tee '
            "/etc/udev/rules.d/65-apex.rules; sudo groupadd -f apex; sudo usermod -aG apex $USER; "
            "then reboot"
        )
        yield Finding("Coral", "problem", f"{found}, {apex[0]['path']}: no permission", cure)
    else:
        yield Finding("Coral", "ok", f"{found}, driver {device['driver']}, {apex[0]['path']}")


def library(facts: Facts) -> Iterator[Finding]:
    """Its library as a triple with Python, numpy and run time; then what happened when tried."""
    told = facts["edgetpu"]
    if not told["library"]:
        yield Finding("libedgetpu", "problem", "not there", LIBRARY)
        return
    found = told["package"] or told["library"]
    if told["trial"].get("version"):
        found += f" ({told['trial']['version']})"
    runtime = next((RUN_TIMES[n] for n, t in facts["runtimes"].items() if "imports" in t), "")
    if runtime and told["package"]:
        version = facts["packages"].get(runtime, "")
        numpy = facts["packages"].get("numpy", "")
        known = judge(facts["python"]["version"], numpy, runtime, version, told["package"])
        found += f" with {runtime} {version}: {known.why}"
        state = {True: "ok", None: "note", False: "problem"}[known.works]
        yield Finding("libedgetpu", state, found, known.cure)
    else:
        yield Finding("libedgetpu", "ok", found)
    yield from trial(told["trial"])


def trial(told: Facts) -> Iterator[Finding]:
    """The first load and invoke, made in a process of its own."""
    if not told:
        return
    if told.get("invokes"):
        what = "a compiled model" if told["compiled"] else "its library beside a model for the CPU"
        yield Finding("Edge TPU", "ok", f"ran {what} ({told['loads']})")
        return
    error = told.get("error", "it told nothing")
    if told.get("crashed"):
        step = "its first invoke" if "loads" in told else "loading a model"
        cure = (
            "libedgetpu and the run time are not of one TensorFlow: docs/boards.md has the pairs "
            "that work"
        )
        yield Finding("Edge TPU", "problem", f"{error} at {step}", cure)
    elif error.startswith("ValueError"):
        # The library says no more, whatever the reason.
        cure = "replug it; look at permission and port above; another program may hold it"
        yield Finding("Edge TPU", "problem", f"its library finds no accelerator ({error})", cure)
    elif error.startswith("OSError"):
        yield Finding("Edge TPU", "problem", f"its library does not load ({error})", LIBRARY)
    else:
        cure = "compile the model anew with edgecnn compile; update libedgetpu"
        yield Finding("Edge TPU", "problem", error, cure)
