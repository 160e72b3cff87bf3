"""A model server of another make: the standard library's, told by the request body what to do."""

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HELD = []


def say(line, stream):
    """Print a line, at once."""
    stream.write(line + "\n")
    stream.flush()


def answer(command, handler):
    """Status and body for a request body."""
    word, _, rest = command.partition(" ")
    if word == "model":
        return 200, (Path(os.environ["SEATRIAL_MODEL_DIR"]) / "model.txt").read_text()
    if word == "headers":
        return 200, json.dumps({name.lower(): value for name, value in handler.headers.items()})
    if word == "env":
        return 200, json.dumps(dict(os.environ))
    if word == "sleep":
        time.sleep(float(rest))
        return 200, "slept"
    if word == "say":
        say(rest, sys.stdout)
        return 200, "said"
    if word == "complain":
        say(rest, sys.stderr)
        return 200, "complained"
    if word == "hold":
        HELD.append(bytearray(b"x") * (int(rest) * 2**20))
        time.sleep(0.5)
        return 200, "held"
    if word == "touch":
        len(bytearray(b"x") * (int(rest) * 2**20))  # held for a moment only
        return 200, "touched"
    if word == "worker":  # one more process takes the memory, and nobody looks how it ends
        code = f"x = bytearray(b'x') * ({rest} * 2**20); import time; time.sleep(0.3)"
        subprocess.run([sys.executable, "-c", code], check=False)
        return 200, "the worker has ended"
    if word == "daemon":
        sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
        return 200, str(subprocess.Popen(sleeper, start_new_session=True).pid)
    if word == "burn":
        begun, cpu = time.monotonic(), time.process_time()
        while time.monotonic() - begun < float(rest):
            pass
        return 200, str(time.process_time() - cpu)
    if word == "die":
        say("last words", sys.stdout)
        os._exit(7)
    if word == "status":
        status, _, text = rest.partition(" ")
        return int(status), text
    if word == "size":
        return 200, "x" * int(rest)
    return 200, str(len(command))


class Handler(BaseHTTPRequestHandler):
    """/ping and /invocations."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: in two, the second waits 40 ms for an ACK

    def do_GET(self):
        self.reply(int(os.environ.get("TINY_PING", "200")), "")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.reply(*answer(body, self))

    def reply(self, status, text):
        """Send it."""
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", "seen=yes")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Stay quiet: what is printed is a log event."""


if os.environ.get("TINY_EXIT"):
    sys.exit("cannot start")
if os.environ.get("TINY_HOLD_MB"):
    HELD.append(bytearray(b"x") * (int(os.environ["TINY_HOLD_MB"]) * 2**20))
port = int(os.environ["SAGEMAKER_BIND_TO_PORT"])
ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
