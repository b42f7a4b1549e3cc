"""GStreamer's RTSP server, for the system's Python: ``rtsp_server.py FILE PORT [AUTH]``.

Gives FILE, H.264 in Matroska, at ``/video`` to each client from its beginning, in its own time.
AUTH, as in ``me:secret``, is asked for by HTTP's basic authentication. Prints the port.
"""

from __future__ import annotations

import base64
import sys
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")

from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

LAUNCH = '( filesrc location="{}" ! matroskademux ! rtph264pay name=pay0 pt=96 config-interval=-1 )'


def guard(server: Any, factory: Any, pair: str) -> None:
    """Let in whoever has this user and password."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_basic(base64.b64encode(pair.encode()).decode(), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    for right in ("access", "construct"):
        permissions.add_permission_for_role("viewer", f"media.factory.{right}", True)
    factory.set_permissions(permissions)


def main(path: str, port: str, pair: str = "") -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(LAUNCH.format(path))
    if pair:
        guard(server, factory, pair)
    server.get_mount_points().add_factory("/video", factory)
    assert server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
