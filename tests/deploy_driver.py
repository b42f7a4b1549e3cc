"""``edgecnn ARGUMENTS`` with the double of the board's half that $ONBOARD names."""

import os
import sys
from pathlib import Path

import devices.meet
from edgecnn.cli import main

devices.meet.ONBOARD = Path(os.environ["ONBOARD"])
main(sys.argv[1:])
