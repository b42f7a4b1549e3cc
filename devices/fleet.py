"""Many boards at once, through pyinfra: it connects, and runs the steps of all boards in parallel.

pyinfra talks to boards by gevent, which takes the place of blocking calls in the whole process:
:func:`run` is for a process of its own, such as a command's.
"""

from __future__ import annotations

import getpass
import json
import logging
import os
import shlex
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devices.hosts import Host
from edgecnn.errors import DataError, DeployError, EdgeCNNError, needs

if TYPE_CHECKING:
    from pyinfra.api.host import Host as Link
    from pyinfra.api.state import State

LOG = logging.getLogger(__name__)

HALF = "/opt/edgecnn/board.py"
"""The board's half of a deploy, on the board."""

CONNECT_S = 15
WELCOME_S = 60
"""For the first words of a board, and again until it lets us in: it may be busy."""

ANSWER_S = 120
KEEP_ALIVE_S = 10
SILENT_S = 40
"""How long a board may leave unanswered what was sent, before the connection counts as broken."""

PACKAGES = ("pyinfra", "gevent", "paramiko")


@dataclass(frozen=True)
class Outcome:
    """What became of a board.

    Attributes:
        state: ``"done"``, ``"unchanged"``, ``"plan"`` (a dry run) or ``"failed"``.
        told: in words; where it failed, why and the cure.
        facts: for ``--json``.
    """

    state: str
    told: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Board:
    """A board that is connected.

    Attributes:
        host: what is known of it here.
        link: pyinfra's side of it.
        greeting: what :mod:`devices.greet` found there; empty before it was asked.
    """

    host: Host
    link: Link
    greeting: dict[str, Any] = field(default_factory=dict)

    def run(
        self,
        command: Sequence[str],
        stdin: str = "",
        root: bool = True,
        timeout_s: float = ANSWER_S,
    ) -> tuple[bool, list[str], list[str]]:
        """Run a command there: whether it ended with 0, and its lines of output and complaint.

        Args:
            root: by sudo, unless ssh logs in as root.

        Raises:
            DeployError: the connection broke, or there was no answer in time.
        """
        from paramiko import SSHException
        from pyinfra.api import StringCommand

        sudo = root and self.greeting.get("uid") != 0
        try:
            well, output = self.link.run_shell_command(
                StringCommand(shlex.join(command)),
                _sudo=sudo,
                _stdin=stdin,
                _timeout=timeout_s,
            )
        except TimeoutError:
            raise DeployError(f"no answer within {timeout_s:.0f} s: look at the board") from None
        except (OSError, SSHException, EOFError) as e:
            raise broken(e) from e
        if not well and self._gone():
            raise broken()
        return well, list(output.stdout_lines), list(output.stderr_lines)

    def _gone(self) -> bool:
        transport = self.link.connector.client.get_transport()
        return transport is None or not transport.is_active()

    def ask(self, verb: str, *arguments: str, stdin: str = "", timeout_s: float = ANSWER_S) -> Any:
        """Have the board's half do something; its answer.

        Raises:
            DeployError: it did not do it; the message is its own.
        """
        return self.answer([self.host.python, HALF, verb, *arguments], stdin, timeout_s)

    def answer(self, command: Sequence[str], stdin: str = "", timeout_s: float = ANSWER_S) -> Any:
        """The last line that a command prints, which is JSON.

        Raises:
            DeployError: there is no such line, or it tells an ``error``.
        """
        _, lines, complaints = self.run(command, stdin, timeout_s=timeout_s)
        return read_answer(lines, complaints)

    def send(self, command: Sequence[str], blocks: Iterable[bytes], timeout_s: float) -> Any:
        """Run a command as root with a stream of bytes on its input; its answer as JSON.

        Raises:
            DeployError: as :meth:`answer`.
        """
        import gevent
        from paramiko import SSHException

        sudo = ["sudo", "-H", "-n"] if self.greeting.get("uid") != 0 else []
        transport = self.link.connector.client.get_transport()
        try:
            with (
                gevent.Timeout(timeout_s, TimeoutError),
                closing(transport.open_session()) as channel,
            ):
                channel.exec_command(shlex.join([*sudo, *command]))
                try:
                    for block in blocks:
                        channel.sendall(block)
                    channel.shutdown_write()
                except TimeoutError:  # which is an OSError, too
                    raise
                except OSError:  # it ended before it had read all: its answer says why
                    if self._gone():
                        raise
                lines = channel.makefile("r").read().decode("utf-8", "replace").splitlines()
                complaints = channel.makefile_stderr("r").read().decode("utf-8", "replace")
        except TimeoutError:
            raise DeployError(
                f"it did not take the files within {timeout_s:.0f} s: deploy again, it goes on"
            ) from None
        except (OSError, SSHException, EOFError) as e:
            raise broken(e) from e
        if self._gone():
            raise broken()
        return read_answer(lines, complaints.splitlines())


Step = tuple[str, Sequence[str], Callable[[Board], Outcome | None]]
"""What it is called, the boards it is for by name, and what is done with each of them."""


def read_answer(lines: Sequence[str], complaints: Sequence[str]) -> Any:
    """The JSON object in the last line of output.

    Raises:
        DeployError: there is none, or it has an ``error``.
    """
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError):
        said = [line for line in [*complaints, *lines] if line.strip()]
        raise DeployError(
            f"the board gave no answer ({said[-1].strip() if said else 'it said nothing'}): "
            "deploy again, or see what edgecnn doctor says of it"
        ) from None
    if isinstance(answer, dict) and "error" in answer:
        raise DeployError(str(answer["error"]))
    return answer


def broken(cause: Exception | None = None) -> DeployError:
    """The connection broke."""
    why = f" ({cause})" if cause and str(cause) else ""
    return DeployError(
        f"the connection broke{why}: the board keeps what it runs; once it is reached, deploy "
        "again, which goes on"
    )


def unexpected(error: Exception) -> str:
    """What is told of a fault that nobody has thought of, of ours or of a library."""
    said = (str(error).strip().splitlines() or ["no more is known"])[0]
    return (
        f"{type(error).__name__} ({said}): the board keeps what it runs; deploy again, which goes "
        "on; EDGECNN_DEBUG=1 shows where it comes from"
    )


def run(
    hosts: Sequence[Host],
    steps: Sequence[Step],
    accept_new: bool = False,
    known_hosts: Path | None = None,
    tell: Callable[[str, Outcome], object] = lambda name, outcome: None,
) -> dict[str, Outcome]:
    """Connect to boards and take them through steps, all boards of a step in parallel.

    A board that fails in a step is not in the later ones, and stops no other.

    Args:
        accept_new: take the key of a board that ``known_hosts`` does not know yet.
        known_hosts: ``~/.ssh/known_hosts``, or what ``~/.ssh/config`` says, where None.
        tell: is called with a board's name when its outcome is known.

    Returns:
        The outcome of every board, in the order of ``hosts``.

    Raises:
        DataError: the file of a key is not there. MissingExtra: pyinfra is not installed.
    """
    with needs("deploy", *PACKAGES):
        from gevent import monkey
    if not monkey.is_module_patched("socket"):
        monkey.patch_all()
    with needs("deploy", *PACKAGES):
        from pyinfra.api import Config, Inventory, State
        from pyinfra.api.connect import connect_all, disconnect_all
        from pyinfra.api.exceptions import PyinfraError
        from pyinfra.api.operation import add_op
        from pyinfra.api.operations import run_ops
        from pyinfra.api.state import BaseStateCallback
        from pyinfra.operations import python
    _hush()
    for host in hosts:
        if host.key and not host.key.is_file():
            raise DataError(f"expected a private key at {host.key}. There is none: ssh-keygen")
    if accept_new:  # a user who never used ssh has no place for the keys of boards
        known = known_hosts or Path.home() / ".ssh" / "known_hosts"
        known.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    outcomes: dict[str, Outcome] = {}
    by_name = {host.name: host for host in hosts}

    def settle(name: str, outcome: Outcome) -> None:
        outcomes[name] = outcome
        tell(name, outcome)

    class Refused(BaseStateCallback):  # type: ignore[misc]
        @staticmethod
        def host_connect_error(state: State, host: Link, error: Exception) -> None:
            settle(host.name, Outcome("failed", refusal(by_name[host.name], str(error))))

    reached: dict[str, dict[str, Any]] = {}
    for host in hosts:
        try:
            reached[host.name] = _ssh(host, accept_new, known_hosts)
        except DeployError as e:
            settle(host.name, Outcome("failed", str(e)))
    if not reached:
        return outcomes
    state = State(Inventory(([*reached.items()], {})), Config(CONNECT_TIMEOUT=CONNECT_S))
    state.add_callback_handler(Refused())
    try:
        connect_all(state)
    except PyinfraError as e:  # where none is left
        for name in reached:
            if name not in outcomes:
                settle(name, Outcome("failed", unexpected(e)))
        return {host.name: outcomes[host.name] for host in hosts}
    boards = {link.name: Board(by_name[link.name], link) for link in state.active_hosts}
    for board in boards.values():
        _watch_over(board)

    def take(
        state: State,
        host: Link,
        title: str,
        names: Sequence[str],
        step: Callable[[Board], Outcome | None],
    ) -> bool:
        known = outcomes.get(host.name)
        if host.name in names and (known is None or known.state != "failed"):
            try:
                outcome = step(boards[host.name])
            except EdgeCNNError as e:
                outcome = Outcome("failed", str(e))
            except Exception as e:  # pyinfra would log it, and the report lack the board
                LOG.exception("%s: %s", host.name, title)
                outcome = Outcome("failed", unexpected(e))
            if outcome:
                settle(host.name, outcome)
        return True

    # Each step is there for every board: the order of one board's steps is the only one that
    # pyinfra promises, and so none begins before the one before it has ended everywhere.
    for title, names, step in steps:
        add_op(state, python.call, name=title, function=take, title=title, names=names, step=step)
    try:
        run_ops(state)
    finally:
        disconnect_all(state)
        for board in boards.values():
            board.link.connector.client.close()
    return {host.name: outcomes[host.name] for host in hosts if host.name in outcomes}


def _ssh(host: Host, accept_new: bool, known_hosts: Path | None) -> dict[str, Any]:
    """What pyinfra has to know to reach a board.

    Raises:
        DeployError: its key cannot be used.
    """
    return {
        "ssh_hostname": host.address,
        "ssh_paramiko_connect_kwargs": {"banner_timeout": WELCOME_S, "auth_timeout": WELCOME_S},
        "ssh_strict_host_key_checking": "accept-new" if accept_new else "yes",
        **({"ssh_user": host.user} if host.user else {}),
        **({"ssh_port": host.port} if host.port else {}),
        **({"ssh_key": str(host.key)} if host.key and _opens(host.key) else {}),
        **({"ssh_known_hosts_file": str(known_hosts)} if known_hosts else {}),
    }


def _opens(key: Path) -> bool:
    """Whether a private key can be read; one with a passphrase an ssh-agent has open, maybe.

    Raises:
        DeployError: it may not be read, is none, or has a passphrase and there is no agent.
    """
    from pyinfra.api.exceptions import PyinfraError
    from pyinfra.connectors.ssh_util import load_key_with_certificate

    try:
        load_key_with_certificate(str(key), allow_prompt=False)
    except OSError as e:
        raise DeployError(f"{key} cannot be read ({e.strerror}): change its permissions") from e
    except (PyinfraError, ValueError) as e:
        if "encrypted" not in str(e):
            raise DeployError(f"{key} is no private key: name another by --identity") from e
        if not os.environ.get("SSH_AUTH_SOCK"):
            raise DeployError(f"{key} has a passphrase: ssh-add it first, to an ssh-agent") from e
        return False
    return True


def _hush() -> None:
    """What pyinfra, paramiko and :data:`LOG` say is for whoever looks for a fault in them."""
    if os.environ.get("EDGECNN_DEBUG") == "1":
        logging.basicConfig(format="%(name)s: %(message)s")
        return
    for name in ("pyinfra", "paramiko", LOG.name):
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False


def _watch_over(board: Board) -> None:
    """Have a connection that is dead end, instead of waiting for ever."""
    transport = board.link.connector.client.get_transport()
    transport.set_keepalive(KEEP_ALIVE_S)
    if isinstance(transport.sock, socket.socket):  # it is a pipe where ssh jumps over another host
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_S * 1000)


REFUSALS = (
    ("resolve hostname", "no such name in this network: check it, or use the board's address"),
    ("No host key for", "its host key is not known here: {ssh} once and compare, or --accept-new"),
    (
        "does not match",
        "its host key is another than before. Was it set up anew? Then ssh-keygen -R {at}; "
        "otherwise somebody else may be answering",
    ),
    ("Authentication", "it refuses the key of {user}: ssh-copy-id {to}, or name --identity"),
    (
        "No authentication methods",
        "there is no key for {user}: ssh-keygen -t ed25519 && ssh-copy-id {to}, or name --identity",
    ),
    (
        "Could not connect",
        "it is not reached: is it on, in this network, with ssh (sudo systemctl enable --now ssh)?",
    ),
    ("", "ssh does not get through: ssh {to} tells more"),
)  # fmt: skip
"""What pyinfra says when it is not let in, to what to do; the first that fits."""


def refusal(host: Host, error: str) -> str:
    """Why a board cannot be reached, in one line with the cure."""
    user = host.user or getpass.getuser()
    port = f"-p {host.port} " if host.port else ""
    to = f"{port}{user}@{host.address}"
    at = f"'[{host.address}]:{host.port}'" if host.port not in (None, 22) else host.address
    told = next(cure for sign, cure in REFUSALS if sign.lower() in error.lower())
    reason = (error.strip().splitlines() or ["?"])[0]
    return f"{told.format(user=user, to=to, ssh=f'ssh {to}', at=at)} ({reason})"
