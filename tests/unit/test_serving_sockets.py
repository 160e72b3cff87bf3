"""The server's sockets: who is silent is closed, and a listener that fails accepts again."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from seatrial.serving import server as module
from seatrial.serving.http1 import Call
from seatrial.serving.reply import Reply
from seatrial.serving.server import Server

PING = b"GET /ping HTTP/1.1\r\n\r\n"


def pong(_: Call) -> Reply:
    return Reply(200, "application/json", b"{}")


@contextmanager
def serving(listener: socket.socket, *, keep_alive_s: float = 75.0) -> Iterator[int]:
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    port: int = listener.getsockname()[1]
    server = Server(listener, pong, keep_alive_s=keep_alive_s)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield port
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


@pytest.mark.parametrize("begun", [b"", b"GET /pi", PING])
def test_a_silent_client_is_closed_after_a_while(
    begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TICK_S", 0.02)
    with serving(socket.socket(), keep_alive_s=0.2) as port, connected(port) as client:
        started_at = time.monotonic()
        client.sendall(begun)
        while client.recv(1000):
            pass
        assert 0.15 < time.monotonic() - started_at < 2


def test_a_client_that_keeps_asking_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TICK_S", 0.02)
    with serving(socket.socket(), keep_alive_s=0.3) as port, connected(port) as client:
        for _ in range(8):
            client.sendall(PING)
            assert client.recv(1000).endswith(b"{}")
            time.sleep(0.1)


class OutOfFiles(socket.socket):
    """Cannot accept the first time."""

    failed = False

    def accept(self) -> tuple[socket.socket, object]:
        if not self.failed:
            self.failed = True
            raise OSError(24, "Too many open files")
        return super().accept()


def test_a_server_out_of_files_accepts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TICK_S", 0.02)
    with serving(OutOfFiles()) as port, connected(port) as client:
        client.sendall(PING)
        assert client.recv(1000).endswith(b"{}")


def test_what_was_sent_before_it_stops_is_answered() -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = Server(listener, pong)
    with connected(listener.getsockname()[1]) as client:
        client.sendall(PING)
        server.stop()
        server.run()
        assert client.recv(1000).endswith(b"{}")


def test_a_refused_client_can_read_why_while_it_still_sends() -> None:
    with serving(socket.socket()) as port, connected(port) as client:
        client.sendall(b"no request\r\n\r\n")
        time.sleep(0.1)
        client.sendall(b"x" * 1000)
        answer = b"".join(iter(lambda: client.recv(1000), b""))
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
