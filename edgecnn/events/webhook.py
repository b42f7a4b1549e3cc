"""Events to a web address: one POST an event, signed, one after the other.

The signature is that of Stripe's and others' webhooks: HMAC-SHA256 over the time of sending, a dot
and the body. ``docs/formats.md`` has the lines that verify it.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
import time
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

from edgecnn.errors import DataError
from edgecnn.events.delivery import Refused, Unreachable
from edgecnn.events.queue import Waiting

TIMEOUT_S = 10.0
"""For the connection, and for each step of the answer."""

LONGEST_ASKED_WAIT_S = 3600.0

KEPT = {401, 403, 404, 407, 408, 421, 423, 425, 429}
"""Client errors (RFC 9110 and 6585) that are about the secret, the address or the moment. Somebody
can mend these; any other is about the event itself, which no repetition makes better."""

SIGNATURE = "Edgecnn-Signature"
DELIVERY = "Edgecnn-Delivery"


def sign(secret: str, body: bytes, now_s: int) -> str:
    """The value of the signature header.

    Args:
        now_s: seconds since 1970.
    """
    signed = f"{now_s}.".encode() + body
    return f"t={now_s},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


class Webhook:
    """POSTs events; certificates are checked by the system's authorities, or ``SSL_CERT_FILE``.

    Args:
        url: ``http://`` or ``https://``; without a password, which other users of the machine
            could read.
        secret: shared with the receiver; None for unsigned.

    Raises:
        DataError: the address is of another kind.
    """

    def __init__(self, url: str, secret: str | None = None, timeout_s: float = TIMEOUT_S):
        self._url, self._secret, self._timeout_s = _parsed(url), secret, timeout_s
        self._tls = ssl.create_default_context() if self._url.scheme == "https" else None

    @property
    def name(self) -> str:
        """For messages: no path, which is a secret with many services."""
        return f"webhook {self._url.scheme}://{self._url.netloc}"

    def send(self, event: Waiting) -> None:
        """Deliver one event.

        Raises:
            Unreachable: no connection, no answer in time, or an answer that may change.
            Refused: an answer that says that this event will never be taken.
        """
        body = event.text.encode()
        headers = {"Content-Type": "application/json", DELIVERY: event.key, "User-Agent": "edgecnn"}
        if self._secret is not None:
            headers[SIGNATURE] = sign(self._secret, body, int(time.time()))
        connection = self._connection()
        try:
            connection.request("POST", self._target, body, headers)
            with connection.getresponse() as answer:
                _judge(answer)
        except OSError as e:
            raise Unreachable(f"no answer ({e.strerror or e})") from e
        except HTTPException as e:  # whose text is the receiver's
            raise Unreachable(f"no answer that is HTTP ({type(e).__name__})") from e
        finally:
            connection.close()

    @property
    def _target(self) -> str:
        query = f"?{self._url.query}" if self._url.query else ""
        return (self._url.path or "/") + query

    def _connection(self) -> HTTPConnection:
        host, port = str(self._url.hostname), self._url.port
        if self._tls is None:
            return HTTPConnection(host, port, timeout=self._timeout_s)
        return HTTPSConnection(host, port, timeout=self._timeout_s, context=self._tls)


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:  # a port that is none, half an IPv6 address, a label that is too long
        known = False
    if not known or not url.isascii() or not url.isprintable() or " " in url:
        raise DataError(f"expected --webhook http://… or https://…. Received: {url[:8]}…")
    if "@" in parts.netloc:
        raise DataError(
            "expected --webhook without a user or password, which other users of this machine "
            "could read: sign the events with --webhook-secret-file"
        )
    return parts


def _judge(answer: HTTPResponse) -> None:
    """Nothing for a 2xx.

    Raises:
        Refused, Unreachable: see :meth:`Webhook.send`.
    """
    said = f"answer {answer.status}"
    if 200 <= answer.status < 300:
        return
    if 300 <= answer.status < 400:
        raise Unreachable(f"{said}: it has moved, and events go nowhere else: name its new address")
    if 400 <= answer.status < 500 and answer.status not in KEPT:
        raise Refused(said)
    asked = answer.getheader("Retry-After", "")
    wait_s = min(float(asked), LONGEST_ASKED_WAIT_S) if asked.isdecimal() else 0.0
    raise Unreachable(said, wait_s)
