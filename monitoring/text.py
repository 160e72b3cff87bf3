"""Columns of free text, watched by what can be measured of it: how long it is, and how strange.

A sentence is a category that never comes again, so its counts say nothing. Such a column is
replaced by columns of numbers, which are summarised, bounded and judged like any others; where the
text is missing, so are they.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.contracts import InputColumn, Vocabulary, read_contract, write_contract

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

FILE_NAME = "vocabulary.json"
# Text if so many values are distinct, and at least half of all; fewer are categories.
MIN_DISTINCT = 100
# The most frequent words of the reference; beyond them a word counts as unseen.
MAX_WORDS = 100_000
MEASURES = ("characters", "unseen words")


@dataclass(frozen=True)
class Texts:
    """The columns that are text, and the words that the reference has in each."""

    words: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[InputColumn, ...]:
        """The columns of numbers that stand for the texts."""
        names = measured_names(self.words)
        return tuple(InputColumn(name=name, type="double", required=False) for name in names)

    def measure(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """The columns, texts replaced by what is measured of them."""
        measured = {name: values for name, values in columns.items() if name not in self.words}
        for name in self.words.keys() & columns.keys():
            measured |= _measured(name, columns[name], self.words[name])
        return measured

    def measure_batch(self, batch: Any) -> Any:
        """The same of a RecordBatch."""
        import pyarrow as pa

        texts = self.words.keys() & set(batch.schema.names)
        if not texts:
            return batch
        others = {name: batch[name] for name in batch.schema.names if name not in texts}
        found = {name: batch[name].to_numpy(zero_copy_only=False) for name in texts}
        return pa.record_batch({**others, **self.measure(found)})

    def sources(self, names: Collection[str]) -> set[str]:
        """The columns that have to be read to get the columns `names`."""
        texts = {name for name in self.words if set(measured_names([name])) & set(names)}
        return texts | (set(names) - set(measured_names(self.words)))


NO_TEXTS = Texts()


def measured_names(texts: Iterable[str]) -> list[str]:
    """The names of the columns that stand for these texts.

    >>> measured_names(["review"])
    ['review: characters', 'review: unseen words']
    """
    return [f"{name}: {measure}" for name in texts for measure in MEASURES]


def learn_texts(reference: Mapping[str, Array]) -> tuple[Texts, dict[str, Array]]:
    """The texts among the reference's columns, and the reference as it is measured.

    A word of the reference itself is unseen if no other row has it: what a new row would find.
    """
    counts = {name: _rows_by_word(values) for name, values in reference.items() if is_text(values)}
    known = {
        name: frozenset(word for word, _ in found.most_common(MAX_WORDS))
        for name, found in counts.items()
    }
    elsewhere = {
        name: frozenset(word for word in known[name] if found[word] > 1)
        for name, found in counts.items()
    }
    return Texts(known), Texts(elsewhere).measure(reference)


def is_text(values: Array) -> bool:
    """True if the values are strings that hardly ever recur."""
    if values.dtype.kind != "O":
        return False
    present = [value for value in values if isinstance(value, str)]
    distinct = len(set(present))
    return distinct >= MIN_DISTINCT and 2 * distinct >= len(present)


def write_texts(texts: Texts, folder: Path) -> None:
    """Write vocabulary.json, if there is a text."""
    if texts.words:
        words = {name: tuple(sorted(found)) for name, found in texts.words.items()}
        write_contract(Vocabulary(words=words), folder / FILE_NAME)


def read_texts(folder: Path) -> Texts:
    """The texts of a baseline; none without vocabulary.json."""
    path = folder / FILE_NAME
    if not path.exists():
        return Texts()
    vocabulary = read_contract(Vocabulary, path)
    return Texts({name: frozenset(words) for name, words in vocabulary.words.items()})


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case.

    >>> words_of("It won't play, again")
    ['it', 'won', 't', 'play', 'again']
    """
    return re.findall(r"\w+", text.lower())


def _rows_by_word(values: Array) -> Counter[str]:
    counts = Counter[str]()
    for value in values:
        if isinstance(value, str):
            counts.update(set(words_of(value)))
    return counts


def _measured(name: str, values: Array, known: frozenset[str]) -> dict[str, Array]:
    length, strange = np.full(len(values), np.nan), np.full(len(values), np.nan)
    for row, value in enumerate(values):
        if isinstance(value, str):
            words = words_of(value)
            length[row] = len(value)
            strange[row] = sum(word not in known for word in words) / (len(words) or 1)
    return dict(zip(measured_names([name]), (length, strange), strict=True))
