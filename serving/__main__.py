"""`python -m seatrial.serving`: load the model, try it, serve it.

The port is bound at once, so that one in use is known before the model is loaded; but it listens,
and /ping answers, only after the model has predicted its own input example.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import orjson

from seatrial.serving.app import Application
from seatrial.serving.codec import JSON
from seatrial.serving.errors import StartError
from seatrial.serving.invocation import Request, Responder, answer, graph_responder
from seatrial.serving.model import Model
from seatrial.serving.record import Records
from seatrial.serving.recorder import Recorder
from seatrial.serving.server import Server
from seatrial.serving.settings import Settings, read_settings
from seatrial.serving.signature import Signature, has_code, read_signature
from seatrial.serving.threads import thread_count

if TYPE_CHECKING:
    from pathlib import Path

FAILED = 2


def main() -> int:
    """Serve until SIGTERM or SIGINT; a server that cannot start is one line and exit 2."""
    try:
        serve(read_settings(os.environ))
    except StartError as error:
        line = " ".join(str(error).split())
        sys.stderr.write(f"seatrial: {line}\n")
        return FAILED
    return 0


def serve(settings: Settings) -> None:
    """Serve; StartError if that cannot begin."""
    records = Records.take_over_stdout(max_line_bytes=settings.max_record_bytes)
    with bind(settings.host, settings.port) as listener:
        signature, respond = load(
            settings.model_dir,
            threads=thread_count(settings.threads),
            keep_columns=settings.recording.redacts,
        )
        settings.recording.require_columns(signature.input_names)
        try_example(respond, signature)
        recorder = Recorder(records, settings.identity, settings.recording)
        app = Application(respond, recorder, accept_time=settings.accept_time)
        _run(app, listener)


def load(
    folder: str | Path, *, threads: int | None = None, keep_columns: bool = True
) -> tuple[Signature, Responder]:
    """The model in `folder`, with its own code if it brings some; StartError if that fails.

    `keep_columns`: see graph_responder.
    """
    if has_code(folder):
        from pathlib import Path

        from seatrial.serving.script import Script

        signature = read_signature(folder)
        return signature, Script.load(Path(folder), signature, threads=threads)
    model = Model.load(folder, threads=threads)
    return model.signature, graph_responder(model, keep_columns=keep_columns)


def bind(host: str, port: int) -> socket.socket:
    """A socket on that port that does not listen yet; StartError if it is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise _port_taken(f"{host}:{port}", error) from error
    return listener


def _port_taken(address: str, error: OSError) -> StartError:
    return StartError(
        "the server cannot listen on its port",
        got=f"{address}: {error.strerror}",
        allowed="an address of this machine and a port that is free",
        do="End the process that has it, or set SAGEMAKER_BIND_TO_PORT and SEATRIAL_HOST",
    )


def try_example(respond: Responder, signature: Signature) -> None:
    """Answer the signature's example; StartError if the answer is not 200."""
    example = signature.example_request
    if example is not None:
        request = Request(example.content_type, "", example.body)
    else:
        rows = [dict(row) for row in signature.input_example]
        request = Request(JSON, "", orjson.dumps({"dataframe_records": rows}))
    given = answer(respond, request)
    if given.status != 200:
        raise StartError(
            "the model cannot predict its own input example",
            got=given.body.decode("utf-8"),
            allowed="a prediction for each of its rows",
            do="Correct the input example, or the model, and pack it again",
        )


def _run(app: Application, listener: socket.socket) -> None:
    try:
        listener.listen()  # another process may have bound it too, and been quicker
    except OSError as error:
        raise _port_taken("{}:{}".format(*listener.getsockname()), error) from error
    server = Server(listener, app)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    # What is there by now stays: nothing of it needs to be looked at again.
    gc.collect()
    gc.freeze()
    server.run()


if __name__ == "__main__":
    sys.exit(main())
