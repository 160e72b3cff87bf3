"""Sockets: accepts clients, reads what they send, sends what their connections answer.

One thread and a selector: a prediction blocks everything else by design, so nothing here ever waits
for anything but sockets. asyncio would serve as fast, but its import is 18 ms of CPU time at every
cold start, and 4 MB.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time

from seatrial.serving.http1 import Answerer, Connection

# Idle connections of a client that asks once a minute stay open.
KEEP_ALIVE_S = 75.0
DRAIN_S = 3.0
# How long a client may take to read why its connection ends.
_LINGER_S = 2.0
_TICK_S = 1.0
_READ_BYTES = 64 * 1024
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Client:
    """A socket, its HTTP, and what is still to be sent: nothing is read before that is."""

    def __init__(self, connected: socket.socket, answer: Answerer, keep_alive_s: float) -> None:
        self.socket, self.http = connected, Connection(answer)
        self.unsent = memoryview(b"")
        self.deadline_s = time.monotonic() + keep_alive_s

    @property
    def at_rest(self) -> bool:
        """True if nothing is lost when it is closed."""
        return (self.http.closing or not self.http.busy) and not self.unsent


class Server:
    """Serves a listening socket with `run`, until somebody calls `stop`."""

    def __init__(
        self, listener: socket.socket, answer: Answerer, *, keep_alive_s: float = KEEP_ALIVE_S
    ) -> None:
        self._listener, self._answer, self._keep_alive_s = listener, answer, keep_alive_s
        self._selector = selectors.DefaultSelector()
        self._waking, self._woken = socket.socketpair()
        self._clients: set[Client] = set()
        self._room = memoryview(bytearray(_READ_BYTES))
        self._accepting = self._stopping = False

    def stop(self) -> None:
        """End `run` once the requests that have begun are answered; a signal handler may call it.

        A signal that comes just before the selector waits is seen at the next tick.
        """
        self._stopping = True
        with contextlib.suppress(BlockingIOError):
            self._waking.send(b"\0")

    def run(self) -> None:
        """Serve until stopped, then for at most DRAIN_S more."""
        with self._listener, self._selector, self._waking, self._woken:
            self._listener.setblocking(False)
            self._waking.setblocking(False)
            self._selector.register(self._woken, _READ, (lambda _: self._woken.recv(64), None))
            self._tick()
            tick_s = time.monotonic() + _TICK_S
            while not self._stopping:
                self._turn(_TICK_S)
                if time.monotonic() >= tick_s:
                    self._tick()
                    tick_s = time.monotonic() + _TICK_S
            self._drain()

    def _turn(self, timeout_s: float) -> None:
        """Handle what is ready by then."""
        for key, _ in self._selector.select(timeout_s):
            handle, client = key.data
            try:
                handle(client)
            except BlockingIOError:
                pass
            except OSError:  # the client is gone
                self._close(client)

    def _tick(self) -> None:
        """Close what was silent for too long; accept again if that had to stop."""
        now_s = time.monotonic()
        for client in [client for client in self._clients if client.deadline_s <= now_s]:
            self._close(client)
        if not self._accepting:
            self._accepting = True
            self._selector.register(self._listener, _READ, (self._accept, None))

    def _drain(self) -> None:
        """Answer what has been sent until now, and requests that have begun."""
        end_s = time.monotonic() + DRAIN_S
        self._turn(0)  # accepts who is waiting,
        self._turn(0)  # and reads what they have sent
        self._pause()
        for client in self._clients:
            client.http.ending = True
        while time.monotonic() < end_s:
            for client in [client for client in self._clients if client.at_rest]:
                self._close(client)
            if not self._clients:
                break
            self._turn(end_s - time.monotonic())
        for client in list(self._clients):
            self._close(client)

    def _accept(self, _: None) -> None:
        try:
            while True:
                connected, _ = self._listener.accept()
                connected.setblocking(False)
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client = Client(connected, self._answer, self._keep_alive_s)
                self._clients.add(client)
                self._selector.register(connected, _READ, (self._receive, client))
        except (BlockingIOError, ConnectionError):
            pass  # nobody is left, or has gone again
        except OSError:  # too many open files, say
            self._pause()

    def _pause(self) -> None:
        if self._accepting:
            self._accepting = False
            self._selector.unregister(self._listener)

    def _receive(self, client: Client) -> None:
        count = client.socket.recv_into(self._room)
        if not count:
            self._close(client)
        elif not client.http.closing:
            client.deadline_s = time.monotonic() + self._keep_alive_s
            if answer := client.http.feed(self._room[:count]):
                self._send(client, answer)

    def _send(self, client: Client, answer: bytes) -> None:
        """Send it, or as much as the socket takes now and the rest later."""
        try:
            sent = client.socket.send(answer)
        except BlockingIOError:
            sent = 0
        if sent < len(answer):
            client.unsent = memoryview(answer)[sent:]
            self._selector.modify(client.socket, _WRITE, (self._send_rest, client))
        elif client.http.closing:
            self._end(client)

    def _send_rest(self, client: Client) -> None:
        client.unsent = client.unsent[client.socket.send(client.unsent) :]
        client.deadline_s = time.monotonic() + self._keep_alive_s
        if not client.unsent:
            self._selector.modify(client.socket, _READ, (self._receive, client))
            if client.http.closing:
                self._end(client)

    def _end(self, client: Client) -> None:
        """Say that this was all. Closed at once, what is unread would take the answer with it."""
        client.socket.shutdown(socket.SHUT_WR)
        client.deadline_s = time.monotonic() + _LINGER_S

    def _close(self, client: Client) -> None:
        self._clients.discard(client)
        self._selector.unregister(client.socket)
        client.socket.close()
