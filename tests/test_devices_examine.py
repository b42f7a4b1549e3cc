"""The doctor over ssh: a real sshd on loopback, and everything that goes wrong on the way."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ssh_tools import Server, client, free_port, server

from devices import examine
from devices.hosts import Host, parse
from edgecnn.errors import DeployError

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("sshd")) as running:
        client(running.folder)
        yield running


@pytest.fixture
def reached(sshd: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """It, known to the client by its right key."""
    monkeypatch.setenv("PATH", f"{sshd.folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    sshd.know()
    return sshd


def refused(run: Run, *arguments: object) -> str:
    """The one line of a visit that came to nothing."""
    code, out, err = run("doctor", *arguments)
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert len(lines) == 1, err
    return lines[0]


def test_a_machine_without_edgecnn_is_looked_at(reached: Server, edgecnn: Run) -> None:
    code, out, err = edgecnn("doctor", reached.host, "--identity", reached.key, "--json")
    report = json.loads(out)
    assert err == "" and code == (0 if report["deploys"] else 1)
    topics = {f["topic"]: f for f in report["findings"]}
    to = ["ssh", "-i", str(reached.key), *parse(reached.host).ssh, "python3", "-V"]
    there = subprocess.run(to, capture_output=True, text=True, check=True).stdout.split()[-1]
    assert topics["python"]["found"].startswith(there)
    assert topics["clock"]["state"] != "problem"


def test_a_host_key_not_known_is_taken_when_told_so(reached: Server, edgecnn: Run) -> None:
    known = reached.folder / "known_hosts"
    known.write_text("")
    said = refused(edgecnn, reached.host, "--identity", reached.key)
    assert "host key is not known here" in said and "--accept-new" in said
    assert known.read_text() == ""
    key = ("--identity", reached.key)
    assert edgecnn("doctor", reached.host, *key, "--accept-new")[0] in (0, 1)
    assert "ssh-ed25519" in known.read_text()


def test_a_changed_host_key_is_never_taken(reached: Server, edgecnn: Run) -> None:
    reached.know("other_key")
    for more in ((), ("--accept-new",)):
        said = refused(edgecnn, reached.host, "--identity", reached.key, *more)
        assert "another than before" in said
        assert f"ssh-keygen -R '[127.0.0.1]:{reached.port}'" in said


def test_a_key_that_is_refused(reached: Server, edgecnn: Run) -> None:
    said = refused(edgecnn, reached.host, "--identity", reached.folder / "other_key")
    assert "refuses the key" in said and f"ssh-copy-id -p {reached.port}" in said


def test_a_key_that_others_may_read(reached: Server, edgecnn: Run, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(reached.key.read_bytes())
    key.chmod(0o644)
    assert "chmod 600" in refused(edgecnn, reached.host, "--identity", key)


def test_a_key_that_is_not_there(edgecnn: Run, tmp_path: Path) -> None:
    said = refused(edgecnn, "pi@hall", "--identity", tmp_path / "none")
    assert "expected a private key at" in said and "ssh-keygen" in said


def test_nothing_listens(reached: Server, edgecnn: Run) -> None:
    assert "systemctl enable --now ssh" in refused(edgecnn, f"127.0.0.1:{free_port()}")


def test_no_such_host(reached: Server, edgecnn: Run) -> None:
    assert "no such host" in refused(edgecnn, "pi@nowhere.invalid")


def test_a_host_that_keeps_silent(
    reached: Server, edgecnn: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examine, "CONNECT_S", 1)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        said = refused(edgecnn, f"127.0.0.1:{silent.getsockname()[1]}")
    assert "does not answer" in said


def test_a_machine_that_never_ends_to_tell(
    reached: Server, edgecnn: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examine, "TIMEOUT_S", 0.2)
    said = refused(edgecnn, reached.host, "--identity", reached.key)
    assert "no answer in 0.2 s" in said


def test_a_machine_without_python(reached: Server) -> None:
    at = parse(reached.host)
    host = Host("hall", at.address, at.user, at.port, reached.key, python="python3.99")
    with pytest.raises(DeployError, match=r"hall has no python3\.99: sudo apt install python3"):
        examine.there(host)


def test_without_a_client(edgecnn: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt install openssh-client" in refused(edgecnn, "pi@hall")


GREETS = 'ForceCommand echo "{ welcome"; echo Hello; sh -c "$SSH_ORIGINAL_COMMAND"'
OLD = 'ForceCommand echo "Traceback" >&2; echo "SyntaxError: future feature" >&2; exit 1'


def visit(folder: Path, more: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    with server(folder / "sshd", more) as running:
        monkeypatch.setenv("PATH", f"{client(running.folder)}{os.pathsep}{os.environ['PATH']}")
        at = parse(running.host)
        host = Host("hall", at.address, at.user, at.port, running.key)
        return examine.there(host, accept_new=True)


def test_a_login_that_prints_a_greeting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert visit(tmp_path, GREETS, monkeypatch)["schema"] == 1


def test_a_python_that_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeployError, match=r"SyntaxError: future feature.*3\.7 or newer"):
        visit(tmp_path, OLD, monkeypatch)


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("ssh: connect to host 10.0.0.9 port 22: No route to host", "is it on"),
        ("ssh: connect to host 10.0.0.9 port 22: Network is unreachable", "check its network"),
        ("Received disconnect: Too many authentication failures", "name one by --identity"),
        ("\nkex_exchange_identification: reset\n", r"(kex_exchange_identification: reset): ssh pi"),
        ("", "it says nothing"),
    ],
)
def test_what_else_ssh_says(said: str, cure: str) -> None:
    assert cure in examine.refusal(said, parse("pi@10.0.0.9"))
