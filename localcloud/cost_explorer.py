"""Cost Explorer's GetCostAndUsage, answered from the ledger: serverless endpoints and nothing else.

By usage type, as seatrial asks, at the prices that come along; the filter may name tags of the
endpoints and record types. Unlike AWS it is free, up to date at once, and knows every tag as a cost
allocation tag. Whatever else is asked is refused, and not answered with a guess.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from seatrial.cost.prices import ON_DEMAND_PRICE, Prices, load_prices
from seatrial.errors import InputError
from seatrial.localcloud.api import AwsError, Handler, Place, validation_error
from seatrial.localcloud.api_model import checked
from seatrial.localcloud.ledger import Account, Posting

_METRICS = ("UnblendedCost", "UsageQuantity")
_BY_USAGE_TYPE = [{"Type": "DIMENSION", "Key": "USAGE_TYPE"}]
_BYTES_PER_GB = 10**9

Postings = Callable[[], Mapping[Posting, Account]]
TagsOf = Callable[[str], Mapping[str, str]]


@dataclass
class _Line:
    quantity: float = 0.0
    usd: float = 0.0
    unit: str = ""


class CostExplorer:
    """The one call of it that is answered; `tags_of` has the tags of an endpoint by its name."""

    def __init__(self, place: Place, postings: Postings, tags_of: TagsOf) -> None:
        self._place, self._postings, self._tags_of = place, postings, tags_of

    def handlers(self) -> dict[str, Handler]:
        """The calls that this answers."""
        return checked({"AWSInsightsIndexService.GetCostAndUsage": self._usage}, service="ce")

    def _usage(self, request: dict[str, Any]) -> dict[str, Any]:
        _check_asked(request)
        start, end = _period(request["TimePeriod"])
        metrics, prices = request["Metrics"], self._prices()
        return {
            "GroupDefinitions": _BY_USAGE_TYPE,
            "ResultsByTime": [
                {
                    "TimePeriod": {"Start": first.isoformat(), "End": after.isoformat()},
                    "Total": {},
                    "Groups": list(_groups(self._lines(first, after, request, prices), metrics)),
                    "Estimated": True,
                }
                for first, after in _pieces(start, end, request["Granularity"])
            ],
            "DimensionValueAttributes": [],
        }

    def _prices(self) -> Prices:
        try:
            return load_prices(self._place.region)
        except InputError as error:
            raise AwsError("DataUnavailableException", f"localcloud: {error}") from error

    def _lines(
        self, first: date, after: date, request: Mapping[str, Any], prices: Prices
    ) -> dict[str, _Line]:
        lines = defaultdict[str, _Line](_Line)
        for posting, account in self._postings().items():
            if first <= posting.day < after and self._is_wanted(posting, request.get("Filter")):
                for usage_type, line in _usage_of(posting, account, prices):
                    known = lines[usage_type]
                    known.quantity, known.usd = known.quantity + line.quantity, known.usd + line.usd
                    known.unit = line.unit
        return lines

    def _is_wanted(self, posting: Posting, expression: Mapping[str, Any] | None) -> bool:
        if expression is None:
            return True
        if "And" in expression:
            return all(self._is_wanted(posting, item) for item in expression["And"])
        if "Tags" in expression:
            tag = expression["Tags"]
            return self._tags_of(posting.endpoint_name).get(tag["Key"]) in tag["Values"]
        return "Usage" in expression["Dimensions"]["Values"]


def _usage_of(posting: Posting, account: Account, prices: Prices) -> Iterator[tuple[str, _Line]]:
    usd = account.gb_seconds * prices.usd(ON_DEMAND_PRICE)
    if account.billed_ms:
        seconds = account.billed_ms / 1000
        yield (
            f"ServerlessInf:Mem-{posting.memory_mb // 1024}GB",
            _Line(seconds, usd, "Second"),
        )
    for way, size in (("In", account.bytes_in), ("Out", account.bytes_out)):
        if size:
            usd = prices.data_usd(size, 0) if way == "In" else prices.data_usd(0, size)
            yield f"Data-Bytes-{way}", _Line(size / _BYTES_PER_GB, usd, "GB")


def _groups(lines: Mapping[str, _Line], metrics: list[str]) -> Iterator[dict[str, Any]]:
    for usage_type, line in sorted(lines.items()):
        figures = {
            "UnblendedCost": {"Amount": f"{line.usd:.12f}", "Unit": "USD"},
            "UsageQuantity": {"Amount": f"{line.quantity:.12f}", "Unit": line.unit},
        }
        yield {"Keys": [usage_type], "Metrics": {name: figures[name] for name in metrics}}


def _pieces(start: date, end: date, granularity: str) -> Iterator[tuple[date, date]]:
    """Days, or months as far as they are in the period."""
    while start < end:
        after = start + timedelta(days=1)
        if granularity == "MONTHLY":
            after = min(end, (start.replace(day=1) + timedelta(days=32)).replace(day=1))
        yield start, after
        start = after


def _period(asked: Mapping[str, str]) -> tuple[date, date]:
    try:
        start, end = (date.fromisoformat(asked[name]) for name in ("Start", "End"))
    except ValueError as error:
        raise validation_error(f"TimePeriod {dict(asked)}; days are as 2026-11-24") from error
    if start >= end:
        raise validation_error(f"TimePeriod {start} to {end}; End is not included: it is later")
    return start, end


def _check_asked(request: Mapping[str, Any]) -> None:
    """AwsError for what Cost Explorer could answer, and this cannot."""
    if request["Granularity"] not in ("DAILY", "MONTHLY"):
        raise validation_error(f"Granularity {request['Granularity']}; DAILY, MONTHLY are known")
    unknown = sorted(set(request["Metrics"]) - set(_METRICS))
    if unknown:
        raise validation_error(f"Metrics {unknown}; {', '.join(_METRICS)} are known")
    if request.get("GroupBy") != _BY_USAGE_TYPE:
        raise validation_error(f"GroupBy {request.get('GroupBy')}; {_BY_USAGE_TYPE} is known")
    _check_filter(request.get("Filter"))


def _check_filter(expression: Mapping[str, Any] | None) -> None:
    if expression is None:
        return
    if len(expression) != 1:
        raise validation_error(f"a Filter of {sorted(expression)}; each expression has one of them")
    (kind,) = expression
    if kind == "And":
        for item in expression["And"]:
            _check_filter(item)
    elif kind == "Dimensions" and expression[kind]["Key"] != "RECORD_TYPE":
        raise validation_error(f"a Filter by {expression[kind]['Key']}; RECORD_TYPE is known")
    elif kind not in ("Dimensions", "Tags"):
        raise validation_error(f"a Filter by {kind}; And, Dimensions and Tags are known")
