"""Replay a week of flights against the endpoint: one request an hour, as a scheduler would ask."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.endpoint import invoke
from seatrial.examples.flights.data import FEATURES, TARGET, TIME

if TYPE_CHECKING:
    import pandas as pd

CLIENTS = 4


@dataclass(frozen=True)
class Asked:
    """One request that was answered, and the truth that is known only later."""

    event_id: str
    labels: tuple[int, ...]


def replay(
    flights: pd.DataFrame, endpoint: str, runtime: Any, *, tick: Callable[[], None]
) -> list[Asked]:
    """Send each hour's flights as one CSV request, stamped with its own time; `tick` after each."""
    hours = [group for _, group in flights.groupby(flights[TIME].dt.floor("h"), sort=True)]

    def ask(rows: pd.DataFrame) -> Asked:
        answer = invoke(
            endpoint,
            rows[list(FEATURES)].to_csv(index=False, header=False).encode(),
            runtime=runtime,
            content_type="text/csv",
            accept="text/csv",
            attributes=f"seatrial-time={rows[TIME].iloc[0]:%Y-%m-%dT%H:%M:%SZ}",
        )
        tick()
        return Asked(str(answer.event_id), tuple(rows[TARGET]))

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(ask, hours))


def count_requests(flights: pd.DataFrame) -> int:
    """How many requests `replay` will send."""
    return int(flights[TIME].dt.floor("h").nunique())


def write_labels(asked: list[Asked], path: Path) -> Path:
    """The truth as a CSV: event_id, row within the request, label."""
    lines = ["event_id,row,label"]
    for request in asked:
        lines += [f"{request.event_id},{row},{label}" for row, label in enumerate(request.labels)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
