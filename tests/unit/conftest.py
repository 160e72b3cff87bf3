"""What several unit test files use: fixtures, and the modules in `shared`, imported by name."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from seatrial.contracts import ModelSignature
from seatrial.monitoring.arrivals import Block
from seatrial.monitoring.counts import Counts, count_events
from seatrial.monitoring.span import Span
from seatrial.monitoring.window import Gathering
from seatrial.monitoring.window_file import WindowFile
from seatrial.serving.signature import parse_signature

sys.path.append(str(Path(__file__).parent / "shared"))


@dataclass(frozen=True)
class Gathered:
    """A window as its files have it."""

    counts: Counts
    gathering: Gathering
    frame: pd.DataFrame
    broken: list[dict[str, str]]
    folder: Path

    @property
    def event_ids(self) -> list[str]:
        return list(dict.fromkeys(self.frame["event_id"]))


Gather = Callable[..., Gathered]


@pytest.fixture
def gather(tmp_path: Path) -> Gather:
    """Lines, or blocks of them, to a window of these; other fields of Gathering as keywords."""
    made = iter(range(1000))

    def make(
        lines: Iterable[bytes | Block], signature: ModelSignature, span: Span, **more: Any
    ) -> Gathered:
        folder = tmp_path / f"window-{next(made)}"
        settings = {"model_version": "model-1", "max_rows": 10**9} | more
        file = WindowFile(folder, signature)
        gathering = Gathering(
            span=span,
            signature=parse_signature(signature.model_dump(mode="json")),
            file=file,
            **settings,
        )
        plain = [line for line in lines if isinstance(line, bytes)]
        for block in (Block(b"\n".join(plain), None), *(x for x in lines if isinstance(x, Block))):
            gathering.take(block)
        gathering.finish()
        counts = count_events(gathering.events, span, more_duplicates=gathering.more_duplicates)
        broken = [json.loads(text) for text in (folder / "broken.jsonl").read_text().splitlines()]
        return Gathered(
            counts, gathering, pd.read_parquet(folder / "window.parquet"), broken, folder
        )

    return make
