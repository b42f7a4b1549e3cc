"""The boards, one small file each, and what is known of them."""

from __future__ import annotations

from devices import (
    coral_dev_board,
    coral_usb,
    raspberry_pi_3b_plus,
    raspberry_pi_4,
    raspberry_pi_5,
    raspberry_pi_zero_2_w,
    x86_64,
)
from devices.board import Board
from edgecnn.errors import DataError

__all__ = ["BOARDS", "Board", "get", "recognise"]

BOARDS: dict[str, Board] = {
    "raspberry-pi-zero-2-w": raspberry_pi_zero_2_w.BOARD,
    "raspberry-pi-3b-plus": raspberry_pi_3b_plus.BOARD,
    "raspberry-pi-4": raspberry_pi_4.BOARD,
    "raspberry-pi-5": raspberry_pi_5.BOARD,
    "coral-usb": coral_usb.BOARD,
    "coral-dev-board": coral_dev_board.BOARD,
    "x86-64": x86_64.BOARD,
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


def recognise(compatible: str, architecture: str) -> Board | None:
    """The board that a machine is, or None.

    Args:
        compatible: ``/proc/device-tree/compatible``, entries parted by NUL; '' where there is none.
        architecture: ``platform.machine()``.
    """
    entries = compatible.split("\0")
    for board in BOARDS.values():
        if board.compatible and board.compatible in entries:
            return board
    return BOARDS["x86-64"] if architecture == "x86_64" else None
