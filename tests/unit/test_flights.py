"""The example's data: what is held out stays out, and only what is known at departure goes in."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from seatrial.contracts import Payload
from seatrial.examples.flights.data import (
    FEATURES,
    QUIET_WEEK,
    TARGET,
    TIME,
    load_flights,
    training_flights,
    within,
)
from seatrial.examples.flights.page import Stage, write_page
from seatrial.examples.flights.traffic import Asked, write_labels
from seatrial.examples.flights.train import json_payload, payload, split


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    return load_flights()


def test_the_quiet_week_is_not_trained_on(flights: pd.DataFrame) -> None:
    training, quiet = training_flights(flights), within(flights, QUIET_WEEK)
    assert len(quiet) > 5000
    times = training[TIME]
    assert not ((times >= quiet[TIME].min()) & (times <= quiet[TIME].max())).any()
    assert times.min() < quiet[TIME].min()
    assert times.max() > quiet[TIME].max()


def test_nothing_that_is_known_only_later_is_a_feature() -> None:
    assert not {"arr_delay", "arr_time", "air_time", "dep_delay", "dep_time", TARGET, TIME} & set(
        FEATURES
    )


def test_missing_weather_stays_missing(flights: pd.DataFrame) -> None:
    assert 0.05 < flights["pressure"].isna().mean() < 0.2
    assert not flights[["carrier", "distance", TARGET]].isna().any().any()


def test_the_split_is_the_same_each_time(flights: pd.DataFrame) -> None:
    rows = flights.head(1000)
    first, second = split(rows, seed=0), split(rows, seed=0)
    assert first[1].equals(second[1])
    assert len(first[0]) + len(first[1]) == 1000


def test_payloads_are_contracts_with_gaps_as_they_are(flights: pd.DataFrame) -> None:
    rows = flights[flights["pressure"].isna()].head(2)
    as_csv, as_json = payload("a", rows, FEATURES), json_payload("b", rows, FEATURES)
    assert ",," in as_csv.body
    assert "null" in as_json.body
    assert Payload.model_validate_json(as_csv.model_dump_json()) == as_csv


def test_labels_are_by_event_and_row(tmp_path: Path) -> None:
    path = write_labels([Asked("a", (0, 1)), Asked("b", (1,))], tmp_path / "labels.csv")
    assert path.read_text().split() == ["event_id,row,label", "a,0,0", "a,1,1", "b,0,1"]


def test_every_link_of_the_page_leads_to_a_file(tmp_path: Path) -> None:
    import re

    (tmp_path / "executions").mkdir()
    report = tmp_path / "executions" / "a & b.html"
    report.write_text("x")
    stage = Stage("<title>", 1.0, ["1 < 2"], {"report": report})
    text = write_page([stage], tmp_path).read_text()
    assert "<title>seatrial demo</title>" in text
    assert "&lt;title&gt;" in text
    links = re.findall(r'href="([^"]+)"', text)
    assert links
    for link in links:
        assert (tmp_path / link.replace("&amp;", "&")).is_file()
