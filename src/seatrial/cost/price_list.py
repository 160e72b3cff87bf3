"""Prices read from AWS's Price List API, whose answers are JSON texts, one per product.

Filters and usage types are as public projects use them; nothing here has been run on AWS yet. What
the answers do not hold stays unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml

from seatrial.aws import explained
from seatrial.cost.prices import InstancePrice, Price, Prices
from seatrial.errors import CloudError

PRICING_REGION = "us-east-1"  # the API is in three regions only, and knows of all
# Whole usage types: "Mem-2GB" alone would be found in those of provisioned concurrency too.
_PLACE = r"^(?:[A-Za-z0-9]+-)*"
_USAGE_TYPES = {
    "serverless_usd_per_gb_second": re.compile(_PLACE + r"ServerlessInf:Mem-(\d)GB$"),
    "provisioned_usd_per_gb_second": re.compile(_PLACE + r"ProvisionedConcurrency:Usage-(\d)GB$"),
    "provisioned_duration_usd_per_gb_second": re.compile(
        _PLACE + r"ProvisionedConcurrency:Mem-(\d)GB$"
    ),
}
_DATA_GROUPS = {"data_in_usd_per_gb": "Hosting:IN", "data_out_usd_per_gb": "Hosting:OUT"}
_MB_PER_GB = 1024
_SAME = 1e-3  # prices per GB of different tiers may differ by rounding


@dataclass(frozen=True)
class _Product:
    sku: str
    attributes: dict[str, str]
    usd: float
    unit: str


def fetch_prices(pricing: Any, region: str, instance_types: Iterable[str], today: date) -> Prices:
    """The region's prices of serverless inference, data, and those instance types."""
    serverless = list(_products(pricing, region, productFamily="ML Serverless"))
    found: dict[str, Price] = {name: _per_gb(name, serverless, today) for name in _USAGE_TYPES}
    for name, group in _DATA_GROUPS.items():
        products = [
            item
            for item in _products(pricing, region, group=group)
            if item.attributes.get("operation", "Invoke-Endpoint") == "Invoke-Endpoint"
        ]
        found[name] = _agreed(name, [(item, 1.0) for item in products], "gb", today)
    hosting = list(_products(pricing, region, productFamily="ML Instance", component="Hosting"))
    instances = dict(_instances(hosting, set(instance_types), today))
    return Prices(region=region, instances=instances, **found)


def prices_yaml(prices: Prices) -> str:
    """The prices as configs/pricing holds them."""
    values = prices.model_dump(mode="json")
    head = (
        f"# What SageMaker charges in {prices.region}, read from AWS's Price List API by\n"
        "# `seatrial cost refresh`. A `usd` of null was not in its answers.\n"
    )
    return head + yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)


def _per_gb(name: str, products: list[_Product], today: date) -> Price:
    sized = [
        (item, float(match[1]))
        for item in products
        if (match := _USAGE_TYPES[name].match(item.attributes.get("usagetype", "")))
    ]
    return _agreed(name, sized, "sec", today)


def _agreed(name: str, sized: list[tuple[_Product, float]], unit: str, today: date) -> Price:
    """One price per unit of size; CloudError if the products disagree or count in another unit."""
    if not sized:
        return Price(usd=None, source="not in the Price List's answer", date=today, verified=False)
    each = [item.usd / size for item, size in sized]
    wrong = [item.unit for item, _ in sized if not item.unit.lower().startswith(unit)]
    if wrong or max(each) - min(each) > _SAME * max(each):
        raise CloudError(
            f"the Price List's answer for {name} is not understood",
            got=[(item.attributes.get("usagetype"), item.usd, item.unit) for item, _ in sized],
            allowed=f"one price per GB, in {unit}…",
            do=f"Look it up and give it with --price {name}=…",
        )
    skus = ", ".join(item.sku for item, _ in sized)
    return Price(usd=each[0], source=f"Price List API, {skus}", date=today, verified=True)


def _instances(
    products: list[_Product], wanted: set[str], today: date
) -> Iterator[tuple[str, InstancePrice]]:
    for item in sorted(products, key=lambda item: (item.usd, item.sku)):
        attributes = item.attributes
        name = attributes.get("instanceName", "").removesuffix("-Hosting")
        if name not in wanted or not attributes.get("usagetype", "").endswith(f"Host:{name}"):
            continue
        yield (
            name,
            InstancePrice(
                vcpus=int(attributes["vCpu"]),
                memory_mb=round(float(attributes["memory"].split()[0]) * _MB_PER_GB),
                burstable=name.startswith("ml.t"),
                usd_per_hour=_agreed(name, [(item, 1.0)], "h", today),
            ),
        )


def _products(pricing: Any, region: str, **attributes: str) -> Iterator[_Product]:
    wanted = {"regionCode": region, **attributes}
    filters = [
        {"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()
    ]
    with explained("the Price List", do="Check pricing:GetProducts permission"):
        pages = pricing.get_paginator("get_products").paginate(
            ServiceCode="AmazonSageMaker", Filters=filters, FormatVersion="aws_v1"
        )
        texts = [text for page in pages for text in page["PriceList"]]
    for text in texts:
        try:
            yield from _read(json.loads(text))
        except (KeyError, TypeError, ValueError) as error:
            raise CloudError(
                "the Price List's answer is not understood",
                got=f"{type(error).__name__}: {error} in {text[:200]}",
                allowed="a product with terms.OnDemand",
                do="Look the price up and give it with --price NAME=USD",
            ) from error


def _read(product: dict[str, Any]) -> Iterator[_Product]:
    for term in product["terms"].get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            usd = dimension["pricePerUnit"].get("USD")
            if usd is None or dimension.get("endRange", "Inf") != "Inf":
                continue  # another currency, or the first, free part of a tiered price
            yield _Product(
                sku=product["product"]["sku"],
                attributes=product["product"]["attributes"],
                usd=float(usd),
                unit=dimension["unit"],
            )
