"""Gather what an endpoint predicted in a window of time.

Reads   the endpoint's configuration and tags, its prediction records in S3, its invocations in
        CloudWatch, its baseline, the ledgers of the windows before and after.
Writes  window/: window.json (Window), window.parquet, broken.jsonl, calls.json (Calls), baseline/;
        to S3 calls.json and the window's ledger, last: killed before that, nothing was counted yet.
"""

from __future__ import annotations

import argparse
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seatrial.aws import S3, client, explained, split_s3_uri
from seatrial.config import MonitoringConfig, read_resolved_config
from seatrial.contracts import ModelSignature, Window, read_contract, write_contract
from seatrial.endpoint import BASELINE_TAG, RECORDS_TAG, config_tags, get_endpoint
from seatrial.errors import InputError
from seatrial.monitoring.arrivals import arrived_objects, read_blocks
from seatrial.monitoring.cadence import LATEST, parse_cadence
from seatrial.monitoring.call_files import write_calls
from seatrial.monitoring.counts import completeness, count_events
from seatrial.monitoring.ledger import read_elsewhere, write_ledger
from seatrial.monitoring.span import Span
from seatrial.monitoring.window import Gathering
from seatrial.monitoring.window_file import WindowFile
from seatrial.steps.entry import run

# CloudWatch keeps hourly sums the longest, and answers with at most 1440 of them.
METRIC_PERIOD_S = 3600
MAX_DATAPOINTS = 1440


@dataclass(frozen=True)
class Watched:
    """An endpoint as it is configured now, and where its records and its baseline are."""

    endpoint_name: str
    endpoint_config_name: str
    variant_name: str
    model_name: str
    records_uri: str
    baseline_uri: str


def find_span(start: str, end: str, *, now: datetime) -> Span:
    """The latest window of a schedule, or that of two times."""
    cadence = parse_cadence(start)
    if cadence is not None and end == LATEST:
        return cadence.latest(now)
    span = parse_span(start, end)
    if span.start >= now:
        raise InputError(
            "the window has not begun",
            got=f"{start} to {end}",
            allowed=f"a start before {now:%Y-%m-%dT%H:%M:%SZ}",
            do="Correct it, or wait",
        )
    return span


def parse_span(start: str, end: str) -> Span:
    """The window of two ISO 8601 times; those without a zone are in UTC."""
    try:
        moments = [datetime.fromisoformat(text) for text in (start, end)]
    except ValueError as error:
        raise InputError(
            "a window's time cannot be read",
            got=f"{start} to {end}",
            allowed="ISO 8601, such as 2013-02-18T00:00:00Z",
            do="Correct it",
        ) from error
    first, last = (
        moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        for moment in moments
    )
    if first >= last:
        raise InputError(
            "the window is empty", got=f"{start} to {end}", allowed="start < end", do="Swap them"
        )
    return Span(first, last)


def find_watched(endpoint_name: str, sagemaker: Any) -> Watched:
    """The endpoint; InputError if seatrial has not deployed it."""
    state = get_endpoint(endpoint_name, sagemaker)
    tags = config_tags(state, sagemaker)
    with explained(f"the configuration of {endpoint_name}", do="Check the job role's permissions"):
        described = sagemaker.describe_endpoint_config(
            EndpointConfigName=state.endpoint_config_name
        )
    missing = [name for name in (RECORDS_TAG, BASELINE_TAG) if name not in tags]
    if missing:
        raise InputError(
            f"{endpoint_name} is not watched by seatrial",
            got=f"no tag {', '.join(missing)} on {state.endpoint_config_name}",
            allowed="an endpoint that seatrial has deployed",
            do="Deploy it by approving its model package",
        )
    variant = described["ProductionVariants"][0]
    return Watched(
        endpoint_name=endpoint_name,
        endpoint_config_name=state.endpoint_config_name,
        variant_name=variant["VariantName"],
        model_name=variant["ModelName"],
        records_uri=tags[RECORDS_TAG],
        baseline_uri=tags[BASELINE_TAG],
    )


def count_invocations(watched: Watched, span: Span, cloudwatch: Any) -> int | None:
    """CloudWatch's count of invocations in the window; None if it has none.

    It counts by arrival, so a replay of history has none in its own window.
    """
    window_s = (span.end - span.start).total_seconds()
    period_s = METRIC_PERIOD_S * math.ceil(window_s / METRIC_PERIOD_S / MAX_DATAPOINTS)
    with explained("the invocations", do="Allow cloudwatch:GetMetricStatistics to the job's role"):
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="Invocations",
            Dimensions=[
                {"Name": "EndpointName", "Value": watched.endpoint_name},
                {"Name": "VariantName", "Value": watched.variant_name},
            ],
            StartTime=span.start,
            EndTime=span.end,
            Period=period_s,
            Statistics=["Sum"],
        )["Datapoints"]
    return round(sum(point["Sum"] for point in points)) if points else None


def collect(
    watched: Watched,
    span: Span,
    monitoring: MonitoringConfig,
    clients: Mapping[str, Any],
    output: Path,
) -> Window:
    """Write the window of `watched` into `output`, note what it counted, and return its counts."""
    from seatrial.serving.signature import read_signature

    s3, records_uri = clients["s3"], watched.records_uri
    # a run that was ended here has left half of a file, under a name of its own
    shutil.rmtree(output / "baseline", ignore_errors=True)
    baseline = S3(s3).download_folder(watched.baseline_uri, output / "baseline")
    file = WindowFile(output, read_contract(ModelSignature, baseline / "signature.json"))
    gathering = Gathering(
        span=span,
        model_version=watched.model_name,
        signature=read_signature(baseline),
        file=file,
        max_rows=monitoring.max_rows,
        elsewhere=read_elsewhere(s3, records_uri, span),
    )
    objects = arrived_objects(s3, records_uri, span.start)
    for block in read_blocks(s3, split_s3_uri(records_uri)[0], objects):
        gathering.take(block)
    gathering.finish()
    invocations = count_invocations(watched, span, clients["cloudwatch"])
    window = _window(watched, gathering, invocations, monitoring)
    write_contract(window, output / "window.json")
    calls = gathering.calls.calls(watched.endpoint_name, span, window.completeness_ratio)
    write_contract(calls, output / "calls.json")
    write_calls(s3, records_uri, calls)
    write_ledger(s3, records_uri, span, gathering.events)
    return window


def _window(
    watched: Watched, gathering: Gathering, invocations: int | None, monitoring: MonitoringConfig
) -> Window:
    span, events = gathering.span, gathering.events
    counts = count_events(events, span, more_duplicates=gathering.more_duplicates)
    return Window(
        endpoint_name=watched.endpoint_name,
        variant_name=watched.variant_name,
        endpoint_config_name=watched.endpoint_config_name,
        baseline_uri=watched.baseline_uri,
        started_at=span.start,
        ended_at=span.end,
        broken_lines=gathering.broken,
        invocations=invocations,
        completeness_ratio=completeness(events, span, invocations),
        min_completeness_ratio=monitoring.min_completeness_ratio,
        unobserved_columns=tuple(sorted(gathering.unobserved)),
        foreign_versions=tuple(sorted(gathering.foreign)),
        **vars(counts),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint-name", required=True)
    parser.add_argument("--window-start", required=True)
    parser.add_argument("--window-end", required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)
    span = find_span(args.window_start, args.window_end, now=datetime.now(UTC))
    config = read_resolved_config(args.config)
    names = ("sagemaker", "s3", "cloudwatch")
    clients = {name: client(name, region=config.region) for name in names}
    watched = find_watched(args.endpoint_name, clients["sagemaker"])
    collect(watched, span, config.monitoring, clients, args.output)
    return 0


if __name__ == "__main__":
    run(main)
