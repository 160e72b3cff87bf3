"""What monitoring costs: a window's records collected, and its summary with the decision on drift.

    python benchmarks/monitoring.py [--only collecting|drift] [--short] [--envs FOLDER]

`--short`: a tenth of the records, a million rows at most, no peers; `--json FILE` keeps the
figures of drift. Exit 1 if a figure is over what is allowed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import monitoring_collecting
import monitoring_drift


def main() -> int:
    """Print the figures; 1 if one costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("collecting", "drift"))
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    home = Path.home() / ".cache" / "seatrial-benchmarks" / "monitoring"
    parser.add_argument("--envs", type=Path, default=home)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    within = True
    if args.only != "drift":
        records = 100_000 if args.short else 1_000_000
        within &= monitoring_collecting.compare(records, args.repeats)
    if args.only != "collecting":
        sizes = monitoring_drift.SHORT if args.short else monitoring_drift.FULL
        envs = None if args.short else args.envs
        within &= monitoring_drift.compare(sizes, args.repeats, envs, args.json)
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
