"""`verdict.json` of a window: the short form that the windows after it look back on."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from seatrial.contracts.base import Contract

Ailment = Literal["drift", "quality", "decay", "blind"]
Act = Literal["notify", "event", "retrain", "rollback"]


class WindowVerdict(Contract):
    """Written by react to S3, again after each of its acts.

    `acts` are those that were carried out, `refused` those that were asked for and answered with
    why not; in a dry run that is none.
    """

    endpoint_name: str
    endpoint_config_name: str
    started_at: AwareDatetime
    ended_at: AwareDatetime
    ailments: tuple[Ailment, ...]
    acts: tuple[Act, ...]
    refused: tuple[Act, ...] = ()
    decided_at: AwareDatetime

    @property
    def answered(self) -> tuple[Act, ...]:
        """The acts that are not to be asked for again about this window."""
        return (*self.acts, *self.refused)
