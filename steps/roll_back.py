"""Roll back if the endpoint serves what was rejected, or what a verdict has found wanting.

Reads   the configuration, the endpoint's history, the model packages.
Writes  rollback.json (RollbackReport). That something else serves by now, or that there is nothing
        to go back to after a verdict, is an answer: exit 0.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from seatrial.config import Config, read_resolved_config
from seatrial.contracts import RollbackReport, write_contract
from seatrial.deployment.judged import Answer, roll_back_judged
from seatrial.deployment.operating import make_clients, operating
from seatrial.deployment.operator import Operator
from seatrial.deployment.rollback import NOT_ASKED, roll_back_rejected
from seatrial.errors import InputError
from seatrial.steps.entry import run


def check_one(package_arn: str, config_name: str) -> None:
    """InputError unless exactly one of the two has asked."""
    if (package_arn == NOT_ASKED) == (config_name == NOT_ASKED):
        raise InputError(
            "a rollback is asked for by a rejection or by a verdict",
            got=f"ModelPackageArn {package_arn}, EndpointConfigName {config_name}",
            allowed=f"one of them, the other {NOT_ASKED}",
            do="Give the package that was rejected, or the configuration that was judged",
        )


def answer(operator: Operator, config: Config, package_arn: str, config_name: str) -> Answer:
    """Roll back for whichever of the two has asked."""
    if config_name != NOT_ASKED:
        return roll_back_judged(operator, config, config_name)
    done = roll_back_rejected(operator, config, package_arn)
    if done is None:
        return Answer(kept=f"{package_arn} is not rejected, or not what was deployed last")
    return Answer(done)


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-package-arn", default=NOT_ASKED)
    parser.add_argument("--endpoint-config-name", default=NOT_ASKED)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)

    package_arn, config_name = args.model_package_arn, args.endpoint_config_name
    check_one(package_arn, config_name)
    config = read_resolved_config(args.config)
    name = config.endpoint.name
    with operating(name, config, make_clients(config)) as operator:
        given = answer(operator, config, package_arn, config_name)
    report = RollbackReport(
        endpoint_name=name,
        rejected_package_arn=None if package_arn == NOT_ASKED else package_arn,
        judged_config_name=None if config_name == NOT_ASKED else config_name,
        to=None if given.done is None else given.done.to,
        kept=given.kept,
    )
    write_contract(report, args.output / "rollback.json")
    return 0


if __name__ == "__main__":
    run(main)
