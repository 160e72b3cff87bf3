"""The summary of a window too large for one machine: its stretches on Spark's executors.

Executors read their row groups themselves, with pyarrow, and send back summaries. What a stretch
is, how it is summarised and in which order summaries are merged is seatrial.monitoring.row_groups'
business, so the numbers are those of one machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from seatrial.contracts import Summary
from seatrial.monitoring.row_groups import (
    Stretch,
    list_stretches,
    merge_all,
    summarise_stretch,
)
from seatrial.monitoring.text import NO_TEXTS, Texts

_COLUMNS = "number long, summary binary"


def summarise_on_spark(
    spark: Any, place: str, *, like: Summary, texts: Texts = NO_TEXTS
) -> Summary:
    """The summary of all rows of a file or folder that each executor can read."""
    stretches = list_stretches(place, like=like, texts=texts)
    if not stretches:
        return merge_all((), like)
    # A task a stretch: tasks end at different times, and a lost executor loses little.
    numbers = spark.range(0, len(stretches), 1, len(stretches))
    found = numbers.mapInArrow(_summarise(stretches, like, texts), _COLUMNS).collect()
    in_order = sorted(found, key=lambda row: int(row["number"]))
    return merge_all((Summary.model_validate_json(bytes(row["summary"])) for row in in_order), like)


def _summarise(stretches: list[Stretch], like: Summary, texts: Texts) -> Any:
    """What an executor does with batches of stretches' numbers."""
    reference = like.model_dump_json()

    def summarise(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow as pa

        own = Summary.model_validate_json(reference)
        for batch in batches:
            for number in batch.column(0).to_pylist():
                found = summarise_stretch(stretches[number], like=own, texts=texts)
                summary = found.model_dump_json().encode()
                yield pa.RecordBatch.from_pydict({"number": [number], "summary": [summary]})

    return summarise
