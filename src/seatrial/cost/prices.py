"""What a region charges, from configs/pricing/<region>.yaml; a price that is missing is asked for.

A GB is 1024 MB, as in the memory tiers, and for data 10^9 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from importlib.resources import files
from pathlib import Path

import yaml
from pydantic import Field, NonNegativeFloat, PositiveInt, ValidationError

from seatrial.contracts import Contract, Part, first_problem
from seatrial.errors import InputError

HOURS_A_MONTH = 730  # AWS's own figure for a month, 8760 / 12
MONTH_S = HOURS_A_MONTH * 3600.0
ON_DEMAND_PRICE = "serverless_usd_per_gb_second"
HELD_PRICE = "provisioned_usd_per_gb_second"
HELD_RUNNING_PRICE = "provisioned_duration_usd_per_gb_second"
PROVISIONED_PRICES = (HELD_PRICE, HELD_RUNNING_PRICE)
DATA_PRICES = ("data_in_usd_per_gb", "data_out_usd_per_gb")
_MB_PER_GB = 1024
_GIVEN = "given by the user"


class Price(Part):
    """One figure in US dollars. `verified`: read from AWS's Price List by `cost refresh`."""

    usd: NonNegativeFloat | None
    source: str
    date: date
    verified: bool

    @property
    def given(self) -> bool:
        """True for a figure that the user gave."""
        return self.source == _GIVEN


class InstancePrice(Part):
    """A real-time instance type."""

    vcpus: PositiveInt
    memory_mb: PositiveInt
    burstable: bool = False
    usd_per_hour: Price


class Prices(Contract):
    """The prices of one region."""

    region: str
    serverless_usd_per_gb_second: Price
    provisioned_usd_per_gb_second: Price
    provisioned_duration_usd_per_gb_second: Price
    data_in_usd_per_gb: Price
    data_out_usd_per_gb: Price
    instances: dict[str, InstancePrice] = Field(default_factory=dict)

    def usd(self, name: str) -> float:
        """The price called `name`; InputError if it is not known."""
        price: Price = getattr(self, name)
        if price.usd is None:
            raise InputError(
                f"the price {name} in {self.region} is not known",
                got=price.source,
                allowed="a figure in US dollars",
                do=f"Give it with --price {name}=… or as prices.{name} in the configuration, or "
                f"read it: seatrial cost refresh --region {self.region}",
            )
        return price.usd

    def missing(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that are not known."""
        return [name for name in names if getattr(self, name).usd is None]

    def usd_per_second(self, name: str, memory_size_mb: int) -> float:
        """A price per GB-second, for a tier."""
        return self.usd(name) * memory_size_mb / _MB_PER_GB

    def data_usd(self, bytes_in: float, bytes_out: float) -> float:
        """What moving that many bytes costs."""
        return (
            self.usd("data_in_usd_per_gb") * bytes_in + self.usd("data_out_usd_per_gb") * bytes_out
        ) / 1e9


def price_names() -> list[str]:
    """The names that `--price NAME=USD` takes, besides instance types."""
    return [name for name, field in Prices.model_fields.items() if field.annotation is Price]


def load_prices(region: str, path: Path | None = None) -> Prices:
    """The prices in `path`, else those of `region` that come with the package."""
    source = path or Path(str(files("seatrial.configs.pricing") / f"{region}.yaml"))
    try:
        found = Prices.model_validate(yaml.safe_load(source.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise InputError(
            "there are no prices for the region",
            got=region,
            allowed=", ".join(known_regions()),
            do=f"Read them: seatrial cost refresh --region {region} --out prices.yaml, then "
            "--prices prices.yaml",
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else str(error)[:200]
        raise InputError(
            "cannot read the prices",
            got=f"{source}: {problem}",
            allowed="a YAML file as configs/pricing/us-east-1.yaml",
            do="Correct it, or write it again with seatrial cost refresh",
        ) from error
    return found


def unknown_prices(region: str, *, today: date) -> Prices:
    """A region of which no price is known yet."""
    source = f"there is no configs/pricing/{region}.yaml"
    none = Price(usd=None, source=source, date=today, verified=False)
    return Prices.model_validate({"region": region, **dict.fromkeys(price_names(), none)})


def known_regions() -> list[str]:
    """The regions whose prices come with the package."""
    folder = Path(str(files("seatrial.configs.pricing")))
    return sorted(item.stem for item in folder.glob("*.yaml"))


def with_given(prices: Prices, given: Mapping[str, float], *, today: date) -> Prices:
    """`prices` with what the user gave laid over them: price names, or instance types by the hour.

    An instance type that is not in the file cannot be given: its vCPUs are not known.
    """
    changes: dict[str, object] = {}
    instances = dict(prices.instances)
    for name, usd in given.items():
        price = Price(usd=usd, source=_GIVEN, date=today, verified=False)
        if name in price_names():
            changes[name] = price
        elif name in instances:
            instances[name] = instances[name].model_copy(update={"usd_per_hour": price})
        else:
            raise InputError(
                "no such price",
                got=name,
                allowed=", ".join([*price_names(), *instances]),
                do="Give it as --price NAME=USD, or in the configuration's prices",
            )
    return prices.model_copy(update={**changes, "instances": instances})


def parse_price(text: str) -> tuple[str, float]:
    """`NAME=USD` as name and figure."""
    name, _, figure = text.partition("=")
    try:
        usd = float(figure)
    except ValueError:
        usd = -1.0
    if not name or not 0 <= usd < float("inf"):
        raise InputError(
            "not a price",
            got=text,
            allowed="NAME=USD, as provisioned_usd_per_gb_second=0.00001",
            do=f"Names: {', '.join(price_names())}, or an instance type",
        )
    return name, usd
