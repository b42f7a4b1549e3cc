"""The boards, one small file each, and what is known of them."""

from __future__ import annotations

from collections.abc import Collection

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
from devices.board import Board
from edgecnn.errors import DataError

__all__ = ["BOARDS", "Board", "get", "recognise"]

BOARDS: dict[str, Board] = {
    "raspberry-pi-zero-2-w": raspberry_pi_zero_2_w.BOARD,
    "raspberry-pi-zero-2-w+coral-usb": raspberry_pi_zero_2_w.BOARD + coral_usb.ACCELERATOR,
    "raspberry-pi-3b-plus": raspberry_pi_3b_plus.BOARD,
    "raspberry-pi-3b-plus+coral-usb": raspberry_pi_3b_plus.BOARD + coral_usb.ACCELERATOR,
    "raspberry-pi-4": raspberry_pi_4.BOARD,
    "raspberry-pi-4+coral-usb": raspberry_pi_4.BOARD + coral_usb.ACCELERATOR,
    "raspberry-pi-5": raspberry_pi_5.BOARD,
    "raspberry-pi-5+coral-usb": raspberry_pi_5.BOARD + coral_usb.ACCELERATOR,
    "raspberry-pi-5+coral-pcie": raspberry_pi_5.WITH_PCIE + coral_pcie.ACCELERATOR,
    "coral-usb": coral_usb.BOARD,
    "coral-dev-board": coral_dev_board.BOARD,
    "coral-dev-board-mini": coral_dev_board_mini.BOARD,
    "x86-64": x86_64.BOARD,
    "x86-64+coral-usb": x86_64.BOARD + coral_usb.ACCELERATOR,
    "x86-64+coral-pcie": x86_64.BOARD + coral_pcie.ACCELERATOR,
    "virtual": virtual.BOARD,
}
"""What ``--for`` takes."""


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


def recognise(compatible: str, architecture: str, ids: Collection[str] = ()) -> Board | None:
    """The board that a machine is, or None.

    Args:
        compatible: ``/proc/device-tree/compatible``, entries parted by NUL; '' where there is none.
        architecture: ``platform.machine()``.
        ids: ``vendor:product`` of what is on its buses; with an accelerator among them it is the
            board with that accelerator, where there is such a row.
    """
    entries = compatible.split("\0")
    same = [b for b in BOARDS.values() if b.compatible and b.compatible in entries]
    if not same and architecture == "x86_64":
        same = [b for b in BOARDS.values() if b.architectures == ("x86_64",)]
    return next((b for b in same if set(b.ids) & set(ids)), same[0] if same else None)
