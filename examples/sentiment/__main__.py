"""`python -m seatrial.examples.sentiment [FOLDER]`: the story, on a localcloud of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from seatrial.examples.sentiment.demo import run_demo

run_demo(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/sentiment"))
