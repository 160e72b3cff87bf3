"""moto in this process: the services that localcloud does not answer itself, and a way into them.

Its WSGI application is called directly, with the raw path and the spelling of header names that it
needs for S3 and that general bridges drop.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from moto.backends import get_backend
from moto.core.request import (
    PRESERVED_HEADER_NAMES_ENVIRON_KEY,
    environ_key_for_header,
    should_preserve_original_header_name,
)
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import run_wsgi_app

from seatrial.aws import split_s3_uri
from seatrial.localcloud.alarm_states import evaluate
from seatrial.localcloud.api import ACCOUNT, AwsError
from seatrial.localcloud.filter_pattern import read_pattern
from seatrial.localcloud.firehose import Batch, Target, read_target
from seatrial.localcloud.moto_metrics import Distributions, answer_reads

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HttpRequest:
    """A request as it came in; `path` is still percent-encoded, header names are as sent."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True)
class HttpAnswer:
    """An answer as it goes out."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Moto:
    """Safe to use from several threads, as far as moto is; conditional writes take their turns."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._application = DomainDispatcherApplication(create_backend_app)
        self._conditional = threading.Lock()
        self._distributions = Distributions()
        answer_reads(self._distributions)

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """moto's answer to an AWS call."""
        names = {name.lower() for name, _ in request.headers}
        if request.method in ("PUT", "POST") and names & {"if-match", "if-none-match"}:
            with self._conditional:  # moto looks, then writes; two at once would both win
                return self._call(request)
        return self._call(request)

    def _call(self, request: HttpRequest) -> HttpAnswer:
        try:
            chunks, status, headers = run_wsgi_app(
                self._application, _environment(request), buffered=True
            )
        except NotImplementedError as error:  # moto's word for a call that it does not know
            raise AwsError("NotImplemented", f"localcloud: {error}", status=501) from error
        return HttpAnswer(int(status.split()[0]), tuple(headers.items()), b"".join(chunks))

    def read_object(self, uri: str) -> bytes:
        """The content of an S3 object; AwsError if there is none."""
        bucket, key = split_s3_uri(uri)
        try:
            found = self._backend("s3", "aws").get_object(bucket, key)
        except Exception as error:  # moto's own tree of errors, one per service
            raise AwsError("NoSuchBucket", f"localcloud: {uri}: {error}", status=404) from error
        if found is None:
            raise AwsError("NoSuchKey", f"localcloud: there is no object {uri}", status=404)
        content: bytes = found.value
        return content

    def object_exists(self, uri: str) -> bool:
        """Whether there is that S3 object."""
        try:
            self.read_object(uri)
        except AwsError:
            return False
        return True

    def write_object(self, bucket: str, key: str, content: bytes) -> None:
        """Put an S3 object; AwsError if there is no such bucket."""
        try:
            self._backend("s3", "aws").put_object(bucket, key, content)
        except Exception as error:
            raise AwsError("NoSuchBucket", f"localcloud: s3://{bucket}: {error}") from error

    def role_of(self, access_key_id: str) -> str | None:
        """The role that AssumeRole gave the key for; None if it gave none."""
        found = self._backend("sts", "aws").get_assumed_role_from_access_key(access_key_id)
        return None if found is None else str(found.role_arn)

    def put_log_lines(self, group: str, stream: str, lines: list[str], now_ms: int) -> None:
        """Append lines to a log stream; group and stream are made where they are missing."""
        logs = self._backend("logs", self._region)
        logs.ensure_log_group(group)
        logs.ensure_log_stream(group, stream)
        logs.put_log_events(
            group, stream, [{"timestamp": now_ms, "message": line} for line in lines]
        )

    def put_metrics(self, namespace: str, data: list[dict[str, Any]]) -> None:
        """Put CloudWatch metrics, given as in PutMetricData with UTC timestamps."""
        self._distributions.put(self._backend("cloudwatch", self._region), namespace, data)

    def evaluate_alarms(self, now: float) -> None:
        """Bring the metric alarms up to date; `now` is seconds since 1970."""
        backend = self._backend("cloudwatch", self._region)
        evaluate(backend, self._distributions.samples_of(backend), now=now)

    def delivery_target(self, stream_name: str) -> Target | None:
        """Where that Firehose stream delivers to; None if it is gone or does not go to S3."""
        stream = self._backend("firehose", self._region).delivery_streams.get(stream_name)
        config = stream and stream.destinations[0].get("ExtendedS3")
        return read_target(stream_name, config) if config else None

    def take_over_firehose(self, accept: Callable[[Batch], None]) -> None:
        """Give what log groups send to Firehose to `accept`.

        moto would ignore the filter's pattern and write one object per call. For the whole process.
        """
        from moto.logs.models import LogStream

        patched: Any = LogStream
        elsewhere = LogStream._send_log_events

        def send(
            stream: Any,
            service: str,
            destination_arn: str,
            filter_name: str,
            log_events: list[dict[str, Any]],
        ) -> None:
            if service != "firehose":
                elsewhere(stream, service, destination_arn, filter_name, log_events)
                return
            group = stream.log_group
            subscription = group.subscription_filters[filter_name]
            matches = read_pattern(subscription.filter_pattern or "")
            events = tuple(event for event in log_events if matches(event["message"]))
            if events:
                name = destination_arn.rsplit("/", 1)[1]
                log_stream, role = stream.log_stream_name, subscription.role_arn or ""
                accept(
                    Batch(name, filter_name, group.name, log_stream, events, destination_arn, role)
                )

        patched._send_log_events = send

    def _backend(self, service: str, region: str) -> Any:
        find: Any = get_backend  # its hundreds of overloads want a literal name
        return find(service)[ACCOUNT][region]


def _environment(request: HttpRequest) -> dict[str, Any]:
    """The WSGI environment of the request, as moto's own server makes it."""
    environment: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
        "RAW_URI": f"{request.path}?{request.query}" if request.query else request.path,
        "QUERY_STRING": request.query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    spellings: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for name, value in request.headers:
        if name.lower() in ("content-length", "transfer-encoding"):
            continue
        key = environ_key_for_header(name)
        values.setdefault(key, []).append(value)
        if should_preserve_original_header_name(name):
            spellings[key] = name
    environment.update({key: ",".join(several) for key, several in values.items()})
    environment[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = spellings
    return environment


def lower_headers(headers: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """Header values by lower-case name."""
    return {name.lower(): value for name, value in headers}
