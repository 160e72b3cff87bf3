"""Thousands of damaged bodies: each is answered, or refused with an explanation; never a 5xx."""

from __future__ import annotations

import io
import json
import random
from typing import Any, cast

import numpy as np
import pytest

from seatrial.serving.codec import CSV, JSON, JSON_LINES, NPY
from seatrial.serving.invocation import Request, answer, graph_responder
from seatrial.serving.model import Model
from seatrial.serving.signature import Column, Output, Signature

BODIES_A_SEED = 300


class Echo:
    """Stands in for a model that takes whatever fits its signature."""

    signature = Signature(
        model_file="",
        inputs=tuple(
            Column(kind, kind, required=kind == "long", onnx_input=kind)
            for kind in ("string", "double", "float", "long", "integer", "boolean")
        ),
        outputs=(Output("text", "string", "t", None), Output("score", "double", "s", None)),
        input_example=({"long": 1},),
    )

    def answer(self, columns: dict[str, Any]) -> dict[str, Any]:
        return {"text": columns["string"], "score": columns["double"]}


ROWS = [
    ["Zoë 温", 1.5, -0.25, 7, -1, True],
    ["", None, 3e38, 2**53, 0, None],
    ["x", 1, 1, 1, 1, False],
]
NAMES = [column.name for column in Echo.signature.inputs]
RECORDS = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
FIELDS = [("string", "U6"), ("double", "f8"), ("long", "<i4"), ("boolean", "?")]
PIECES = [b"", b"\0", b"\xff", b'"', b",", b"\n", b"\r", b"[", b"]", b"{", b"}", b"null", b"NaN"]
PIECES += [b"1e999", b"-", b"9" * 30, b"\\ud800", b"(", b"'", b"O", b"|", b"long", b"\xef\xbb\xbf"]


def saved(array: Any) -> bytes:
    output = io.BytesIO()
    np.save(output, array, allow_pickle=False)
    return output.getvalue()


WHOLE = {
    CSV: [b"a,1.5,2,3,4,true\n,,,5,,\n", (",".join(NAMES) + "\nb,1,1,1,1,0\n").encode()],
    JSON: [
        json.dumps({"dataframe_split": {"columns": NAMES, "data": ROWS}}).encode(),
        json.dumps({"dataframe_records": RECORDS}, ensure_ascii=False).encode(),
        json.dumps({"inputs": {"long": [1, 2], "double": [0.5, None]}}).encode(),
    ],
    JSON_LINES: [
        "\n".join(map(json.dumps, RECORDS)).encode(),
        "\n".join(json.dumps(row) for row in ROWS).encode(),
    ],
    NPY: [
        saved(np.array([["a", "1", "2", "3", "4", "true"]] * 2)),
        saved(np.array([("a", 0.5, 3, True)] * 3, dtype=FIELDS)),
    ],
}


def damaged(body: bytes, chance: random.Random) -> bytes:
    """The body with a few pieces replaced, doubled or left out."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randint(0, len(body))
        end = min(len(body), start + chance.choice([0, 1, 1, 2, 8, 40]))
        piece = chance.choice([*PIECES, body[start:end] * 2, chance.randbytes(2)])
        body = body[:start] + piece + body[end:]
    return body


@pytest.mark.parametrize("content_type", WHOLE)
@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_body_is_answered_or_refused_with_an_explanation(
    content_type: str, seed: int
) -> None:
    respond = graph_responder(cast(Model, Echo()))
    chance, statuses = random.Random(f"{content_type} {seed}"), set[int]()
    for _ in range(BODIES_A_SEED):
        body = damaged(chance.choice(WHOLE[content_type]), chance)
        accept = chance.choice(["", "*/*", *WHOLE])
        given = answer(respond, Request(content_type, accept, body))
        assert given.status in (200, 400), (body, given.body)
        statuses.add(given.status)
        if given.status == 400:
            error = json.loads(given.body)["error"]
            assert all(isinstance(error[name], str) for name in ("what", "got", "allowed", "do"))
            assert error["what"]
            assert error["do"]
    assert statuses == {200, 400}
