"""A column's distribution in the reference and in a window, coarse enough to be drawn."""

from __future__ import annotations

from pydantic import NonNegativeFloat, model_validator

from seatrial.contracts.base import Part


class Distribution(Part):
    """The shares of the rows that have a value, by bin; missing ones are in ColumnDrift.

    A column of numbers has `edges`, one more than bins; values beyond the outer ones are in the
    outer bins. One of categories has their names, the largest first, and `others` as its last.
    `window_beyond` is the window's share outside all of the reference's values: of those a summary
    knows no more than count and mean, and they are drawn as if spread evenly.
    """

    column: str
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    others: bool = False
    reference: tuple[NonNegativeFloat, ...]
    window: tuple[NonNegativeFloat, ...]
    window_beyond: NonNegativeFloat = 0.0

    @model_validator(mode="after")
    def _one_share_per_bin(self) -> Distribution:
        bins = len(self.categories) + self.others if self.categories else len(self.edges) - 1
        if not bins == len(self.reference) == len(self.window):
            raise ValueError(
                f"{len(self.reference)} and {len(self.window)} shares, allowed {bins} of each"
            )
        return self
