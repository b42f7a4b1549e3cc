"""``edgecnn ARGUMENTS`` with the double of the board's half that $ONBOARD names."""

import os
import sys
from pathlib import Path

from devices import onboard
from edgecnn.cli import main

onboard.packed = Path(os.environ["ONBOARD"]).read_bytes
main(sys.argv[1:])
