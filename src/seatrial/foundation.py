"""What has to be there before anything else: the bucket and the alert topic.

On AWS the account's owner makes them once. A localcloud is empty whenever it starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.aws import explained
from seatrial.config import Config


def lay_foundation(config: Config, clients: Mapping[str, Any]) -> None:
    """Make the bucket and the topic that the configuration names; `clients`: s3 and sns."""
    topic = config.monitoring.alert_topic_arn.rsplit(":", 1)[-1]
    with explained(f"the bucket {config.bucket} and the topic {topic}", do="Check their names"):
        clients["s3"].create_bucket(Bucket=config.bucket)
        clients["sns"].create_topic(Name=topic)
