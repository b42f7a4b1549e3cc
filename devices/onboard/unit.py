"""The systemd unit: the camera under a user of its own, shut off from all that it does not need."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from devices.onboard.ground import ROOT, USER, Place
from devices.onboard.release import Release

GROUPS = ("video", "plugdev", "apex")
"""Of camera nodes, of Coral's USB stick and of its PCIe card; those that a board has."""

DEVICES = {
    "/dev/video*": "char-video4linux",
    "/dev/media*": "char-media",
    "/dev/dma_heap": "char-dma_heap",
    "/dev/vcio": "/dev/vcio",
    "/dev/bus/usb": "char-usb_device",
    "/dev/apex_*": "char-apex",
}
"""What is there when a unit is written to what it may open. Cameras always: one may be plugged in
tomorrow. Media and DMA heaps are libcamera's, ``vcio`` tells a Pi's throttling, USB and apex are
Coral's."""

ALWAYS = ("char-video4linux",)

HARDENING = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
UMask=0077
DevicePolicy=closed
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
"""
"""Web page, MQTT and network cameras need the internet's families, libusb netlink. Memory may be
made executable: libffi, behind ctypes, does so on some boards."""


def groups(place: Place) -> list[str]:
    """Those of :data:`GROUPS` that are there."""
    try:
        lines = (place.root / "etc/group").read_text("utf-8").splitlines()
    except OSError:
        return []
    known = {line.partition(":")[0] for line in lines}
    return [name for name in GROUPS if name in known]


def devices(place: Place) -> list[str]:
    """Those of :data:`DEVICES` that are there, and :data:`ALWAYS`."""
    found = [kind for pattern, kind in DEVICES.items() if any((place.root).glob(pattern[1:]))]
    return sorted({*ALWAYS, *found})


def unit_text(place: Place, release: Release) -> str:
    """The unit. Which release runs, it does not say: ``run`` looks when it starts.

    So a switch is one rename, and no power cut leaves a unit that runs one release with the
    arguments of another.
    """
    python = f"{sys.executable} -I {place.half}"
    lines = [
        "# Written by edgecnn deploy. What you add to this unit goes into a file of your own:",
        "#   sudo systemctl edit edgecnn-camera",
        "[Unit]",
        "Description=edgecnn camera",
        "After=network-online.target",
        "Wants=network-online.target",
        "# A camera that is plugged in tomorrow is found tomorrow.",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "# READY=1 comes after the first frame was recognised, WATCHDOG=1 while frames come.",
        "Type=notify",
        "NotifyAccess=main",
        "# As root: what a power cut left in the middle is taken back before the camera starts.",
        f"ExecStartPre=-+{python} settle",
        f"ExecStart={python} run",
        f"User={USER}",
        f"Group={USER}",
        *[f"SupplementaryGroups={' '.join(found)}" for found in [groups(place)] if found],
        "# Gallery, events and password outlive releases.",
        "StateDirectory=edgecnn",
        "StateDirectoryMode=0700",
        "WorkingDirectory=-/var/lib/edgecnn",
        f"Environment=HOME={place.state} XDG_CONFIG_HOME={place.state.parent}",
        f"Environment=XDG_STATE_HOME={place.state.parent} PYTHONDONTWRITEBYTECODE=1",
        *[f"Environment={ROOT}={place.root}" for _ in [0] if not place.real],
        "RuntimeDirectory=edgecnn",
        "# Longer than edgecnn waits for a hung camera itself (60 s), so that it can say so.",
        "WatchdogSec=90",
        "TimeoutStartSec=180",
        "TimeoutStopSec=20",
        "Restart=on-failure",
        "RestartSec=5",
        f"MemoryMax={release.memory_max_mb}M",
        # A shadow that takes too much memory goes; the camera goes on.
        "OOMPolicy=continue",
        *[f"DeviceAllow={kind} rw" for kind in devices(place)],
        *HARDENING.splitlines(),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def command(place: Place, folder: Path, release: Release) -> list[str]:
    """What the service runs: the release in ``folder``, beside it the shadow if there is one.

    The paths are those of the release itself, not of ``current``: modules that are imported late
    come from the release that runs.
    """
    words = [str(folder / "venv/bin/python"), "-I", "-m", "edgecnn", "camera"]
    words += [str(folder / "bundle"), *release.camera, "--status", str(place.status)]
    gallery = place.state / "gallery.sqlite"
    if not any(word.partition("=")[0] == "--gallery" for word in release.camera):
        words += ["--gallery", str(gallery)] if gallery.exists() else []
    shadow = Path(os.path.realpath(place.shadow)) / "bundle"
    beside = shadow.is_dir() and shadow != folder / "bundle"  # promoted: it runs in front already
    words += ["--shadow", str(shadow)] if beside else []
    return words
