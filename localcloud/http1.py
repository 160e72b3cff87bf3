"""One HTTP/1.1 connection to a model server, one request at a time.

A general client costs about a millisecond of CPU a request, which would be most of localcloud's
overhead. Timeouts are the caller's.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import httptools


@dataclass(frozen=True)
class Answer:
    """What the server said; header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes


class AnswerTooLarge(Exception):  # noqa: N818 - a condition of the answer
    """The body is larger than was allowed; the rest of it was not read."""


class Connection(asyncio.Protocol):
    """Open with `connect`. Broken for good after any exception."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._max_body_bytes = 0
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._headers_complete = False

    @property
    def usable(self) -> bool:
        """False once either side has closed it."""
        return self._transport is not None and not self._transport.is_closing()

    async def request(
        self, method: str, path: str, headers: dict[str, str], body: bytes, max_body_bytes: int
    ) -> Answer:
        """Send it and wait for the whole answer; ConnectionError if the server goes away."""
        if self._transport is None or not self.usable:
            raise ConnectionError("the connection is closed")
        self._reset()
        self._max_body_bytes = max_body_bytes
        self._answer = asyncio.get_running_loop().create_future()
        lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._transport.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return await self._answer

    def close(self) -> None:
        """Close it; a request in flight fails."""
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - create_connection's promise
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"not an HTTP answer: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._headers_complete and "content-length" not in self._headers and exc is None:
            self.on_message_complete()  # HTTP/1.0: the end of the connection ends the body
        self._fail(exc or ConnectionError("the server closed the connection without an answer"))

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._headers_complete = True

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > self._max_body_bytes:
            self._fail(AnswerTooLarge(f"over {self._max_body_bytes} bytes"))

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # 100 Continue and the like; the answer is still to come
            self._headers, self._headers_complete = {}, False
            return
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(status, self._headers, bytes(self._body)))
        if not self._parser.should_keep_alive() and self._transport is not None:
            self._transport.close()

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
            self.close()


async def connect(port: int) -> Connection:
    """Connect to that port on loopback; OSError if nothing listens."""
    _, connection = await asyncio.get_running_loop().create_connection(
        Connection, "127.0.0.1", port
    )
    return connection
