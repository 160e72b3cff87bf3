"""HTTP/1.1 without sockets: whole requests are answered in order, everything else is refused."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.serving import http1
from seatrial.serving.http1 import (
    MAX_BODY_BYTES,
    MAX_DISCARDED_BYTES,
    MAX_HEAD_BYTES,
    Call,
    Connection,
)
from seatrial.serving.reply import Reply

PING = b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"


class Echo:
    """Answers with the body that it got, or its length; keeps what it was called with."""

    def __init__(self, content_type: str = "text/plain") -> None:
        self.calls: list[Call] = []
        self._content_type = content_type

    def __call__(self, call: Call) -> Reply:
        self.calls.append(call)
        if call.body is None:
            return Reply(413, "text/plain", b"too large")
        return Reply(200, self._content_type, call.body or b"none", b"x: y\r\n")


def post(body: bytes, *headers: str, path: str = "/invocations", version: str = "1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answers(sent: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """What was sent, read strictly: whole answers and nothing else."""
    found = []
    while sent:
        head, end, rest = sent.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        assert end
        assert first.startswith("HTTP/1.1 ")
        headers = dict(line.split(": ", 1) for line in lines)
        size = int(headers.get("content-length", 0))
        assert len(rest) >= size
        found.append((int(first.split()[1]), headers, rest[:size]))
        sent = rest[size:]
    return found


def exchanged(*pieces: bytes) -> tuple[Connection, Echo, list[tuple[int, dict[str, str], bytes]]]:
    echo = Echo()
    connection = Connection(echo)
    return connection, echo, answers(b"".join(map(connection.feed, pieces)))


def test_a_request_is_answered_in_one_piece_with_its_date() -> None:
    connection, echo, [(status, headers, body)] = exchanged(post(b"1,2", "Content-Type: a/B"))
    assert (status, body, connection.closing) == (200, b"1,2", False)
    assert headers.pop("date").endswith(" GMT")
    assert headers == {"content-type": "text/plain", "content-length": "3", "x": "y"}
    [call] = echo.calls
    assert (call.method, call.path, call.body) == ("POST", "/invocations", b"1,2")
    assert call.headers == {b"content-length": b"3", b"content-type": b"a/B"}


def test_a_request_may_come_byte_by_byte() -> None:
    request = post(b"12345", "A: b")
    _, echo, found = exchanged(*(request[i : i + 1] for i in range(len(request))))
    assert [body for _, _, body in found] == [b"12345"]
    assert len(echo.calls) == 1


def test_requests_that_come_together_are_answered_in_their_order() -> None:
    _, _, found = exchanged(post(b"1") + PING + post(b"22") + post(b"333")[:-1], b"3")
    assert [body for _, _, body in found] == [b"1", b"none", b"22", b"333"]


def test_a_chunked_body_is_one_body_and_its_trailers_are_no_headers() -> None:
    chunked = (
        b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\nAccept: a\r\n\r\n"
        b"3;x=1\r\n1,2\r\n2\r\n,3\r\n0\r\nAccept: b\r\n\r\n"
    )
    _, echo, found = exchanged(chunked + PING)
    assert [body for _, _, body in found] == [b"1,2,3", b"none"]
    assert echo.calls[0].headers[b"accept"] == b"a"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/ping?a=/b", "/ping"),
        ("/%70ing", "/ping"),
        ("/invocations/", "/invocations/"),
        ("http://host/ping", "/ping"),
        ("http://host", "/"),
        ("/%C3%A9%00", "/é\0"),
    ],
)
def test_a_url_names_a_path(url: str, path: str) -> None:
    _, echo, _ = exchanged(post(b"", path=url))
    assert echo.calls[0].path == path


def test_head_gets_the_head_alone() -> None:
    echo = Echo()
    sent = Connection(echo).feed(b"HEAD /ping HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"content-length: 4\r\n" in sent
    assert sent.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_", "stays"),
    [
        pytest.param(PING, True, id="1.1"),
        pytest.param(post(b"", "Connection: close"), False, id="1.1-close"),
        pytest.param(post(b"", version="1.0"), False, id="1.0"),
        pytest.param(post(b"", "Connection: keep-alive", version="1.0"), False, id="1.0-keep"),
        pytest.param(post(b"", "Connection: Upgrade", "Upgrade: h2c"), False, id="upgrade"),
        pytest.param(post(b"ab", "Connection: Upgrade", "Upgrade: h2c"), False, id="upgrade-body"),
    ],
)
def test_a_connection_stays_open_unless_the_client_speaks_otherwise(
    request_: bytes, stays: bool
) -> None:
    connection, echo, found = exchanged(request_ + PING, PING)
    assert len(found) == len(echo.calls) == (3 if stays else 1)
    assert found[0][0] == 200
    assert (found[-1][1].get("connection") == "close") is not stays
    assert connection.closing is not stays


def test_the_last_answer_of_a_server_that_stops_says_so() -> None:
    echo = Echo()
    connection = Connection(echo)
    connection.feed(PING[:9])
    connection.ending = True
    [(status, headers, _)] = answers(connection.feed(PING[9:]))
    assert (status, headers["connection"], connection.closing) == (200, "close", True)


def test_a_client_that_asks_whether_to_go_on_is_told() -> None:
    request = post(b"12", "Expect: 100-Continue")
    _, _, found = exchanged(PING + request[:-2], request[-2:])
    assert [status for status, _, _ in found] == [200, 100, 200]


@pytest.mark.parametrize(
    ("size", "statuses"),
    [
        pytest.param(MAX_BODY_BYTES - 1, [100], id="under"),
        pytest.param(MAX_BODY_BYTES, [100], id="exactly"),
        pytest.param(MAX_BODY_BYTES + 1, [413], id="over"),
    ],
)
def test_a_body_that_will_be_too_large_need_not_be_sent(size: int, statuses: list[int]) -> None:
    head = f"POST /invocations HTTP/1.1\r\nContent-Length: {size}\r\nExpect: 100-continue\r\n\r\n"
    connection, _, found = exchanged(head.encode())
    assert [status for status, _, _ in found] == statuses
    assert connection.closing is (statuses == [413])


@pytest.mark.parametrize(
    ("size", "status"),
    [
        pytest.param(MAX_BODY_BYTES - 1, 200, id="under"),
        pytest.param(MAX_BODY_BYTES, 200, id="exactly"),
        pytest.param(MAX_BODY_BYTES + 1, 413, id="over"),
    ],
)
def test_a_body_has_its_limit_and_the_next_request_is_answered(size: int, status: int) -> None:
    request = post(b"x" * size)
    _, _, found = exchanged(request[:100], request[100:-1], request[-1:] + PING)
    assert [status for status, _, _ in found] == [status, 200]


def test_a_body_without_end_is_refused_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "MAX_BODY_BYTES", 100)
    monkeypatch.setattr(http1, "MAX_DISCARDED_BYTES", 1000)
    assert MAX_DISCARDED_BYTES > MAX_BODY_BYTES
    head, piece = post(b"")[:-4].replace(b": 0", b": 9999") + b"\r\n\r\n", b"x" * 100
    connection, _, found = exchanged(head, *[piece] * 10)
    assert (found, connection.closing) == ([], False)
    [(status, headers, _)] = answers(connection.feed(piece))
    assert (status, headers["connection"], connection.closing) == (413, "close", True)
    assert connection.feed(piece) == b""


def head_of(size: int) -> bytes:
    """A request whose URL and headers have that size as the server counts it."""
    start = b"GET /ping HTTP/1.1\r\nX: "
    return start + b"a" * (size - len(b"/ping") - len(b"X") - 4) + b"\r\n\r\n"


@pytest.mark.parametrize("piece", [MAX_HEAD_BYTES * 2, 4096])
@pytest.mark.parametrize(
    ("over", "status"),
    [
        pytest.param(-1, 200, id="under"),
        pytest.param(0, 200, id="exactly"),
        pytest.param(100, 431, id="over"),
    ],
)
def test_a_head_has_its_limit(over: int, status: int, piece: int) -> None:
    request = head_of(MAX_HEAD_BYTES + over)
    pieces = [request[i : i + piece] for i in range(0, len(request), piece)]
    connection, echo, found = exchanged(*pieces)
    assert [status for status, _, _ in found] == [status]
    assert connection.closing is (status == 431)
    assert len(echo.calls) == (status == 200)


@pytest.mark.parametrize(
    "endless",
    [
        pytest.param([b"GET /", b"a" * 5000], id="url"),
        pytest.param([b"GET / HTTP/1.1\r\nA: ", b"a" * 5000], id="header"),
        pytest.param([b"GET / HTTP/1.1\r\n", b"A: b\r\n" * 1000], id="headers"),
        pytest.param(
            [b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a" * 5000],
            id="chunk-extension",
        ),
        pytest.param(
            [b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 1000],
            id="trailers",
        ),
    ],
)
def test_what_never_ends_is_refused(endless: Sequence[bytes]) -> None:
    start, piece = endless
    connection = Connection(Echo())
    sent = connection.feed(start)
    count = 0
    while not connection.closing:
        sent += connection.feed(piece)
        count += 1
        assert count * len(piece) < 2 * MAX_HEAD_BYTES
    [(status, headers, body)] = answers(sent)
    assert (status, headers["connection"]) == (431, "close")
    assert str(MAX_HEAD_BYTES) in json.loads(body)["error"]["allowed"]


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"GET /ping HTTP/3.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET p HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        post(b"", "Content-Length: 1"),
        post(b"", "Transfer-Encoding: chunked"),
        post(b"").replace(b": 0", b": -1"),
        post(b"").replace(b": 0", b": 99999999999999999999999"),
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nA b: c\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_after_what_was_one(sent: bytes) -> None:
    connection, echo, found = exchanged(PING + sent, PING)
    assert [status for status, _, _ in found] == [200, 400]
    assert found[1][1]["connection"] == "close"
    error = json.loads(found[1][2])["error"]
    assert "HTTP/1.1" in error["what"]
    assert error["do"]
    assert connection.closing
    assert len(echo.calls) == 1


def _leave(_: Call) -> Reply:
    raise SystemExit(3)


def _fail(_: Call) -> Reply:
    raise ZeroDivisionError("here")


@pytest.mark.parametrize("answer", [_leave, _fail, Echo("a\r\nSet-Cookie: b"), Echo("温")])
def test_an_application_that_fails_is_a_500_and_a_trace(
    answer: Callable[[Call], Reply], capsys: pytest.CaptureFixture[str]
) -> None:
    connection = Connection(answer)
    for _ in range(2):
        [(status, headers, body)] = answers(connection.feed(PING))
        assert status == 500
        assert "set-cookie" not in {name.lower() for name in headers}
        assert json.loads(body)["error"]["what"] == "the server failed"
    assert "Traceback" in capsys.readouterr().err


WHOLE = [
    PING,
    post(b"1,2"),
    post(b"1,2", "Expect: 100-continue"),
    post(b"", "Connection: close"),
    post(b"ab", "Connection: Upgrade", "Upgrade: h2c"),
    b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
]
pieces = st.sampled_from(WHOLE) | st.binary(max_size=30) | st.sampled_from([b"\r\n", b"\0", b":"])
damaged = st.lists(
    pieces
    | st.sampled_from(WHOLE).flatmap(
        lambda whole: st.integers(0, len(whole)).map(lambda end: whole[:end])
    ),
    max_size=6,
).map(b"".join)


@settings(max_examples=600, deadline=None, derandomize=True, database=None)
@given(damaged, st.lists(st.integers(0, 400), max_size=8))
def test_any_bytes_in_any_pieces_get_valid_answers_and_the_same_ones(
    sent: bytes, cuts: list[int]
) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(sent)), len(sent)]
    parts = [sent[a:b] for a, b in itertools.pairwise(places)]
    echo, echo_at_once = Echo(), Echo()
    connection, at_once = Connection(echo), Connection(echo_at_once)
    found = answers(b"".join(map(connection.feed, parts)))
    assert {status for status, _, _ in found} <= {100, 200, 400}
    expected = answers(at_once.feed(sent))
    assert [status for status, _, _ in found] == [status for status, _, _ in expected]
    assert echo.calls == echo_at_once.calls
