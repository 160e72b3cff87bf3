"""Parquet of any size to its summary, a stretch of row groups at a time.

A stretch is what one machine summarises by itself. Sums of floats depend on the order of adding, so
stretches are the same wherever they are worked on, and are merged in the same order: the numbers of
one machine and of many are equal to the last bit.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from typing import Any

from seatrial.contracts import CategoricalSummary, Summary
from seatrial.errors import InputError
from seatrial.monitoring.arrow_summary import summarise_arrow
from seatrial.monitoring.merging import merge
from seatrial.monitoring.summary import require_columns
from seatrial.monitoring.text import NO_TEXTS, Texts, measured_names

# What is decoded at once; window.parquet has row groups of as many.
BATCH_ROWS = 131_072
# Two million rows of window.parquet: a second or two of work, and 0.2 MB of summary.
STRETCH_GROUPS = 16


@dataclass(frozen=True)
class RowGroup:
    """A row group of a file, whose place is a path or a URI."""

    file: str
    number: int


Stretch = tuple[RowGroup, ...]


def list_stretches(place: str, *, like: Summary, texts: Texts = NO_TEXTS) -> list[Stretch]:
    """All row groups of a file or folder of Parquet, here or in S3, in order of their names.

    InputError if no file has a column of `like`. In a file without a column that others have, all
    its values are missing.
    """
    groups: list[RowGroup] = []
    names: set[str] = set()
    for file in _files(place):
        with _open(file, like) as opened:
            names.update(opened.schema_arrow.names)
            groups += (RowGroup(file, number) for number in range(opened.num_row_groups))
    names.update(measured_names(names & texts.words.keys()))
    require_columns(names, like)
    return [
        tuple(groups[start : start + STRETCH_GROUPS])
        for start in range(0, len(groups), STRETCH_GROUPS)
    ]


def summarise_stretch(stretch: Stretch, *, like: Summary, texts: Texts = NO_TEXTS) -> Summary:
    """The summary of the rows in these row groups, their texts measured."""
    batches = (texts.measure_batch(batch) for batch in _batches(stretch, like, texts))
    return merge_all((summarise_arrow(batch, like=like) for batch in batches), like)


def merge_all(summaries: Iterable[Summary], like: Summary) -> Summary:
    """The summary of all rows, merged in the order given; of none, a summary of no rows."""
    return reduce(merge, summaries, _nothing(like))


def _nothing(like: Summary) -> Summary:
    import pyarrow as pa

    return summarise_arrow(pa.table({name: pa.nulls(0) for name in like.columns}), like=like)


def _batches(stretch: Sequence[RowGroup], like: Summary, texts: Texts) -> Iterator[Any]:
    import pyarrow as pa

    for file, groups in groupby(stretch, key=lambda group: group.file):
        with _open(file, like) as opened:
            wanted = texts.sources(like.columns)
            present = [name for name in opened.schema_arrow.names if name in wanted]
            numbers = [group.number for group in groups]
            try:
                # a group at a time: a batch must not reach from one into the next
                for number in numbers:
                    yield from opened.iter_batches(BATCH_ROWS, [number], columns=present)
            except (pa.ArrowInvalid, OSError) as error:
                raise _unreadable(file, error) from error


def _files(place: str) -> list[str]:
    """The files below a folder, but for those that Spark and others hide by their names."""
    from pyarrow import fs

    system, path = _system(place)
    info = system.get_file_info(path)
    if info.type == fs.FileType.File:
        return [place]
    found = system.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
    inside = (posixpath.relpath(item.path, path) for item in found if item.is_file)
    names = sorted(name for name in inside if not _hidden(name))
    if not names:
        raise InputError(
            "there is no window to summarise",
            got=place,
            allowed="a Parquet file, or a folder with some, here or in S3",
            do="Correct the place",
        )
    return [f"{place.rstrip('/')}/{name}" for name in names]


def _hidden(name: str) -> bool:
    return any(part.startswith(("_", ".")) for part in name.split("/"))


def _system(place: str) -> tuple[Any, str]:
    from pyarrow import fs

    if "://" in place:
        found: tuple[Any, str] = fs.FileSystem.from_uri(place)
        return found
    return fs.LocalFileSystem(), place


def _open(file: str, like: Summary) -> Any:
    """The file, its text columns as dictionaries: whose few values are counted by number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    system, path = _system(file)
    text = [name for name, kind in like.columns.items() if isinstance(kind, CategoricalSummary)]
    try:
        return pq.ParquetFile(path, filesystem=system, read_dictionary=text)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: str, error: Exception) -> InputError:
    return InputError(
        "a file of the window cannot be read",
        got=f"{file}: {error}",
        allowed="whole Parquet files",
        do="Collect the window again",
    )
