"""A block of the log as Arrow reads it: a row for each line, and whether it is a full record."""

from __future__ import annotations

from typing import Any

_BODY = ("observedContentType", "data", "encoding")
_PATHS = {
    "asked_type": ("captureData", "endpointInput", "observedContentType"),
    "asked": ("captureData", "endpointInput", "data"),
    "asked_encoding": ("captureData", "endpointInput", "encoding"),
    "answer_type": ("captureData", "endpointOutput", "observedContentType"),
    "answer": ("captureData", "endpointOutput", "data"),
    "answer_encoding": ("captureData", "endpointOutput", "encoding"),
    "eventId": ("eventMetadata", "eventId"),
    "inferenceTime": ("eventMetadata", "inferenceTime"),
    "inferenceId": ("eventMetadata", "inferenceId"),
    "model_version": ("seatrial", "model_version"),
    "synthetic": ("seatrial", "synthetic"),
    "status": ("seatrial", "status"),
    "latency_ms": ("seatrial", "latency_ms"),
    "rows": ("seatrial", "rows"),
    "cold": ("seatrial", "cold"),
    "dropped": ("seatrial", "dropped"),
    "hashed": ("seatrial", "hashed"),
    "sample_rate": ("seatrial", "sample_rate"),
    "part": ("seatrial", "part"),
}
_OPTIONAL = ("inferenceId", "latency_ms", "rows", "cold")
# Where one of these is given, the line is read by itself.
_UNUSUAL = ("dropped", "hashed", "sample_rate", "part")


def read_table(text: bytes) -> Any:
    """A row for each line, `regular` if nothing is missing in it; None if Arrow refuses one.

    Other than orjson, Arrow refuses names that stand twice and numbers that are not of their type;
    it takes several documents in a line, which the number of rows tells.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.json as pj

    lines = text.count(b"\n") + (not text.endswith(b"\n"))
    # Arrow 25 crashes on a first line of null, so no line that is not an object gets there.
    if not text.startswith(b"{") or text.count(b"\n{") != lines - 1:
        return None
    try:
        if not text.isascii():
            text.decode("utf-8")  # Arrow does not look at the fields that it leaves out
        read = pj.read_json(
            pa.BufferReader(text),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(text) + 1),
            parse_options=pj.ParseOptions(
                explicit_schema=_schema(), unexpected_field_behavior="ignore"
            ),
        )
        if read.num_rows != lines:
            return None
        fields = {
            name: pc.struct_field(read[path[0]].combine_chunks(), list(path[1:]))
            for name, path in _PATHS.items()
        }
        fields["time"] = fields.pop("inferenceTime").cast(pa.timestamp("us", "UTC"))
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return None
    fields["regular"] = _regular(fields)
    return pa.table(fields)


def _schema() -> Any:
    import pyarrow as pa

    text = pa.string()
    body = pa.struct([(name, text) for name in _BODY])
    event = [(name, text) for name in ("eventId", "inferenceTime", "inferenceId")]
    ours = [("model_version", text), ("synthetic", pa.bool_()), ("status", pa.int64())]
    ours += [(name, pa.list_(text)) for name in ("dropped", "hashed")]
    ours += [("sample_rate", pa.float64()), ("part", pa.int64())]
    ours += [("latency_ms", pa.float64()), ("rows", pa.int64()), ("cold", pa.bool_())]
    return pa.schema(
        [
            ("captureData", pa.struct([("endpointInput", body), ("endpointOutput", body)])),
            ("eventMetadata", pa.struct(event)),
            ("seatrial", pa.struct(ours)),
        ]
    )


def _regular(fields: dict[str, Any]) -> Any:
    """True for the rows that are complete records with both bodies as text."""
    import pyarrow.compute as pc

    found = pc.true_unless_null(fields["eventId"])
    for name, values in fields.items():
        if name in _UNUSUAL:
            found = pc.and_(found, pc.is_null(values))
        elif name not in _OPTIONAL and values.null_count:
            found = pc.and_(found, pc.is_valid(values))
    for side in ("asked", "answer"):
        in_base64 = pc.equal(fields[f"{side}_encoding"], "BASE64")
        found = pc.and_(found, pc.invert(pc.fill_null(in_base64, True)))
        # A body of nothing is that of a request whose every column was dropped.
        empty = pc.equal(pc.binary_length(fields[side]), 0)
        found = pc.and_(found, pc.invert(pc.fill_null(empty, True)))
    return pc.fill_null(found, False)
