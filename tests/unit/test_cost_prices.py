"""Prices: where they are from, what is missing, and what the user gives."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from seatrial.cost.prices import known_regions, load_prices, parse_price, price_names, with_given
from seatrial.errors import InputError

TODAY = date(2026, 11, 24)
HELD = "provisioned_usd_per_gb_second"


@pytest.mark.parametrize("region", known_regions())
def test_prices_that_come_along_have_a_source_and_claim_nothing(region: str) -> None:
    prices = load_prices(region)
    assert prices.region == region
    every = [getattr(prices, name) for name in price_names()]
    every += [item.usd_per_hour for item in prices.instances.values()]
    assert all(item.source for item in every)
    assert not any(item.verified for item in every)


def test_a_tier_costs_its_memory() -> None:
    assert load_prices("us-east-1").usd_per_second(
        "serverless_usd_per_gb_second", 3072
    ) == pytest.approx(0.00006)


def test_data_costs_by_the_gigabyte_each_way() -> None:
    assert load_prices("us-east-1").data_usd(1e9, 2e9) == pytest.approx(0.048)


def test_a_missing_price_is_asked_for() -> None:
    with pytest.raises(InputError, match=f"--price {HELD}=…"):
        load_prices("us-east-1").usd(HELD)


def test_a_given_price_is_used_and_marked() -> None:
    prices = with_given(load_prices("us-east-1"), {HELD: 0.000004}, today=TODAY)
    assert prices.usd(HELD) == 0.000004
    assert prices.missing([HELD]) == []
    assert prices.provisioned_usd_per_gb_second.source == "given by the user"
    assert not prices.provisioned_usd_per_gb_second.verified


def test_an_instance_has_a_price_by_the_hour() -> None:
    prices = with_given(load_prices("us-east-1"), {"ml.c5.large": 0.5}, today=TODAY)
    assert prices.instances["ml.c5.large"].usd_per_hour.usd == 0.5


def test_an_unknown_price_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="serverless_usd_per_gb_second"):
        with_given(load_prices("us-east-1"), {"serverless": 1.0}, today=TODAY)


@pytest.mark.parametrize("text", ["", "a", "a=", "=1", "a=b", "a=-1", "a=nan", "a=inf"])
def test_what_is_not_a_price_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="NAME=USD"):
        parse_price(text)


@pytest.mark.parametrize(("text", "price"), [("a=0", ("a", 0.0)), ("b.c=1e-6", ("b.c", 1e-6))])
def test_a_price_has_a_name_and_a_figure(text: str, price: tuple[str, float]) -> None:
    assert parse_price(text) == price


def test_an_unknown_region_says_how_to_get_its_prices() -> None:
    with pytest.raises(InputError, match="cost refresh --region mars-1"):
        load_prices("mars-1")


@pytest.mark.parametrize("text", ["region: x", "- 1", "a: [", "\x00"])
def test_a_file_that_holds_no_prices_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="cannot read the prices"):
        load_prices("us-east-1", path)
