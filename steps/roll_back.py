"""Roll back if the endpoint serves a model package whose approval was withdrawn.

Reads   the configuration, the endpoint's history, the model package.
Writes  rollback.json (RollbackReport). That another package serves is an answer: exit 0.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from seatrial.config import read_resolved_config
from seatrial.contracts import RollbackReport, write_contract
from seatrial.deployment.operating import make_clients, operating
from seatrial.deployment.rollback import roll_back_rejected
from seatrial.steps.entry import run


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-package-arn", required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)

    config = read_resolved_config(args.config)
    name = config.endpoint.name
    with operating(name, config, make_clients(config)) as operator:
        done = roll_back_rejected(operator, config, args.model_package_arn)
    report = RollbackReport(
        endpoint_name=name,
        rejected_package_arn=args.model_package_arn,
        to=None if done is None else done.to,
    )
    write_contract(report, args.output / "rollback.json")
    return 0


if __name__ == "__main__":
    run(main)
