"""The boards, one small file each, and what is known of them."""

from __future__ import annotations

from devices import (
    coral_dev_board,
    coral_dev_board_mini,
    coral_pcie,
    coral_usb,
    raspberry_pi_3b_plus,
    raspberry_pi_4,
    raspberry_pi_5,
    raspberry_pi_zero_2_w,
    virtual,
    x86_64,
)
from devices.board import Accelerator, Board
from edgecnn.errors import DataError

__all__ = ["ACCELERATORS", "BOARDS", "HOSTS", "Accelerator", "Board", "get", "recognise"]

HOSTS: dict[str, Board] = {
    "raspberry-pi-zero-2-w": raspberry_pi_zero_2_w.BOARD,
    "raspberry-pi-3b-plus": raspberry_pi_3b_plus.BOARD,
    "raspberry-pi-4": raspberry_pi_4.BOARD,
    "raspberry-pi-5": raspberry_pi_5.BOARD,
    "coral-dev-board": coral_dev_board.BOARD,
    "coral-dev-board-mini": coral_dev_board_mini.BOARD,
    "coral-usb": coral_usb.BOARD,
    "x86-64": x86_64.BOARD,
    "virtual": virtual.BOARD,
}
"""One file a board."""

ACCELERATORS: dict[str, Accelerator] = {
    "coral-usb": coral_usb.ACCELERATOR,
    "coral-pcie": coral_pcie.ACCELERATOR,
}
"""What goes into a board that has the socket."""

BOARDS: dict[str, Board] = HOSTS | {
    board.name: board
    for board in (
        accelerator.on(host)
        for host in HOSTS.values()
        for accelerator in ACCELERATORS.values()
        if accelerator.fits(host)
    )
}
"""What ``--for`` takes: each board, and ``BOARD+ACCELERATOR``."""


def get(name: str) -> Board:
    """The board of that name; ``_`` and capitals are taken as well.

    Raises:
        DataError: there is none.
    """
    try:
        return BOARDS[name.strip().lower().replace("_", "-")]
    except KeyError:
        raise DataError(
            f"expected one of the boards {', '.join(BOARDS)}. Received: {name!r}"
        ) from None


def recognise(compatible: str, architecture: str, accelerator: str = "") -> Board | None:
    """The board that a machine is, or None.

    Args:
        compatible: ``/proc/device-tree/compatible``, entries parted by NUL; '' where there is none.
        architecture: ``platform.machine()``.
        accelerator: a key of :data:`ACCELERATORS` that is plugged in, or ''.
    """
    entries = compatible.split("\0")
    found = next((b for b in HOSTS.values() if b.compatible and b.compatible in entries), None)
    if found is None and architecture == "x86_64":
        found = HOSTS["x86-64"]
    return BOARDS.get(f"{found.name}+{accelerator}", found) if found else None
