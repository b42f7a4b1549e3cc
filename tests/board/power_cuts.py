"""Cut the power of an emulated board in the middle of deploys, and see what it boots into.

``python tests/board/power_cuts.py --cuts 100 --out cuts.json`` (``make board-cuts``), which goes on
where it was stopped: a hundred take hours. The board is
that of ``tests/board/board.sh``: a real systemd on a journaled ext4, whose disk loses what the
board's kernel had not handed over when qemu is killed. ``board.py``, its environments and pip are
the real ones; the camera is the stand-in of :mod:`board_double`, so that the cuts fall on the
switching and not on the installing of 200 MB. After each cut the board boots, and has to run, by
itself, the old release or the new one, whole, with no trial left and the people's file as it was.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent)]

from board_double import BoardDouble  # noqa: E402

from devices.onboard import packed  # noqa: E402
from devices.onboard.release import parse  # noqa: E402

PEOPLE = "/var/lib/edgecnn/people-of-the-test"
BOOT_S = 300
TRIES, NO_CONNECTION = 10, 255
"""A board on a busy machine may take long to answer; all that is asked may be asked again."""


class Emulated:
    """The board of ``board.sh``."""

    def __init__(self, script: Path):
        self.script = script

    def do(self, verb: str) -> None:
        """``up``, ``cut`` or ``down``."""
        subprocess.run([str(self.script), verb], check=True)

    def words(self, command: str) -> list[str]:
        return [str(self.script), "ssh", command]

    def ssh(self, command: str, data: bytes = b"", check: bool = True) -> str:
        for _ in range(TRIES):
            done = subprocess.run(self.words(command), input=data, capture_output=True)
            if done.returncode != NO_CONNECTION:
                break
            time.sleep(2)
        if check and done.returncode:
            raise SystemExit(f"{command}: {done.stdout.decode()} {done.stderr.decode()}")
        return done.stdout.decode()

    def status(self) -> dict[str, Any]:
        text = self.ssh("python3 /opt/edgecnn/board.py status")
        return dict(json.loads(text.splitlines()[-1]))

    def send(self, double: BoardDouble, text: str) -> None:
        """Put what a release consists of into the store, and ``release.json`` beside it."""
        facts = json.loads(text)
        names = {*facts["wheels"].values(), *facts["bundle"].values()}
        packet = io.BytesIO()
        with tarfile.open(fileobj=packet, mode="w") as tar:
            for name, data in [*((n, double.files[n]) for n in names), ("next", text.encode())]:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        self.ssh(
            "set -e; mkdir -p /opt/edgecnn/store; tar -x -C /opt/edgecnn/store; "
            "mv /opt/edgecnn/store/next /opt/edgecnn/next.json",
            packet.getvalue(),
        )


DEPLOY = (
    "set -e; cd /opt/edgecnn; id=$(python3 board.py stage <next.json 2>/dev/null | "
    'sed \'s/.*"id": "\\([0-9a-f]*\\)".*/\\1/\'); '
    "python3 board.py activate $id --steady-s 1 --health-s 400 2>/dev/null"
)


def after_boot(board: Emulated) -> dict[str, Any]:
    """What the board says once its camera runs, or once it has had :data:`BOOT_S` for that."""
    end = time.monotonic() + BOOT_S
    while True:
        told = board.status()
        camera = told["status"] or {}
        if told["service"] == "active" and camera.get("frames", 0) > 0:
            return told
        if time.monotonic() > end:
            return told
        time.sleep(2)


def faults(told: dict[str, Any], old: str, new: str, people: str) -> list[str]:
    """What is wrong with a board after a cut; nothing, if all is well."""
    running = ((told["status"] or {}).get("words") or ["", ""])[1]
    found = []
    if told["service"] != "active":
        found.append(f"the service is {told['service']}")
    if told["current"] not in (old, new) or f"/{told['current']}/" not in running:
        found.append(f"it runs {running}, current is {told['current']}")
    if told["good"] != told["current"]:
        found.append(f"good is {told['good']}, current is {told['current']}")
    if told["trial"] is not None:
        found.append("a trial was left")
    if people != "Ann\n":
        found.append("the people's file changed")
    return found


def cut_once(board: Emulated, double: BoardDouble, number: int, delay_s: float) -> dict[str, Any]:
    """One deploy, cut off after ``delay_s``; what came of it."""
    old = str(board.status()["good"])
    text = double.release(f"model {number}", architecture="aarch64", python="3.11")
    board.send(double, text)
    child = subprocess.Popen(board.words(DEPLOY), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(delay_s)
    ended = child.poll() is not None
    board.do("cut")
    child.communicate()
    begun = time.monotonic()
    board.do("up")
    told = after_boot(board)
    new = parse(text).id
    wrong = faults(told, old, new, board.ssh(f"cat {PEOPLE}", check=False))
    return {
        "cut": number,
        "after_s": round(delay_s, 2),
        "deploy_had_ended": ended,
        "staged": new in told["releases"],
        "runs": "new" if told["current"] == new else "old",
        "boot_s": round(time.monotonic() - begun, 1),
        "faults": wrong,
    }


def main() -> int:
    """Cut, boot and judge; 0 if a working release came up each time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--board", type=Path, default=HERE / "board.sh", help="board.sh")
    parser.add_argument("--out", type=Path, default=Path("power-cuts.json"))
    asked = parser.parse_args()
    board, chance = Emulated(asked.board.resolve()), random.Random(asked.seed)
    results: list[dict[str, Any]] = []
    if asked.out.exists():
        earlier = json.loads(asked.out.read_text("utf-8"))
        if earlier["seed"] != asked.seed:
            raise SystemExit(f"{asked.out} is of seed {earlier['seed']}: name another --out")
        results = earlier["cuts"]
    with tempfile.TemporaryDirectory() as folder:
        double = BoardDouble(Path(folder) / "double")
        board.ssh("mkdir -p /opt/edgecnn; cat >/opt/edgecnn/board.py; sync", packed())
        first = double.release("first", architecture="aarch64", python="3.11")
        board.send(double, first)
        board.ssh(DEPLOY)
        board.ssh(f"echo Ann >{PEOPLE}; sync")
        # How long a whole deploy takes decides the moments of the cuts.
        board.send(double, double.release("second", architecture="aarch64", python="3.11"))
        begun = time.monotonic()
        board.ssh(DEPLOY)
        whole_s = time.monotonic() - begun
        print(f"a whole deploy takes {whole_s:.1f} s", flush=True)
        moments = [chance.uniform(0, 1.1) for _ in range(asked.cuts)]
        made = {result["cut"] for result in results}
        for number in [n for n in range(asked.cuts) if n not in made]:
            results.append(cut_once(board, double, number, moments[number] * whole_s))
            print(json.dumps(results[-1]), flush=True)
            results.sort(key=lambda result: int(result["cut"]))
            summary = {"seed": asked.seed, "deploy_s": round(whole_s, 1), "cuts": results}
            asked.out.write_text(json.dumps(summary, indent=1) + "\n", "utf-8")
    bad = [r for r in results if r["faults"]]
    new = sum(r["runs"] == "new" for r in results)
    print(f"{len(results)} cuts, {len(bad)} with faults; {new} booted into the new release")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
