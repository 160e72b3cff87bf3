"""Which events were seen: each counts once, and of too many an even sample is kept.

An event is known by a 64-bit hash of its id. Those whose hash is below a threshold are kept; when
they become too many the threshold is halved. The hash has nothing to do with time, so the sample is
even over the window, and it is the same one whatever order the events came in. Two ids of the same
hash would count once: among a million events the odds of any are 1 : 37 million.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

EVERYTHING = 2**64 - 1


class Kind(IntEnum):
    """What an event is to the window."""

    PREDICTION = 0
    SYNTHETIC = 1
    FOREIGN = 2
    FAILED = 3
    DUPLICATE = 4
    UNFIT = 5


_FIELDS = {
    "hash": np.uint64,
    "kind": np.uint8,
    "rows": np.uint32,
    "weight": np.float64,
    "time_us": np.int64,
}


def hashes_of(event_ids: Sequence[str]) -> Array:
    """A 64-bit hash of each id, the same in every process."""
    from pandas.util import hash_array

    found: Array = hash_array(np.array(event_ids, dtype=object), categorize=False)
    return found


class Events:
    """A table of the events that are kept; `weight` is how many requests each stands for."""

    def __init__(self) -> None:
        self.threshold = EVERYTHING
        self._tables: dict[str, list[Array]] = {name: [] for name in _FIELDS}
        # Sorted runs of hashes, each at most half as long as the one before.
        self._runs: list[Array] = []

    def are_new(self, hashes: Array) -> Array:
        """True for those that were not added before, nor stand earlier in `hashes`."""
        new = np.zeros(len(hashes), dtype=bool)
        new[np.unique(hashes, return_index=True)[1]] = True
        for run in self._runs:
            new &= ~holds(run, hashes)
        return new

    def add(self, **fields: Array) -> None:
        """Add events, all of them below the threshold; duplicates are events as well."""
        for name, kind in _FIELDS.items():
            self._tables[name].append(np.asarray(fields[name], dtype=kind))
        self._runs.append(np.unique(self._tables["hash"][-1]))
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            self._runs.append(np.union1d(self._runs.pop(), self._runs.pop()))

    def column(self, name: str) -> Array:
        """One field of all events that are kept."""
        if not self._tables[name]:
            return np.empty(0, dtype=_FIELDS[name])
        found = np.concatenate(self._tables[name])
        self._tables[name] = [found]
        return found

    @property
    def rows(self) -> int:
        """Rows of all predictions that are kept."""
        return sum(int(part.sum()) for part in self._tables["rows"])

    def __len__(self) -> int:
        return sum(len(part) for part in self._tables["hash"])

    @property
    def share(self) -> float:
        """The share of all events that is kept."""
        return (self.threshold + 1) / 2**64

    def thin(self) -> None:
        """Keep half of the events."""
        self.threshold //= 2
        kept = self.column("hash") <= self.threshold
        for name in _FIELDS:
            self._tables[name] = [self.column(name)[kept]]
        self._runs = [np.unique(self._tables["hash"][0])]

    def count(self, *kinds: Kind) -> int:
        """How many events of these kinds there were; of a sample, an estimate."""
        return round(int(np.isin(self.column("kind"), kinds).sum()) / self.share)


def holds(run: Array, hashes: Iterable[int] | Array) -> Array:
    """True for the hashes that are in the sorted `run`."""
    wanted = np.asarray(hashes, dtype=np.uint64)
    if not len(run):
        return np.zeros(len(wanted), dtype=bool)
    place = np.minimum(np.searchsorted(run, wanted), len(run) - 1)
    found: Array = run[place] == wanted
    return found
