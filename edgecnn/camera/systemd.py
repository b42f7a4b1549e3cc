"""Telling systemd how a service does: the protocol of ``sd_notify(3)``, a datagram to a socket.

Outside a unit of ``Type=notify`` nothing is sent.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Systemd:
    """The service manager that started this process, if any.

    Args:
        env: where ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` stand.

    Attributes:
        watchdog_s: seconds after which a silent process is killed; None where nobody watches.
    """

    def __init__(self, env: Mapping[str, str] = os.environ):
        address = env.get("NOTIFY_SOCKET", "")
        # A name that begins with @ is in the abstract namespace, where it begins with a zero.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        usec = env.get("WATCHDOG_USEC", "")
        ours = env.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(usec) / 1e6 if usec.isdecimal() and int(usec) and ours else None

    def tell(self, *lines: str) -> bool:
        """Send lines such as ``READY=1``; whether somebody was there to take them.

        A service manager that is not there, or does not listen, never stops a camera.
        """
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.settimeout(1.0)
                out.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return False
        return True
