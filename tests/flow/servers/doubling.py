"""A model server that starts in milliseconds: y = FACTOR * x for text/csv, one number per line.

BROKEN: it does not start. REFUSES: a body that it answers with 503.
"""

import os
import socket
import sys
import threading
import uuid


def answer(head, body):
    """The response's status, custom attributes and body."""
    if body == os.environ.get("REFUSES"):
        return "503 Service Unavailable", "", "no"
    if head.startswith("GET"):
        return "200 OK", "", ""
    factor = float(os.environ.get("FACTOR", "2"))
    lines = [str(factor * float(line)) for line in body.split()]
    return "200 OK", f"seatrial-event-id={uuid.uuid4()}", "\n".join(lines) + "\n"


def serve(connection):
    """Requests of one connection, one after the other."""
    received = b""
    while True:
        while b"\r\n\r\n" not in received:
            more = connection.recv(65536)
            if not more:
                return
            received += more
        raw, _, received = received.partition(b"\r\n\r\n")
        head = raw.decode("latin-1")
        lengths = [
            int(line.split(":")[1])
            for line in head.lower().splitlines()
            if line.startswith("content-length:")
        ]
        length = lengths[0] if lengths else 0
        while len(received) < length:
            received += connection.recv(65536)
        body, received = received[:length].decode(), received[length:]
        status, attributes, text = answer(head, body)
        reply = (
            f"HTTP/1.1 {status}\r\nContent-Type: text/csv\r\n"
            f"X-Amzn-SageMaker-Custom-Attributes: {attributes}\r\n"
            f"Content-Length: {len(text)}\r\n\r\n{text}"
        )
        connection.sendall(reply.encode())


if os.environ.get("BROKEN"):
    sys.exit("cannot start")
with socket.create_server(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"]))) as listener:
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
