"""Options of the camera's web page, and the page beside a running camera."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.cli.options import gathered
from edgecnn.errors import DataError, StorageError, needs

if TYPE_CHECKING:
    from edgecnn.camera.pipeline import Sink
    from edgecnn.faces.vault import Key

USUAL = ("127.0.0.1", 8080)
_FILE = click.Path(path_type=Path, dir_okay=False)
PACKAGES = ("starlette", "uvicorn", "jinja2", "python_multipart", "argon2")


class Place(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.4 on
    """Where to listen: ``HOST:PORT``, ``:PORT`` or ``[IPV6]:PORT``."""

    name = "place"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Host and port."""
        if isinstance(value, tuple):
            return value
        host, colon, port = value.strip().rpartition(":")
        if not (colon and port.isascii() and port.isdigit() and int(port) < 65536):
            self.fail(f"expected HOST:PORT, such as 0.0.0.0:8080. Received: {value}", param, ctx)
        return host.strip("[]") or USUAL[0], int(port)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """For the help."""
        return "HOST:PORT"


web_options = gathered(
    "web",
    {
        "web": click.option(
            "--web",
            type=Place(),
            help="Serve the web page here.  [a board without a screen: 127.0.0.1:8080]",
        ),
        "no_web": click.option("--no-web", is_flag=True, help="Serve no web page."),
        "web_cert": click.option(
            "--web-cert", type=_FILE, help="Serve it over HTTPS with this certificate (PEM)."
        ),
        "web_key": click.option("--web-key", type=_FILE, help="The certificate's key (PEM)."),
        "web_name": click.option(
            "--web-name",
            multiple=True,
            help="A name that browsers reach the page by, beside this machine's own.",
        ),
        "web_faces": click.option(
            "--web-faces",
            is_flag=True,
            help="Keep small pictures of the faces seen, in memory, for the page.",
        ),
        "web_password_file": click.option(
            "--web-password-file",
            type=_FILE,
            help="Where the hash of the page's password is kept.  [~/.config/edgecnn/web-password]",
        ),
    },
    dict,
)
"""The options of the page; the command gets them as ``web``, a dict for :func:`page`."""


@contextmanager
def page(
    bundle: Path,
    gallery: Path | None,
    source: str,
    note: Callable[[str], object],
    key: Key | None = None,
    *,
    web: tuple[str, int] | None,
    no_web: bool,
    web_cert: Path | None,
    web_key: Path | None,
    web_name: tuple[str, ...],
    web_faces: bool,
    web_password_file: Path | None,
) -> Iterator[list[Sink]]:
    """Serve the page while the block runs, where it was asked for or is usual.

    Returns:
        The sinks that the camera feeds it through; none without a page.

    Raises:
        MissingExtra: it was asked for, and its packages are not installed.
        StorageError: it cannot be served there.
        DataError: a certificate without its key, or the reverse.
        BundleError, GalleryError: as for the camera.
    """
    if no_web or not (web or is_usual(source)):
        yield []
        return
    if bool(web_cert) != bool(web_key):
        raise DataError(
            "expected --web-cert and --web-key together. Received: one of them: give the other, too"
        )
    with needs("web", *PACKAGES):
        from edgecnn.web.server import serving
    from edgecnn.bundle import Bundle
    from edgecnn.camera.sources import masked
    from edgecnn.web.site import Settings, Site

    host, port = web or USUAL
    settings = Settings(host, port, web_cert, web_key, web_name, web_faces, web_password_file)
    opened = Bundle(bundle)
    site = Site.of(opened, gallery or opened.gallery, masked(source), settings, key=key)
    if site.looker:
        site.people().close()  # the camera reads a gallery that is there when it starts
    with ExitStack() as stack:
        try:
            sink, address = stack.enter_context(serving(site))
        except StorageError as e:
            if web:
                raise
            note(f"no web page: {e}")  # nobody asked for it: recognition goes on without
            yield []
            return
        note(hint(address, site.password.is_set))
        yield [sink]


def hint(address: str, has_password: bool) -> str:
    """One line: where the page is, and what to do first."""
    if has_password:
        return f"web page at {address}"
    port = address.rstrip("/").rpartition(":")[2]
    return (
        f"web page at {address}: set its password there first, on this machine, or from another "
        f"through ssh -L {port}:127.0.0.1:{port} THIS-MACHINE"
    )


def is_usual(source: str) -> bool:
    """Whether the page is on without being asked for: a live camera on a board without a screen,
    where the page's packages are installed."""
    from edgecnn.camera.sources import SOURCES

    kind = next((k for k in SOURCES.values() if k.accepts(source)), None)
    return bool(kind and kind.live and is_headless_board() and all(find_spec(p) for p in PACKAGES))


def is_headless_board(device_tree: Path = Path("/proc/device-tree/compatible")) -> bool:
    """Whether this is one of the boards that we know, without a screen."""
    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return False
    from devices import recognise

    try:
        compatible = device_tree.read_text("utf-8", "replace")
    except OSError:
        return False
    return recognise(compatible, platform.machine()) is not None
