"""What the page shows and changes, in one place: the camera's sink on one side, its routes on the
other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn.bundle import Bundle
from edgecnn.camera.pipeline import Result
from edgecnn.camera.vitals import THERMAL, temperatures
from edgecnn.faces.embed import fingerprint
from edgecnn.faces.gallery import Gallery
from edgecnn.faces.photo import Detect, Embed
from edgecnn.faces.vault import Key
from edgecnn.runtime.timing import summarise
from edgecnn.web.looker import EVERY_S, Looker, models_of
from edgecnn.web.password import Password, usual_place
from edgecnn.web.pictures import Pictures
from edgecnn.web.sessions import Sessions
from edgecnn.web.throttle import Throttle
from edgecnn.web.visits import Visits

METERED = 300
"""Frames over which rate and latency are told."""


@dataclass(frozen=True)
class Settings:
    """How the page is served.

    Attributes:
        host, port: where it listens; port 0 takes any that is free.
        cert, key: PEM files, for HTTPS.
        names: hosts that browsers may ask for, beside addresses and this machine's name.
        keep_faces: keep small pictures of the faces that were seen, in memory.
        password: the file of the password's hash; None for the user's own.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    cert: Path | None = None
    key: Path | None = None
    names: tuple[str, ...] = ()
    keep_faces: bool = False
    password: Path | None = None


class Meter:
    """Rate and latency of the last frames."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._frames: deque[tuple[float, float]] = deque(maxlen=METERED)

    def count(self, latency_ms: float) -> None:
        """Take in one frame."""
        self._frames.append((self._clock(), latency_ms))

    @property
    def fps(self) -> float:
        """Frames a second; 0 before the second frame."""
        frames = list(self._frames)
        span_s = frames[-1][0] - frames[0][0] if len(frames) > 1 else 0.0
        return (len(frames) - 1) / span_s if span_s > 0 else 0.0

    @property
    def latency(self) -> dict[str, float]:
        """``p50_ms`` and ``p95_ms``, from a picture's arrival to the outcome."""
        return summarise([latency for _, latency in list(self._frames)])


@dataclass
class Site:
    """One camera's page.

    Attributes:
        bundle: what is recognised with.
        gallery: the file of the people.
        source: what is watched, credentials masked.
        looker: None for a bundle that knows no people.
        key: of an encrypted gallery.
    """

    bundle: Bundle
    gallery: Path
    source: str
    settings: Settings
    password: Password
    looker: Looker | None = None
    key: Key | None = None
    pictures: Pictures = field(default_factory=Pictures)
    visits: Visits = field(default_factory=Visits)
    meter: Meter = field(default_factory=Meter)
    sessions: Sessions = field(default_factory=Sessions)
    throttle: Throttle = field(default_factory=Throttle)

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        gallery: Path,
        source: str,
        settings: Settings,
        models: Callable[[Bundle], tuple[Detect, Embed]] = models_of,
        look_every_s: float = EVERY_S,
        key: Key | None = None,
    ) -> Site:
        """The page of a bundle; for faces with a thread that looks at them.

        Raises:
            StorageError: the password's file cannot be read.
        """
        password = Password(settings.password or usual_place())
        site = cls(bundle, gallery, source, settings, password, key=key)
        if bundle.manifest.task == "faces":
            site.looker = Looker(
                lambda: models(bundle),
                site.visits,
                lambda: site.pictures.newest,
                bundle.threshold,
                settings.keep_faces,
                look_every_s,
            )
        return site

    @property
    def threshold(self) -> float:
        """Cosine from which two faces are one person's; 1 for a bundle that knows no people."""
        return self.bundle.threshold if self.looker else 1.0

    @property
    def tls(self) -> bool:
        """Whether it is served over HTTPS."""
        return self.settings.cert is not None

    def people(self) -> Gallery:
        """The gallery, opened; made where there is none."""
        return Gallery(self.gallery, fingerprint(self.bundle), create=True, key=self.key)

    def take(self, result: Result) -> None:
        """The camera's newest result; returns at once."""
        self.meter.count(result.latency_ms)
        self.visits.update(result)
        self.pictures.offer(result)

    def close(self) -> None:
        """Stop the threads."""
        self.pictures.close()
        if self.looker:
            self.looker.close()


def temperature_c(folder: Path = THERMAL) -> float | None:
    """The hottest of the board's sensors in °C; None where it has none."""
    return max(temperatures(folder).values(), default=None)
