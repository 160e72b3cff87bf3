"""The client: one for all servers, blocking or with epoll, requests made beforehand.

It reads HTTP only as far as to know that an answer is whole and its status 200.
"""

from __future__ import annotations

import itertools
import select
import socket
import time
from collections.abc import Sequence

_HEAD_END, _LENGTH = b"\r\n\r\n", b"\r\ncontent-length:"
_TIMEOUT_S = 60.0


class LoadError(Exception):
    """A server's answer is not a prediction."""


def request_bytes(path: str, content_type: str, body: bytes) -> bytes:
    """A POST over a connection that stays open."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
        f"Accept: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def whole_answer(data: bytes) -> bytes | None:
    """The body of the answer, or None while it is incomplete; LoadError if it is no 200."""
    head = data.find(_HEAD_END)
    if head < 0:
        return None
    if data[9:12] != b"200":
        raise LoadError(data.decode("latin-1")[:500])
    at = data.lower().find(_LENGTH, 0, head)
    if at < 0:
        raise LoadError(f"no content-length: {data.decode('latin-1')[:500]}")
    begin = head + len(_HEAD_END)
    end = begin + int(data[at + len(_LENGTH) : data.index(b"\r\n", at + 2)])
    return data[begin:end] if len(data) >= end else None


def connect(port: int) -> socket.socket:
    """A connection that sends at once."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def ask(connection: socket.socket, request: bytes) -> bytes:
    """The answer's body."""
    connection.sendall(request)
    data = b""
    while (body := whole_answer(data)) is None:
        more = connection.recv(65536)
        if not more:
            raise LoadError("the server closed the connection")
        data += more
    return body


def one_client_ms(port: int, requests: Sequence[bytes], count: int) -> list[float]:
    """Milliseconds of each of `count` requests, one after the other."""
    taken = []
    with connect(port) as connection:
        for request in itertools.islice(itertools.cycle(requests), count):
            begun = time.perf_counter()
            ask(connection, request)
            taken.append(1000 * (time.perf_counter() - begun))
    return taken


def answered(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> int:
    """How many requests are answered in that time to clients that each always wait for one."""
    connections = [connect(port) for _ in range(clients)]
    by_number = {connection.fileno(): connection for connection in connections}
    waiting = select.epoll()
    data = dict.fromkeys(by_number, b"")
    following = itertools.cycle(requests)
    count = 0
    try:
        for number, connection in by_number.items():
            waiting.register(number, select.EPOLLIN)
            connection.sendall(next(following))
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for number, _ in waiting.poll(_TIMEOUT_S):
                more = by_number[number].recv(65536)
                if not more:
                    raise LoadError("the server closed the connection")
                data[number] += more
                if whole_answer(data[number]) is not None:
                    count += 1
                    data[number] = b""
                    by_number[number].sendall(next(following))
    finally:
        waiting.close()
        for connection in connections:
            connection.close()
    return count
