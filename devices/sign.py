"""Signed bundles, by OpenSSH: owners of boards have such keys already.

The signature is over ``manifest.json``, which names the hash of every other file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from devices.onboard.system import NAMESPACE
from edgecnn.bundle import MANIFEST, SIGNATURE, Bundle
from edgecnn.errors import DataError, DeployError
from edgecnn.storage import whole_file

KINDS = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-", "sk-ssh-ed25519", "sk-ecdsa-sha2-")


def sign(bundle: Path, key: Path) -> Path:
    """Sign a bundle; the signature lies in it as ``manifest.json.sig``.

    Args:
        key: a private key of OpenSSH, or the public one of a key in the agent. A passphrase is
            asked for on the terminal.

    Raises:
        BundleError: the bundle is not whole. DataError: there is no such key. DeployError:
            ssh-keygen is not there, or does not sign.
    """
    Bundle(bundle)
    if not key.is_file():
        raise DataError(f"expected a key at {key}. There is none: ssh-keygen -t ed25519 -f {key}")
    keygen = _keygen()
    if _signed(bundle, key, keygen):  # some kinds of key sign otherwise each time
        return bundle / SIGNATURE
    with whole_file(bundle / SIGNATURE) as draft:
        done = subprocess.run(
            [keygen, "-q", "-Y", "sign", "-f", str(key), "-n", NAMESPACE],
            input=(bundle / MANIFEST).read_bytes(),
            capture_output=True,
        )
        if done.returncode:
            reason = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["?"])[-1]
            raise DeployError(f"{key} does not sign ({reason}): name another --key")
        draft.write_bytes(done.stdout)
    return bundle / SIGNATURE


def _signed(bundle: Path, key: Path, keygen: str) -> bool:
    """Whether the signature that lies in a bundle is by this key, and of what is there now."""
    if not (bundle / SIGNATURE).is_file():
        return False
    shown = subprocess.run([keygen, "-l", "-f", str(key)], capture_output=True, text=True)
    checked = subprocess.run(
        [keygen, "-Y", "check-novalidate", "-n", NAMESPACE, "-s", str(bundle / SIGNATURE)],
        input=(bundle / MANIFEST).read_bytes(),
        capture_output=True,
    )
    fingerprint = shown.stdout.split()[1:2]
    return checked.returncode == 0 and fingerprint == checked.stdout.decode().split()[-1:]


def owners(public: Path) -> str:
    """The line of ``allowed_signers`` that lets a key's owner sign bundles for a board.

    Raises:
        DataError: that is not a public key of OpenSSH.
    """
    try:
        text = public.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"expected a public key at {public}, such as id_ed25519.pub. {e}") from e
    words = text.split()
    if len(words) < 2 or not words[0].startswith(KINDS) or "\n" in text.strip():
        raise DataError(
            f"expected one public key of OpenSSH in {public}, such as id_ed25519.pub. "
            f"Received: {' '.join(words)[:40]!r}"
        )
    return f'owner namespaces="{NAMESPACE}" {words[0]} {words[1]}\n'


def _keygen() -> str:
    found = shutil.which("ssh-keygen", path=os.environ.get("PATH"))
    if found is None:
        raise DeployError("ssh-keygen is not installed: sudo apt-get install openssh-client")
    return found
