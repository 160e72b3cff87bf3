"""Gather what an endpoint predicted in a window of time.

Reads   the endpoint's configuration and tags, its prediction records in S3, its invocations in
        CloudWatch, its baseline.
Writes  window/: window.json (Window), window.parquet, broken.jsonl, baseline/
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from seatrial.aws import S3, client, explained, split_s3_uri
from seatrial.config import read_resolved_config
from seatrial.contracts import ModelSignature, Window, read_contract, write_contract
from seatrial.endpoint import BASELINE_TAG, RECORDS_TAG, config_tags, get_endpoint
from seatrial.errors import InputError
from seatrial.monitoring.arrivals import arrived_keys, read_lines
from seatrial.monitoring.window import (
    BrokenLine,
    Span,
    completeness,
    decode_rows,
    sort_lines,
    write_window,
)
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


def collect(watched: Watched, span: Span, clients: Mapping[str, Any], output: Path) -> Window:
    """Write the window of `watched` into `output`, and return its counts."""
    from seatrial.serving.signature import read_signature

    s3 = clients["s3"]
    baseline = S3(s3).download_folder(watched.baseline_uri, output / "baseline")
    signature = read_contract(ModelSignature, baseline / "signature.json")
    keys = arrived_keys(s3, watched.records_uri, span.start)
    lines = read_lines(s3, split_s3_uri(watched.records_uri)[0], keys)
    found = sort_lines(lines, model_version=watched.model_name, span=span)
    rows = decode_rows(found, read_signature(baseline))
    invocations = count_invocations(watched, span, clients["cloudwatch"])
    window = Window(
        endpoint_name=watched.endpoint_name,
        variant_name=watched.variant_name,
        endpoint_config_name=watched.endpoint_config_name,
        baseline_uri=watched.baseline_uri,
        started_at=span.start,
        ended_at=span.end,
        records=len(rows.records),
        rows=len(rows),
        synthetic_records=found.synthetic,
        duplicate_records=found.duplicate,
        broken_lines=len(found.broken),
        failed_requests=found.failed,
        foreign_records=found.foreign,
        invocations=invocations,
        completeness_ratio=completeness(found, invocations),
        unobserved_columns=tuple(sorted(rows.unobserved)),
    )
    write_window(rows, signature, output / "window.parquet")
    write_broken(found.broken, output / "broken.jsonl")
    write_contract(window, output / "window.json")
    return window


def write_broken(broken: Iterable[BrokenLine], path: Path) -> None:
    """The lines that were put aside, as JSON Lines with the reason."""
    with path.open("wb") as file:
        for item in broken:
            text = item.line.decode("utf-8", errors="replace")
            document = {"reason": item.reason, "line": text}
            file.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))


def main(argv: Sequence[str] | None = None) -> int:
    """The step's program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint-name", required=True)
    parser.add_argument("--window-start", required=True)
    parser.add_argument("--window-end", required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(argv)
    span = parse_span(args.window_start, args.window_end)
    region = read_resolved_config(args.config).region
    clients = {name: client(name, region=region) for name in ("sagemaker", "s3", "cloudwatch")}
    collect(find_watched(args.endpoint_name, clients["sagemaker"]), span, clients, args.output)
    return 0


if __name__ == "__main__":
    run(main)
