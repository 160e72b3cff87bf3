"""Sentences of reviews with their mean rating by 20 people (from vaderSentiment 3.3.2, MIT)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

TEXT = "text"
TARGET = "pleased"
# On a scale from -4 to 4; closer to zero the raters did not agree on a side.
CLEAR_RATING = 0.5
# Of each ten reviews so many are held out: for validation, and for the endpoint to meet.
VALIDATION_REVIEWS, LIVE_REVIEWS = (0, 1), (2, 3)


@dataclass(frozen=True)
class Snippets:
    """Sentences on products, by review into three parts, and sentences on films."""

    training: pd.DataFrame
    validation: pd.DataFrame
    live: pd.DataFrame
    films: pd.DataFrame


def load_snippets() -> Snippets:
    """TEXT and TARGET (0 or 1) of the sentences that are clearly one or the other.

    A review's sentences stay together: they share their words, and their product's name.
    """
    import pandas as pd

    rows = pd.read_csv(Path(__file__).with_name("snippets.csv.gz"), dtype={"snippet": str})
    rows = rows[rows["rating"].abs() > CLEAR_RATING]
    rows = rows.assign(**{TARGET: (rows["rating"] > 0).astype("int64")})
    products = rows[rows["source"] == "products"]
    tenth = products["snippet"].str.split("_").str[0].astype(int) % 10
    held_out = tenth.isin((*VALIDATION_REVIEWS, *LIVE_REVIEWS))
    return Snippets(
        training=_plain(products[~held_out]),
        validation=_plain(products[tenth.isin(VALIDATION_REVIEWS)]),
        live=_plain(products[tenth.isin(LIVE_REVIEWS)]),
        films=_plain(rows[rows["source"] == "films"]),
    )


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[[TEXT, TARGET]].reset_index(drop=True)
