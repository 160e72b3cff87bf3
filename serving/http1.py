"""HTTP/1.1 without sockets: what a client sends goes in, what it is to be sent comes out.

A request is answered once it is whole, in one piece; requests that come together are answered in
their order. What is no request gets a 4xx, and its connection ends.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import httptools

from seatrial.serving.errors import RequestError
from seatrial.serving.reply import Reply, fault, head_too_large, json_reply, not_http, written

MAX_BODY_BYTES = 4 * 2**20  # the service's own limit, each way
# The line and the headers together; nginx and Apache allow 32 KB and less.
MAX_HEAD_BYTES = 64 * 2**10
# A body over its limit is read and thrown away, so that its sender sees the refusal; up to here.
MAX_DISCARDED_BYTES = 64 * 2**20

# Almost every request's; the others take a parser.
_PATHS = {b"/ping": "/ping", b"/invocations": "/invocations"}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Call(NamedTuple):
    """A request; header names are in lower case, `body` is None if it was over the limit."""

    method: str
    path: str
    headers: dict[bytes, bytes]
    body: bytes | None


Answerer = Callable[[Call], Reply]


class Connection:
    """One client's requests.

    `closing`: what still comes does not count, and the connection ends when all is sent.
    `ending`: set it, and the next answer is the last. `busy`: a request has begun, but not ended.
    """

    def __init__(self, answer: Answerer) -> None:
        self.closing = self.ending = self.busy = False
        self._answer = answer
        self._parser = httptools.HttpRequestParser(self)
        # Requests, each with whether it is the last; and what is sent as it is.
        self._whole: list[tuple[Call, bool] | bytes] = []
        self._unread_bytes = 0  # since the parser last made something of them
        self._reset()

    def _reset(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._in_body = False
        self._chunks: list[bytes] = []
        self._body_bytes = 0

    def feed(self, data: bytes | memoryview) -> bytes:
        """What to send now that `data` has come."""
        if self.closing:
            return b""
        self._unread_bytes += len(data)
        self._parse(data)
        whole, self._whole = self._whole, []
        answers = [item if isinstance(item, bytes) else self._answered(*item) for item in whole]
        return answers[0] if len(answers) == 1 else b"".join(answers)

    def _parse(self, data: bytes | memoryview) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # declined: it is answered as if it had not asked for it
        except httptools.HttpParserError as error:
            self._refuse(not_http(error))
        if self._unread_bytes > MAX_HEAD_BYTES:
            self._refuse(head_too_large(MAX_HEAD_BYTES))

    def _answered(self, call: Call, last: bool) -> bytes:
        bodiless = call.method == "HEAD"
        try:
            return written(self._answer(call), last=last, bodiless=bodiless)
        # Whatever it is, the caller gets an answer and the log a trace: a model's own code may
        # also call sys.exit, or give a content type that is no header.
        except (Exception, SystemExit) as error:
            import traceback

            traceback.print_exc(file=sys.stderr)
            return written(json_reply(fault(error), 500), last=last, bodiless=bodiless)

    def _refuse(self, error: RequestError) -> None:
        """The last answer, unless there is one already."""
        if not self.closing:
            self.closing = True
            self._whole.append(written(json_reply(error, error.status), last=True))

    def _complete(self, *, last: bool = False) -> None:
        """The request is as whole as it will be."""
        body = None
        if self._body_bytes <= MAX_BODY_BYTES:
            body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        call = Call(self._parser.get_method().decode(), _path(self._url), self._headers, body)
        self.closing = last or self.ending or not self._stays_open()
        self._whole.append((call, self.closing))
        self.busy = False

    def _stays_open(self) -> bool:
        if not self._parser.should_keep_alive() or self._parser.should_upgrade():
            return False
        # HTTP/1.0 stays open by this header only, and then wants it in the answer too.
        return b"connection" not in self._headers or self._parser.get_http_version() != "1.0"

    def _head_bytes(self) -> int:
        """As far as it is kept: a colon, a space and a line end with each header."""
        headers = self._headers
        text = sum(map(len, headers)) + sum(map(len, headers.values()))
        return len(self._url) + text + 4 * len(headers)

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._reset()
        self.busy = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:  # else it is a trailer
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        # What came may also hold a part of the body.
        if self._unread_bytes > MAX_HEAD_BYTES and self._head_bytes() > MAX_HEAD_BYTES:
            self._refuse(head_too_large(MAX_HEAD_BYTES))
        self._in_body, self._unread_bytes = True, 0
        if b"expect" in self._headers and not self.closing:
            self._expected()

    def _expected(self) -> None:
        if self._headers[b"expect"].lower() != b"100-continue":
            return
        declared_bytes = int(self._headers.get(b"content-length", b"0"))
        if declared_bytes <= MAX_BODY_BYTES:
            self._whole.append(_CONTINUE)
        else:
            self._body_bytes = declared_bytes
            self._complete(last=True)  # the body has not been sent, and need not be

    def on_body(self, body: bytes) -> None:
        self._unread_bytes = 0
        self._body_bytes += len(body)
        if self._body_bytes <= MAX_BODY_BYTES:
            self._chunks.append(body)
            return
        self._chunks.clear()
        if self._body_bytes > MAX_DISCARDED_BYTES and not self.closing:
            self._complete(last=True)

    def on_message_complete(self) -> None:
        self._unread_bytes = 0
        if not self.closing:
            self._complete()


def _path(url: bytes) -> str:
    """The path that a URL names; httptools' error or a UnicodeDecodeError if it is none."""
    if url in _PATHS:
        return _PATHS[url]
    from urllib.parse import unquote

    path = httptools.parse_url(url).path or b"/"
    return unquote(path.decode("ascii"))
