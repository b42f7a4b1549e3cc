"""Asking a machine over ssh: a real sshd on the loopback, and each way not to reach one."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ssh_server

from devices import ssh
from devices.hosts import Host

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ssh_server.Server]:
    running = ssh_server.start(tmp_path_factory.mktemp("sshd"))
    yield running
    running.stop()


@pytest.fixture
def doctor(
    server: ssh_server.Server, edgecnn: Run, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """``edgecnn doctor``, with an ssh that has met nobody."""
    (server.folder / "known_hosts").unlink(missing_ok=True)
    monkeypatch.setenv("PATH", str(server.folder / "bin"), prepend=":")
    return lambda *words: edgecnn("doctor", *words)


def one_line(printed: tuple[int, str, str]) -> str:
    """What a refusal says: exit code 2, one line, nothing else."""
    code, out, err = printed
    assert (code, out, err.count("\n")) == (2, "", 1), printed
    assert err.startswith("edgecnn: ")
    return err


def test_a_machine_is_judged_over_ssh(server: ssh_server.Server, doctor: Run) -> None:
    code, out, err = doctor(server.host, "--identity", server.key, "--accept-new")
    assert code in (0, 1) and err == ""
    says = "would work" if code == 0 else "would not work"
    assert out.rstrip().endswith(f"A deploy to {server.host} {says}.")
    topics = [line.split()[1] for line in out.splitlines() if not line.startswith(" ") and line]
    assert {"machine", "system", "python", "clock", "rights", "systemd"} <= set(topics)


def test_the_clock_of_this_machine_is_right_on_this_machine(
    server: ssh_server.Server, doctor: Run
) -> None:
    doctor(server.host, "--identity", server.key, "--accept-new")
    host = Host("here", "127.0.0.1", server.host.split("@")[0], server.port, server.key)
    facts, now_s = ssh.facts_of(host)
    assert abs(facts["clock"]["unix_s"] - now_s) < 10


def test_a_key_that_is_refused(server: ssh_server.Server, doctor: Run, tmp_path: Path) -> None:
    stranger = ssh_server.make_key(tmp_path / "stranger")
    line = one_line(doctor(server.host, "--identity", stranger, "--accept-new"))
    assert "refuses the key" in line and f"ssh-copy-id -p {server.port}" in line


def test_a_key_that_is_not_there(server: ssh_server.Server, doctor: Run, tmp_path: Path) -> None:
    line = one_line(doctor(server.host, "--identity", tmp_path / "lost"))
    assert "expected a private key at" in line and "--identity" in line


def test_a_host_that_is_not_known_yet(server: ssh_server.Server, doctor: Run) -> None:
    line = one_line(doctor(server.host, "--identity", server.key))
    assert "not known here" in line and "--accept-new" in line
    assert not (server.folder / "known_hosts").exists()


def test_a_host_key_that_has_changed(server: ssh_server.Server, doctor: Run) -> None:
    other = ssh_server.make_key(server.folder / "other").with_suffix(".pub").read_text()
    known = server.folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {other}")
    for more in ((), ("--accept-new",)):
        line = one_line(doctor(server.host, "--identity", server.key, *more))
        assert "another than before" in line
        assert f"ssh-keygen -R '[127.0.0.1]:{server.port}'" in line
    assert known.read_text() == f"[127.0.0.1]:{server.port} {other}"


def test_a_host_without_a_server(doctor: Run) -> None:
    line = one_line(doctor(f"pi@127.0.0.1:{ssh_server.free_port()}"))
    assert "nothing answers on that port" in line and "systemctl enable --now ssh" in line


def test_a_host_that_nobody_knows(doctor: Run) -> None:
    line = one_line(doctor("pi@no-such-board.invalid"))
    assert "no machine of that name" in line and "pi@no-such-board.invalid" in line


def test_a_host_that_does_not_answer(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "CONNECT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        line = one_line(doctor(f"pi@127.0.0.1:{silent.getsockname()[1]}"))
    assert "does not answer" in line and "ping" in line


def test_a_host_that_hangs_up(server: ssh_server.Server, doctor: Run, tmp_path: Path) -> None:
    shut = ssh_server.start(tmp_path, settings="ForceCommand kill -9 $PPID")
    try:
        words = (shut.host, "--identity", shut.key, "--accept-new")
        assert "the connection broke" in one_line(doctor(*words))
    finally:
        shut.stop()


def test_a_host_without_python(server: ssh_server.Server, doctor: Run, tmp_path: Path) -> None:
    bare = ssh_server.start(tmp_path, settings="SetEnv PATH=/nowhere")
    try:
        line = one_line(doctor(bare.host, "--identity", bare.key, "--accept-new"))
    finally:
        bare.stop()
    assert "has no python3" in line and "sudo apt install python3" in line


@pytest.mark.parametrize("host", ["", "a b", "pi@", "pi@hall:0", "pi@hall:ssh", "-oProxyCommand=x"])
def test_what_is_no_host_is_refused_before_ssh_is_asked(
    doctor: Run, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr(ssh.subprocess, "run", lambda *_, **__: pytest.fail("asked ssh"))
    assert "[user@]host[:port]" in one_line(doctor("--", host))


def test_what_ssh_says_otherwise_is_passed_on() -> None:
    host = Host("hall", "hall.local", "pi")
    said = "debug\nBad owner or permissions on /home/x/.ssh/config\n"
    line = ssh.complaint(host, said)
    assert "Bad owner or permissions" in line and "try ssh pi@hall.local" in line
    assert "said nothing" in ssh.complaint(host, "")


def test_a_key_that_is_none(server: ssh_server.Server, doctor: Run, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("not a key\n")
    (tmp_path / "note").chmod(0o600)
    line = one_line(doctor(server.host, "--identity", tmp_path / "note", "--accept-new"))
    assert "the key cannot be read" in line and "--identity" in line
