"""Where a search stands, and whose trials are taken over: those of processes that died."""

from __future__ import annotations

import os
import platform
import time
import warnings
from pathlib import Path
from typing import Any

from edgecnn.errors import StorageError, needs

with needs("search", "optuna", "sqlalchemy"):
    import optuna
    from optuna.exceptions import ExperimentalWarning
    from optuna.storages import JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState
    from sqlalchemy.exc import SQLAlchemyError

HEARTBEAT_S = 30
"""How often a process says in a database that it is alive; after three times that, whichever other
process begins a trial takes over what it was at."""

LOCKED_S = 60
"""How long a process waits for another one that writes to the same SQLite file."""

SQLITE = "sqlite:///"
JOURNAL = ".log"
"""What the path of Optuna's journal ends in: a file that several machines may append to."""


def open_storage(address: str, heartbeat_s: int = HEARTBEAT_S, tries: int = 3) -> Any:
    """Optuna's storage.

    Args:
        address: as SQLAlchemy takes it (``sqlite:///search.db``, ``postgresql://…``), or a path
            that ends in :data:`JOURNAL`.

    Raises:
        StorageError: it is not reached.
    """
    is_journal, is_file = address.endswith(JOURNAL), address.startswith(SQLITE)
    try:
        if is_journal or is_file:
            Path(address.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)
        if is_journal:
            return JournalStorage(JournalFileBackend(address))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # the heartbeat, since Optuna 2.5
            return RDBStorage(
                address,
                engine_kwargs={"connect_args": {"timeout": LOCKED_S}} if is_file else None,
                heartbeat_interval=heartbeat_s,
                grace_period=3 * heartbeat_s,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
            )
    except (SQLAlchemyError, ImportError, OSError, ValueError) as e:
        if is_file and tries > 1:  # two that make the same tables: one of them finds them there
            time.sleep(1)
            return open_storage(address, heartbeat_s, tries - 1)
        why = (str(e).strip().splitlines() or [type(e).__name__])[0]
        raise StorageError(
            f"expected --storage such as {SQLITE}search.db, postgresql://user@host/name or "
            f"/shared/search{JOURNAL}. {address} cannot be used ({why})"
        ) from e


def here() -> dict[str, Any]:
    """Which process this is, for those that look for its death."""
    return {"host": platform.node(), "pid": os.getpid()}


def recover(study: optuna.Study) -> None:
    """Give what dead processes of this machine were at to whoever asks next."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        where = trial.user_attrs.get("where", {})
        if where.get("host") == platform.node() and not _is_alive(where["pid"]):
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            study.enqueue_trial(trial.params)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
