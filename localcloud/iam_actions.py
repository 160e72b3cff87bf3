"""What IAM would check of an AWS call: actions, resources and condition keys.

Source: AWS's Service Authorization Reference, for the services that seatrial calls. Of the rest the
action is the call's name and the resource `*`, which no scoped policy allows: so it is noticed.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from seatrial.localcloud.api import Place
from seatrial.localcloud.audit import Access
from seatrial.localcloud.iam_resources import resources_of, role_passed
from seatrial.localcloud.moto_bridge import HttpRequest, lower_headers
from seatrial.localcloud.query import read_form

_CREDENTIAL = re.compile(r"Credential=([^/]+)/[^/]+/[^/]+/([^/]+)/aws4_request")
_CBOR_PATH = re.compile(r"/service/[^/]+/operation/(\w+)")
_SCHEDULE_PATH = re.compile(r"/schedules/([^/]+)")
_OF_SCHEDULE = {
    "POST": "CreateSchedule",
    "PUT": "UpdateSchedule",
    "GET": "GetSchedule",
    "DELETE": "DeleteSchedule",
}
_INVOKE_PATH = re.compile(r"/endpoints/([^/]+)/invocations")
# Signing names that are not the prefix of IAM's actions.
_PREFIXES = {"monitoring": "cloudwatch"}
# What the tags that come along with a new resource take beside.
_TAGGING = {
    "sagemaker": "AddTags",
    "logs": "TagResource",
    "firehose": "TagDeliveryStream",
    "cloudwatch": "TagResource",
    "application-autoscaling": "TagResource",
}
_MAKING = ("Create", "Put", "Register")
# S3 actions by method, for an object and for a bucket; what a query asks for instead stands below.
_OF_OBJECT = {
    "GET": "GetObject",
    "HEAD": "GetObject",
    "PUT": "PutObject",
    "POST": "PutObject",
    "DELETE": "DeleteObject",
}
_OF_BUCKET = {
    "GET": "ListBucket",
    "HEAD": "ListBucket",
    "PUT": "CreateBucket",
    "DELETE": "DeleteBucket",
}
# Sub-resources; `uploads` and `partNumber` are parts of PutObject.
_SUB_RESOURCES = ("tagging", "acl", "policy", "lifecycle", "versioning", "encryption", "location")


@dataclass(frozen=True)
class Caller:
    """What a request's signature says."""

    access_key_id: str
    service: str


def caller_of(request: HttpRequest) -> Caller | None:
    """Who signed it, and for which service; None if nobody did."""
    header = lower_headers(request.headers).get("authorization", "")
    found = _CREDENTIAL.search(header)
    return Caller(found[1], found[2]) if found else None


def accesses(request: HttpRequest, service: str, place: Place) -> list[Access]:
    """What IAM would check of the request."""
    if service == "s3":
        return list(_s3_accesses(request))
    prefix = _PREFIXES.get(service, service)
    operation, parameters = _call(request)
    if prefix == "sts":  # GetCallerIdentity needs no permission; AssumeRole is the role's trust
        return []
    context = _context(prefix, operation, parameters)
    resources = resources_of(prefix, operation, parameters, place)
    found = [Access(f"{prefix}:{operation}", resource, context) for resource in resources]
    tagged = parameters.get("Tags") or parameters.get("tags")
    if tagged and prefix in _TAGGING and operation.startswith(_MAKING):
        found += [Access(f"{prefix}:{_TAGGING[prefix]}", resource) for resource in resources]
    passed = role_passed(prefix, parameters)
    return [*found, *(passes(role, to) for role, to in passed)]


def passes(role_arn: str, service: str) -> Access:
    """That a role is handed to a service."""
    context = (("iam:PassedToService", f"{service}.amazonaws.com"),)
    return Access("iam:PassRole", role_arn, context)


def _call(request: HttpRequest) -> tuple[str, Mapping[str, Any]]:
    """The operation's name and its parameters, whichever protocol they came in."""
    headers = lower_headers(request.headers)
    target = headers.get("x-amz-target")
    if target is not None:
        return target.rsplit(".", 1)[-1], json.loads(request.body or b"{}")
    if cbor := _CBOR_PATH.fullmatch(request.path):
        return cbor[1], _read_cbor(request.body)
    if invoked := _INVOKE_PATH.fullmatch(request.path):
        return "InvokeEndpoint", {"EndpointName": unquote(invoked[1])}
    if (scheduled := _SCHEDULE_PATH.fullmatch(request.path)) and request.method in _OF_SCHEDULE:
        parameters = json.loads(request.body or b"{}")
        return _OF_SCHEDULE[request.method], {**parameters, "Name": unquote(scheduled[1])}
    form = read_form(request.body)
    return str(form.get("Action", f"{request.method} {request.path}")), form


def _read_cbor(body: bytes) -> Mapping[str, Any]:
    from botocore.parsers import RpcV2CBORParser

    parser: Any = RpcV2CBORParser()
    found: Mapping[str, Any] = parser.parse_data_item(io.BufferedReader(io.BytesIO(body)))
    return found


def _context(
    prefix: str, operation: str, parameters: Mapping[str, Any]
) -> tuple[tuple[str, str], ...]:
    if (prefix, operation) == ("cloudwatch", "PutMetricData"):
        return (("cloudwatch:namespace", str(parameters["Namespace"])),)
    if prefix == "application-autoscaling" and "ServiceNamespace" in parameters:
        return (("application-autoscaling:service-namespace", parameters["ServiceNamespace"]),)
    return ()


def _s3_accesses(request: HttpRequest) -> Iterator[Access]:
    bucket, _, key = unquote(request.path).lstrip("/").partition("/")
    if not bucket:
        yield Access("s3:ListAllMyBuckets", "*")
        return
    query = parse_qs(request.query, keep_blank_values=True)
    action = (_OF_OBJECT if key else _OF_BUCKET).get(request.method, request.method)
    if "uploadId" in query and request.method in ("DELETE", "GET"):
        action = {"DELETE": "AbortMultipartUpload", "GET": "ListMultipartUploadParts"}[
            request.method
        ]
    elif sub := next((name for name in _SUB_RESOURCES if name in query), None):
        action = f"{request.method.capitalize()}{'Object' if key else 'Bucket'}{sub.capitalize()}"
    resource = f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
    yield Access(f"s3:{action}", resource)
    if source := lower_headers(request.headers).get("x-amz-copy-source"):
        yield Access("s3:GetObject", f"arn:aws:s3:::{unquote(source).lstrip('/')}")
