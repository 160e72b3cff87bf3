"""`python -m seatrial.examples.sentiment [FOLDER]`: the story, on a localcloud of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from seatrial.examples.sentiment.demo import run_demo
from seatrial.steps.entry import run

# Not runs/sentiment, where docs/first-hour.md has you keep your own.
FOLDER = "runs/sentiment-demo"


def main() -> int:
    """Run it in the folder that is named."""
    run_demo(Path(sys.argv[1] if len(sys.argv) > 1 else FOLDER))
    return 0


if __name__ == "__main__":
    run(main)
