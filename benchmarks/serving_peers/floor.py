"""The floor: what a server of this model costs if it does nothing else.

    python floor.py MODEL PORT

One asyncio protocol, HTTP as far as the benchmark's client speaks it, orjson, one session. It
checks nothing, records nothing and answers every path alike.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import numpy as np
import onnxruntime
import orjson

_HEAD_END, _LENGTH = b"\r\n\r\n", b"content-length:"


class Floor(asyncio.Protocol):
    """Answers {"instances": [[…], …]} as the serving image does."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        waiting = self._waiting + data
        while (head := waiting.find(_HEAD_END)) >= 0:
            at = waiting.lower().find(_LENGTH, 0, head)
            length = int(waiting[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            end = head + len(_HEAD_END) + length
            if len(waiting) < end:
                break
            self._transport.write(self._answer(waiting[head + len(_HEAD_END) : end]))
            waiting = waiting[end:]
        self._waiting = waiting

    def _answer(self, body: bytes) -> bytes:
        rows = np.array(orjson.loads(body)["instances"], np.float32)
        labels, scores = self._session.run(["label", "probabilities"], {"X": rows})
        answers = [
            {"label": label, "score": score}
            for label, score in zip(labels.tolist(), scores[:, 1].tolist(), strict=True)
        ]
        text = orjson.dumps({"predictions": answers})
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        return head % len(text) + text


async def serve(model: str, port: int) -> None:
    """Serve until killed."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Floor(session), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
