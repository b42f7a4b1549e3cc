"""Takes files into a board's store: a tar stream on standard input, each file named by its SHA-256.

Sent over ssh as ``python3 -c``, run as root, so the standard library alone. A file has its name
only when all of it is there and on the disk: whatever cuts the stream off, the next one goes on
where this one ended. The last line printed is one JSON object.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tarfile
from typing import IO

STORE = "/opt/edgecnn/store"


def receive(stream: IO[bytes], store: str) -> int:
    """Store what comes; how many files that were.

    Raises:
        OSError: no space, say. ValueError: a file is not what its name says.
    """
    os.makedirs(store, exist_ok=True)
    count = 0
    part = os.path.join(store, f".part-{os.getpid()}")
    try:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                digest = hashlib.sha256()
                source = tar.extractfile(member)
                if source is None:
                    raise ValueError(f"{member.name} is no file")
                with open(part, "wb") as out:
                    block = source.read(1 << 20)
                    while block:
                        digest.update(block)
                        out.write(block)
                        block = source.read(1 << 20)
                    out.flush()
                    os.fsync(out.fileno())
                if digest.hexdigest() != member.name:
                    raise ValueError(f"{member.name} arrived damaged")
                os.chmod(part, 0o644)
                os.replace(part, os.path.join(store, member.name))
                count += 1
    finally:
        if os.path.exists(part):
            os.unlink(part)
    return count


def sweep(store: str) -> None:
    """Remove what a receiver that was killed has left."""
    for name in os.listdir(store) if os.path.isdir(store) else ():
        process = name[len(".part-") :]
        if name.startswith(".part-") and not os.path.isdir("/proc/" + process):
            os.unlink(os.path.join(store, name))


if __name__ == "__main__":
    try:
        sweep(STORE)
        print(json.dumps({"received": receive(sys.stdin.buffer, STORE)}))
    except (OSError, ValueError, EOFError, tarfile.TarError) as e:
        print(json.dumps({"error": getattr(e, "strerror", None) or str(e)}))
        sys.exit(2)
