"""The calls of the flow tests, short: models, configurations and endpoints through boto3."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from botocore.exceptions import ClientError
from doubling_model import archive_of
from record_delivery import BUCKET, VARIANT, make_bucket

from seatrial.localcloud.whereabouts import status_details

GROUP = "/aws/sagemaker/Endpoints/"
ROLE = "arn:aws:iam::123456789012:role/test"
MB = 2**20
Seen = TypeVar("Seen")


class Aws:
    """A cloud's endpoints of the image `tiny`; all of one variant, in one bucket."""

    def __init__(self, cloud: Any) -> None:
        self.cloud = cloud
        self.sagemaker = cloud.client("sagemaker")
        self.runtime = cloud.client("sagemaker-runtime")
        self.s3 = cloud.client("s3")
        make_bucket(cloud.client)

    def model(self, name: str, text: str = "one", **environment: str) -> None:
        """A model whose archive holds model.txt with that text."""
        key = f"{name}/model.tar.gz"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=archive(text))
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={
                "Image": "tiny",
                "ModelDataUrl": f"s3://{BUCKET}/{key}",
                "Environment": environment,
            },
        )

    def config(self, name: str, model: str | None = None, **serverless: int) -> None:
        """A configuration of the model with the same name, or of another one."""
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[variant(model or name, **serverless)]
        )

    def endpoint(self, name: str, **environment: str) -> None:
        """Model, configuration and endpoint of that name, in service."""
        self.model(name, **environment)
        self.config(name)
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        assert self.settled(name)["EndpointStatus"] == "InService"

    def settled(self, name: str) -> dict[str, Any]:
        """The endpoint, once nothing is being done to it any more."""
        found: dict[str, Any] = wait_for(
            lambda: self.sagemaker.describe_endpoint(EndpointName=name),
            lambda seen: seen["EndpointStatus"] not in ("Creating", "Updating"),
        )
        return found

    def ask(self, name: str, body: str | bytes, **parameters: Any) -> str:
        """The text that the endpoint answers."""
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=body, **parameters)
        text: str = answer["Body"].read().decode()
        return text

    def sandboxes(self, name: str) -> list[dict[str, Any]]:
        """What runs for the endpoint now."""
        details = status_details(self.cloud.info)
        found: list[dict[str, Any]] = next(
            item["sandboxes"] for item in details["endpoints"] if item["name"] == name
        )
        return found

    def log_lines(self, name: str) -> list[str]:
        """All that the endpoint's sandboxes printed."""
        events = self.cloud.client("logs").filter_log_events(logGroupName=GROUP + name)["events"]
        return [event["message"] for event in events]


def variant(model: str, **serverless: int) -> dict[str, Any]:
    """A serverless variant of that model."""
    return {
        "VariantName": VARIANT,
        "ModelName": model,
        "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 2} | serverless,
    }


def archive(text: str) -> bytes:
    """A model.tar.gz with that text."""
    return archive_of({"model.txt": text.encode()})


def dimensions(endpoint_name: str) -> list[dict[str, str]]:
    """Those of an endpoint's metrics."""
    return [
        {"Name": "EndpointName", "Value": endpoint_name},
        {"Name": "VariantName", "Value": VARIANT},
    ]


def today() -> dict[str, datetime]:
    """An hour to both sides of now, as CloudWatch's calls want it."""
    now = datetime.now(UTC)
    return {"StartTime": now - timedelta(hours=1), "EndTime": now + timedelta(hours=1)}


def total(
    cloudwatch: Any,
    endpoint_name: str,
    metric: str,
    statistic: str = "Sum",
    *,
    namespace: str = "AWS/SageMaker",
) -> float:
    """A metric of the endpoint, over all that it has been asked; 0 without data."""
    points: Iterable[dict[str, float]] = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=dimensions(endpoint_name),
        Period=7200,
        Statistics=[statistic],
        **today(),
    )["Datapoints"]
    return sum(point[statistic] for point in points)


def wait_for(
    look: Callable[[], Seen], wanted: Callable[[Seen], Any], timeout_s: float = 15
) -> Seen:
    """What is seen, once it is as wanted."""
    deadline = time.monotonic() + timeout_s
    while not wanted(seen := look()):
        assert time.monotonic() < deadline, f"still {seen!r} after {timeout_s} s"
        time.sleep(0.05)
    return seen


def error_of(call: Any, *args: Any, **parameters: Any) -> dict[str, Any]:
    """Error and top-level fields of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(*args, **parameters)
    response: dict[str, Any] = caught.value.response
    return response
