"""A stand-in for docker and podman: ``container_engine.py docker|podman HOME run|kill ...``.

It takes the options that we use as the real ones take them (docker-run(1), podman-run(1)), refuses
others in their words and with their exit codes, and runs the "container" apart from the client, as
docker's daemon and podman's monitor do: who ends the client has not ended the container.

HOME has the file ``edgetpu_compiler``, which the image ``coral:16`` has in ``/usr/bin``; the image
``empty`` has nothing. Running containers are files in ``HOME/containers``, calls in ``HOME/calls``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

INSIDE = "/usr/bin/edgetpu_compiler"


def refuse(text: str, code: int = 125) -> NoReturn:
    print(text, file=sys.stderr)
    sys.exit(code)


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        refuse(f"{message}\nSee '{self.prog} --help'.")


def run(engine: str, home: Path, arguments: list[str]) -> int:
    parser = Parser(prog=f"{engine} run", allow_abbrev=False, add_help=False)
    parser.add_argument("--rm", action="store_true")
    parser.add_argument("-v", "--volume", action="append", default=[])
    for option in ("--name", "--network", "--entrypoint", "--user", "--userns"):
        parser.add_argument(option)
    parser.add_argument("image")
    # Behind the image everything is the command's, options too.
    parser.add_argument("inside", nargs=argparse.REMAINDER)
    told = parser.parse_args(arguments)

    def fail(docker: str, podman: str, code: int = 125) -> NoReturn:
        if engine == "podman":
            refuse(f"Error: {podman}", code)
        refuse(f"docker: {docker}.\nSee 'docker run --help'.", code)

    if told.userns not in (None, "host") and engine == "docker":
        refuse("docker: --userns: invalid USER mode.\nSee 'docker run --help'.")
    if told.userns == "keep-id" and os.getuid() == 0:
        refuse("Error: keep-id is only supported in rootless mode")
    if told.image == "no-daemon":
        fail("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker "
             "daemon running?", "unable to connect to Podman socket")  # fmt: skip
    if told.image not in ("coral:16", "empty"):
        if engine == "docker":
            print(f"Unable to find image '{told.image}' locally", file=sys.stderr)
        fail(f"Error response from daemon: pull access denied for {told.image.split(':')[0]}, "
             "repository does not exist or may require 'docker login'",
             f'short-name "{told.image}" did not resolve to an alias and no unqualified-search '
             'registries are defined in "/etc/containers/registries.conf"')  # fmt: skip
    places = {}
    for volume in told.volume:
        host, inside, *options = volume.split(":")
        if not host.startswith("/") or not inside.startswith("/") or options not in ([], ["Z"]):
            fail(f"Error response from daemon: invalid volume specification: '{volume}'",
                 f"invalid volume {volume}")  # fmt: skip
        places[inside] = host
    program = told.entrypoint or INSIDE
    if told.image == "empty" or program not in (INSIDE, Path(INSIDE).name):
        how = (
            "no such file or directory" if "/" in program else "executable file not found in $PATH"
        )
        fail("Error response from daemon: failed to create task for container: failed to create "
             f'shim task: OCI runtime create failed: exec: "{program}": {how}: unknown',
             f"crun: executable file `{program}` not found in $PATH: No such file or directory",
             127)  # fmt: skip

    def outside(argument: str) -> str:
        for inside, host in places.items():
            if argument == inside or argument.startswith(f"{inside}/"):
                return host + argument.removeprefix(inside)
        return argument

    calls = home / "calls"
    earlier = json.loads(calls.read_text()) if calls.exists() else []
    calls.write_text(json.dumps([*earlier, vars(told)]))
    container = home / "containers" / (told.name or "unnamed")
    # A session of its own: it outlives the client.
    process = subprocess.Popen(
        [str(home / "edgetpu_compiler"), *map(outside, told.inside)], start_new_session=True
    )
    container.write_text(str(process.pid))
    (home / "started").touch()
    code = process.wait()
    container.unlink()
    return 128 - code if code < 0 else code


def kill(engine: str, home: Path, name: str) -> int:
    container = home / "containers" / name
    if not container.exists():
        refuse(f"Error response from daemon: No such container: {name}", 1)
    os.kill(int(container.read_text()), signal.SIGKILL)
    container.unlink()
    print(name)
    return 0


if __name__ == "__main__":
    engine, place, verb, *rest = sys.argv[1:]
    home = Path(place)
    (home / "containers").mkdir(exist_ok=True)
    sys.exit(run(engine, home, rest) if verb == "run" else kill(engine, home, *rest))
