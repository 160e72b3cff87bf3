"""Review how an endpoint is configured, and tell people if that should change.

Reads   the configuration, the endpoint, its metrics, image and verdicts on windows; advisories.
Writes  review.json (Review) and change.yaml. Publishes to the alert topic only if something should
        change. Exits 0 whatever it finds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from seatrial.aws import client
from seatrial.config import read_resolved_config
from seatrial.contracts import write_contract
from seatrial.monitoring.messages import publish
from seatrial.review.change import change_yaml
from seatrial.review.letter import letter
from seatrial.review.run import review_endpoint
from seatrial.steps.entry import run


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint-name", required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--output-uri", required=True, help="where S3 will have the output")
    args = parser.parse_args(argv)

    config = read_resolved_config(args.config)
    days, now = config.review.days, datetime.now(UTC)
    found = review_endpoint(args.endpoint_name, config, days=days, now=now)
    write_contract(found, args.output / "review.json")
    (args.output / "change.yaml").write_text(change_yaml(found), encoding="utf-8")
    if found.to_do:
        told = letter(found, f"{args.output_uri}/review.json")
        publish(told, config.monitoring.alert_topic_arn, client("sns", region=config.region))
    return 0


if __name__ == "__main__":
    run(main)
