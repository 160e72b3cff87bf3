"""The way of the prediction records to S3: log group, delivery stream, subscription filter."""

from __future__ import annotations

from typing import Any

from seatrial.config import Config
from seatrial.contracts import Action
from seatrial.deployment.existing import Existing
from seatrial.deployment.target import Target, log_group, stream_name


def plan_records(target: Target, existing: Existing, config: Config) -> list[Action]:
    """What is missing of it."""
    group, stream = log_group(target.endpoint_name), stream_name(target.endpoint_name)
    actions = []
    if not existing.log_group:
        key = {"kmsKeyId": target.kms_key_arn} if target.kms_key_arn else {}
        parameters = {"logGroupName": group, "tags": _lasting_tags(target), **key}
        actions.append(Action(service="logs", method="create_log_group", parameters=parameters))
    if not existing.delivery_stream:
        actions.append(
            Action(
                service="firehose",
                method="create_delivery_stream",
                parameters=_delivery_stream(target, config),
            )
        )
    if not existing.subscription:
        arn = f"arn:aws:firehose:{config.region}:{config.account}:deliverystream/{stream}"
        parameters = {
            "logGroupName": group,
            "filterName": "seatrial",
            "filterPattern": '"captureData"',
            "destinationArn": arn,
            "roleArn": config.roles.logs,
        }
        actions.append(
            Action(service="logs", method="put_subscription_filter", parameters=parameters)
        )
    return actions


def _lasting_tags(target: Target) -> dict[str, str]:
    """Without what belongs to one deployment: these stay through many."""
    from seatrial.deployment.target import ENDPOINT_TAG, PROJECT_TAG

    return {key: value for key, value in target.tags.items() if key in (ENDPOINT_TAG, PROJECT_TAG)}


def _delivery_stream(target: Target, config: Config) -> dict[str, Any]:
    stream = stream_name(target.endpoint_name)
    prefix = target.records_uri.removeprefix(f"s3://{config.bucket}/")
    encryption = {"KMSEncryptionConfig": {"AWSKMSKeyARN": target.kms_key_arn}}
    destination = {
        "RoleARN": config.roles.firehose,
        "BucketARN": f"arn:aws:s3:::{config.bucket}",
        "Prefix": f"{prefix}/!{{timestamp:yyyy/MM/dd/HH}}/",
        "ErrorOutputPrefix": f"undelivered/{stream}/!{{firehose:error-output-type}}/",
        "BufferingHints": {
            "IntervalInSeconds": int(config.monitoring.firehose_buffer_s),
            "SizeInMBs": 64,
        },
        **({"EncryptionConfiguration": encryption} if target.kms_key_arn else {}),
        "ProcessingConfiguration": {
            "Enabled": True,
            "Processors": [
                _processor("Decompression", "CompressionFormat", "GZIP"),
                _processor("CloudWatchLogProcessing", "DataMessageExtraction", "true"),
            ],
        },
    }
    return {
        "DeliveryStreamName": stream,
        "DeliveryStreamType": "DirectPut",
        "ExtendedS3DestinationConfiguration": destination,
        "Tags": [{"Key": key, "Value": value} for key, value in _lasting_tags(target).items()],
    }


def _processor(kind: str, name: str, value: str) -> dict[str, Any]:
    return {"Type": kind, "Parameters": [{"ParameterName": name, "ParameterValue": value}]}
