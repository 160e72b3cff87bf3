"""Named resources of one kind, and the service's texts for what is missing or there already."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from seatrial.localcloud.api import AwsError, Place
from seatrial.localcloud.listing import created_within, page


class Named(Protocol):
    """What can be on a shelf."""

    @property
    def name(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...


Item = TypeVar("Item", bound=Named)


class Shelf(Generic[Item]):
    """Safe to use from several threads; items are replaced whole, never changed in place."""

    def __init__(self, place: Place, *, kind: str, arn_type: str) -> None:
        self._place, self._kind, self._arn_type = place, kind, arn_type
        self._items: dict[str, Item] = {}
        self.lock = threading.RLock()

    def arn(self, name: str) -> str:
        """The ARN of that name; the service lower-cases names in it."""
        return self._place.arn(f"{self._arn_type}/{name.lower()}")

    def add(self, item: Item) -> None:
        """Put a new item; AwsError if the name is taken."""
        with self.lock:
            if item.name in self._items:
                raise AwsError(
                    "ValidationException",
                    f'Cannot create already existing {self._kind} "{self.arn(item.name)}".',
                )
            self._items[item.name] = item

    def replace(self, item: Item) -> None:
        """Put an item in the place of the one with its name, if that is still there."""
        with self.lock:
            if item.name in self._items:
                self._items[item.name] = item

    def find(self, name: str) -> Item | None:
        """The item of that name, None if there is none."""
        return self._items.get(name)

    def get(self, name: str) -> Item:
        """The item of that name; AwsError if there is none."""
        item = self._items.get(name)
        if item is None:
            raise AwsError(
                "ValidationException", f'Could not find {self._kind} "{self.arn(name)}".'
            )
        return item

    def remove(self, name: str) -> Item:
        """Take the item of that name away; AwsError if there is none."""
        with self.lock:
            item = self.get(name)
            del self._items[name]
            return item

    def items(self) -> list[Item]:
        """All of them, in no order."""
        return list(self._items.values())

    def page(
        self,
        request: dict[str, Any],
        key: str,
        describe: Callable[[Item], dict[str, Any]],
        sort_fields: Mapping[str, str],
        keep: Callable[[Item], bool] = lambda _: True,
    ) -> dict[str, Any]:
        """The answer to a List call: newest first unless asked otherwise, with NextToken.

        `sort_fields` are the fields of a summary by what SortBy calls them, CreationTime apart.
        """
        text = request.get("NameContains", "")
        found = sorted(self.items(), key=lambda item: item.created_at)
        summaries = [
            describe(item)
            for item in found
            if text in item.name and _created_within(item, request) and keep(item)
        ]
        sort_by = sort_fields.get(request.get("SortBy", ""), "CreationTime")
        return page(summaries, request, key, sort_by=sort_by)


def _created_within(item: Named, request: dict[str, Any]) -> bool:
    created_at = item.created_at.timestamp()
    return created_within(created_at, request, "CreationTimeAfter", "CreationTimeBefore")
