"""Writes an invocation's record before its answer leaves, as the configuration wants it."""

from __future__ import annotations

import sys
from functools import lru_cache

from seatrial.serving.caller import Caller
from seatrial.serving.codec import ENCODINGS
from seatrial.serving.errors import PredictionError
from seatrial.serving.invocation import Answer, Request, refusal
from seatrial.serving.record import Captured, Records, RecordWriter, Served
from seatrial.serving.recording import Recording
from seatrial.serving.settings import Identity


class Recorder:
    """Counts the records that could not be written; later records carry the count."""

    def __init__(self, records: Records, identity: Identity, recording: Recording) -> None:
        self._records, self._recording = records, recording
        self._writer = RecordWriter(identity, recording.marks)
        self._unwritten = 0

    def record(self, caller: Caller, request: Request, given: Answer, served: Served) -> Answer:
        """The answer that may leave: `given`, or a 500 if its record is due and failed."""
        if not self._recording.wants(served.event_id, synthetic=caller.synthetic):
            return given
        asked, answered = self._captured(request, given)
        line = self._writer.line(caller, asked, answered, served, self._unwritten)
        try:
            self._records.write(line, served.event_id, served.at)
        except OSError as error:
            self._unwritten += 1
            sys.stderr.write(
                f"seatrial: record {served.event_id} cannot be written: {error}; "
                f"{self._unwritten} so far\n"
            )
            return given if self._recording.serve_unrecorded else refusal(_unrecorded(error), 500)
        return given

    def _captured(self, request: Request, given: Answer) -> tuple[Captured | None, Captured | None]:
        encoding = _encoding(request.content_type)
        asked = Captured(request.content_type, encoding, request.body or b"")
        answered = Captured(given.content_type, given.encoding, given.body)
        if self._recording.redacts:
            from seatrial.serving.redaction import redacted_request, withheld

            if given.asked is None:
                asked, answered = withheld(asked), withheld(answered)
            else:
                asked = redacted_request(given.asked, request.content_type, self._recording)
        return (
            asked if self._recording.request else None,
            answered if self._recording.response else None,
        )


@lru_cache(maxsize=64)
def _encoding(content_type: str) -> str:
    """What data capture calls the text of that type; a refused request may be of any type."""
    return ENCODINGS.get(content_type.split(";")[0].strip().lower(), "CSV")


def _unrecorded(error: OSError) -> PredictionError:
    return PredictionError(
        "the prediction's record cannot be written, so it is not given",
        got=str(error),
        allowed="a standard output that takes every record",
        do="Read the endpoint's log",
    )
