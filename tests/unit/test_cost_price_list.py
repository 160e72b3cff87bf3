"""The Price List API, answered by botocore's stub in the shape of its products."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from seatrial.cost.price_list import fetch_prices, prices_yaml
from seatrial.cost.prices import Prices, load_prices
from seatrial.errors import CloudError

REGION = "eu-west-1"
TODAY = date(2026, 11, 24)


def product(usage_type: str, usd: str, unit: str = "seconds", **attributes: str) -> str:
    """One text of a PriceList."""
    sku = f"SKU{abs(hash(usage_type)) % 10**6}"
    dimension = {
        "unit": unit,
        "endRange": "Inf",
        "beginRange": "0",
        "description": "…",
        "appliesTo": [],
        "rateCode": f"{sku}.JRTCKXETXF.6YS6EN2CT7",
        "pricePerUnit": {"USD": usd},
    }
    term = {
        "priceDimensions": {dimension["rateCode"]: dimension},
        "sku": sku,
        "effectiveDate": "2026-09-01T00:00:00Z",
        "offerTermCode": "JRTCKXETXF",
        "termAttributes": {},
    }
    return json.dumps(
        {
            "product": {
                "productFamily": "ML Serverless",
                "attributes": {"usagetype": usage_type, "regionCode": REGION, **attributes},
                "sku": sku,
            },
            "serviceCode": "AmazonSageMaker",
            "terms": {"OnDemand": {f"{sku}.JRTCKXETXF": term}},
        }
    )


SERVERLESS = [
    product(f"EU-ServerlessInf:Mem-{gb}GB", f"{0.000022 * gb:.10f}") for gb in range(1, 7)
]
HELD = [product(f"EU-ProvisionedConcurrency:Usage-{gb}GB", f"{4e-6 * gb:.10f}") for gb in (1, 2)]
HELD_RUNNING = [product(f"EU-ProvisionedConcurrency:Mem-{gb}GB", f"{9e-6 * gb}") for gb in (1, 2)]
DATA_IN = [product("EU-Data-Bytes-In", "0.016", "GB", operation="Invoke-Endpoint")]
DATA_OUT = [
    product("EU-Data-Bytes-Out", "0.017", "GB", operation="Invoke-Endpoint"),
    product("EU-Data-Bytes-Out", "0.5", "GB", operation="Something-Else"),
]


def hosted(name: str, usd: str, usage_type: str = "") -> str:
    return product(
        usage_type or f"EU-Host:{name}",
        usd,
        "Hrs",
        instanceName=f"{name}-Hosting",
        vCpu="4",
        memory="8 GiB",
    )


HOSTING = [hosted("ml.c5.xlarge", "0.23"), hosted("ml.t2.medium", "0.06"), hosted("ml.p3", "9")]


@contextmanager
def answering(*pages_of_each_call: list[list[str]]) -> Iterator[Any]:
    """A pricing client that gives these answers in order; botocore checks calls and answers."""
    pricing = boto3.client(
        "pricing",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - asked of nobody
    )
    filters = (
        {"productFamily": "ML Serverless"},
        {"group": "Hosting:IN"},
        {"group": "Hosting:OUT"},
        {"productFamily": "ML Instance", "component": "Hosting"},
    )
    with Stubber(pricing) as stub:
        for pages, wanted in zip(pages_of_each_call, filters, strict=False):
            expected: dict[str, Any] = {
                "ServiceCode": "AmazonSageMaker",
                "FormatVersion": "aws_v1",
                "Filters": [
                    {"Type": "TERM_MATCH", "Field": field, "Value": value}
                    for field, value in {"regionCode": REGION, **wanted}.items()
                ],
            }
            for number, page in enumerate(pages):
                more = {"NextToken": f"t{number}"} if number + 1 < len(pages) else {}
                token = {"NextToken": f"t{number - 1}"} if number else {}
                stub.add_response(
                    "get_products",
                    {"FormatVersion": "aws_v1", "PriceList": page, **more},
                    expected | token,
                )
        yield pricing


def fetched(*pages_of_each_call: list[list[str]]) -> Prices:
    with answering(*pages_of_each_call) as pricing:
        return fetch_prices(pricing, REGION, ["ml.c5.xlarge", "ml.t2.medium"], TODAY)


def test_every_price_is_read_and_marked_as_verified() -> None:
    serverless = [SERVERLESS[:3], SERVERLESS[3:] + HELD + HELD_RUNNING]
    prices = fetched(serverless, [DATA_IN], [DATA_OUT], [HOSTING])
    assert prices.usd("serverless_usd_per_gb_second") == pytest.approx(0.000022)
    assert prices.usd("provisioned_usd_per_gb_second") == pytest.approx(4e-6)
    assert prices.usd("provisioned_duration_usd_per_gb_second") == pytest.approx(9e-6)
    assert prices.usd("data_in_usd_per_gb") == 0.016
    assert prices.usd("data_out_usd_per_gb") == 0.017
    assert prices.serverless_usd_per_gb_second.verified
    assert prices.serverless_usd_per_gb_second.date == TODAY
    xlarge = prices.instances["ml.c5.xlarge"]
    assert (xlarge.vcpus, xlarge.memory_mb, xlarge.usd_per_hour.usd) == (4, 8192, 0.23)
    assert (xlarge.burstable, prices.instances["ml.t2.medium"].burstable) == (False, True)
    assert set(prices.instances) == {"ml.c5.xlarge", "ml.t2.medium"}


def test_provisioned_prices_are_not_taken_for_on_demand_ones() -> None:
    prices = fetched([HELD + HELD_RUNNING], [DATA_IN], [DATA_OUT], [HOSTING])
    assert prices.serverless_usd_per_gb_second.usd is None


def test_what_is_not_in_the_answers_stays_unknown() -> None:
    prices = fetched([SERVERLESS], [[]], [[]], [[]])
    assert prices.provisioned_usd_per_gb_second.usd is None
    assert prices.data_in_usd_per_gb.usd is None
    assert not prices.data_in_usd_per_gb.verified
    assert prices.instances == {}


def test_tiers_that_do_not_cost_their_memory_are_an_error_not_a_mean() -> None:
    odd = [*SERVERLESS, product("EU-ServerlessInf:Mem-7GB", "0.0001")]
    with pytest.raises(CloudError, match="serverless_usd_per_gb_second"):
        fetched([odd], [DATA_IN], [DATA_OUT], [HOSTING])


def test_another_unit_is_an_error() -> None:
    with pytest.raises(CloudError, match="minutes"):
        fetched([[product("EU-ServerlessInf:Mem-1GB", "0.0001", "minutes")]])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"product": {}}'])
def test_an_answer_of_another_shape_is_an_error(text: str) -> None:
    with pytest.raises(CloudError, match="not understood"):
        fetched([[text]])


def test_other_uses_of_an_instance_type_are_not_its_hosting_price() -> None:
    others = [hosted("ml.c5.xlarge", "0.01", "EU-AsyncInf:ml.c5.xlarge"), *HOSTING]
    prices = fetched([SERVERLESS], [DATA_IN], [DATA_OUT], [others])
    assert prices.instances["ml.c5.xlarge"].usd_per_hour.usd == 0.23


def test_the_file_reads_back_the_same(tmp_path: Path) -> None:
    prices = fetched([SERVERLESS], [DATA_IN], [DATA_OUT], [HOSTING])
    path = tmp_path / "prices.yaml"
    path.write_text(prices_yaml(prices), encoding="utf-8")
    assert load_prices(REGION, path) == prices
