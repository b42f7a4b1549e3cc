"""How often somebody may try to log in: counted before the password is looked at."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

MOST_ADDRESSES = 4096
"""Remembered at once; the one that tried longest ago is forgotten first."""


@dataclass(frozen=True)
class Allowance:
    """So many attempts at once, and then one in so many seconds."""

    burst: int
    every_s: float


ONE = Allowance(5, 30.0)
"""Of one address: 2,885 guesses a day."""

ALL = Allowance(50, 2.0)
"""Of all addresses together: who owns many addresses has 43,250 guesses a day, and the household
is locked out only while that goes on. A password of ten random letters has 10^14."""


class Throttle:
    """Token buckets, one an address and one for all.

    Args:
        clock: seconds that do not go back.
    """

    def __init__(
        self,
        one: Allowance = ONE,
        everybody: Allowance = ALL,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._one, self._all, self._clock = one, everybody, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._shared = (float(everybody.burst), clock())
        self._lock = threading.Lock()

    def wait_s(self, address: str) -> float:
        """Count an attempt; 0 where it may be made, else the seconds until the next may be.

        An attempt that is refused costs nothing, so that trying on does not lengthen the wait.
        """
        key, now = network_of(address), self._clock()
        with self._lock:
            own = self._filled(
                self._buckets.pop(key, (float(self._one.burst), now)), self._one, now
            )
            shared = self._filled(self._shared, self._all, now)
            wait = max((1 - own) * self._one.every_s, (1 - shared) * self._all.every_s, 0.0)
            taken = 0 if wait else 1
            self._shared = (shared - taken, now)
            self._buckets[key] = (own - taken, now)
            while len(self._buckets) > MOST_ADDRESSES:
                self._buckets.popitem(last=False)
        return wait

    def clear(self, address: str) -> None:
        """Forget the attempts of an address that knew the password."""
        with self._lock:
            self._buckets.pop(network_of(address), None)

    @staticmethod
    def _filled(bucket: tuple[float, float], allowance: Allowance, now: float) -> float:
        tokens, at = bucket
        return min(float(allowance.burst), tokens + (now - at) / allowance.every_s)


def network_of(address: str) -> str:
    """What counts as one address: of IPv6 the 64 leading bits, which a household owns whole.

    >>> network_of("2001:db8::1"), network_of("::ffff:192.0.2.7"), network_of("192.0.2.7")
    ('2001:db8::/64', '192.0.2.7', '192.0.2.7')
    """
    found = parse(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, 64), strict=False))
    return str(found or address)


def parse(address: str) -> IPv4Address | IPv6Address | None:
    """An address, IPv4 within IPv6 as IPv4; None for what is none."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
