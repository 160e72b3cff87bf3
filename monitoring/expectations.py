"""Run a baseline's Great Expectations suite on a window."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from seatrial.contracts import FailedExpectation, QualityReport
from seatrial.errors import InputError
from seatrial.monitoring.quiet import quiet
from seatrial.monitoring.row_counts import for_window

if TYPE_CHECKING:
    import pandas as pd

MAX_EXAMPLES = 5
# Of ids that come twice the number says enough, and an id may be a person's.
UNIQUE = "expect_column_values_to_be_unique"


def find_suite(baseline: Path) -> Path:
    """What people have edited, suite.yaml, where it is; else what BuildBaseline wrote."""
    edited = baseline / "suite.yaml"
    return edited if edited.is_file() else baseline / "suite.json"


def read_suite(
    path: Path,
    *,
    without: Collection[str] = (),
    window_h: float = math.inf,
    sample_ratio: float = 1.0,
) -> Any:
    """The suite, as Great Expectations has it; InputError if it is not one.

    Left out are expectations of a column in `without`, and those of windows of another length.
    """
    with quiet():
        from great_expectations import ExpectationSuite
        from great_expectations.expectations.registry import get_expectation_impl

    try:
        text = path.read_text(encoding="utf-8")
        document = yaml.safe_load(text) if path.suffix == ".yaml" else json.loads(text)
        asked = for_window(document["expectations"], window_h=window_h, sample_ratio=sample_ratio)
        document["expectations"] = [
            item for item in asked if not _columns(item["kwargs"]).intersection(without)
        ]
        for item in document["expectations"]:
            get_expectation_impl(item["type"])  # the suite leaves out a name that it does not know
        return ExpectationSuite(**document)
    except Exception as error:  # pydantic's, GE's own and KeyError; they have no common base
        raise InputError(
            "cannot read the expectation suite",
            got=f"{path}: {str(error)[:300]}",
            allowed="a Great Expectations suite, suite.json or suite.yaml",
            do="Correct what was edited in it, or build the baseline again",
        ) from error


def _columns(kwargs: Mapping[str, Any]) -> set[str]:
    """The columns that an expectation is about, by any of Great Expectations' names for them."""
    single = {kwargs[name] for name in ("column", "column_A", "column_B") if name in kwargs}
    return single.union(kwargs.get("column_list", ()))


def check(frame: pd.DataFrame, suite: Any) -> QualityReport:
    """Evaluate every expectation of the suite on the rows of `frame`."""
    with quiet("great_expectations"):
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        asset = context.data_sources.add_pandas("window").add_dataframe_asset("window")
        batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
        result = batch.validate(suite, result_format="SUMMARY").to_json_dict()
    return QualityReport(
        rows=len(frame),
        evaluated=result["statistics"]["evaluated_expectations"],
        failed=tuple(_failed(item) for item in result["results"] if not item["success"]),
        success=result["success"],
    )


def _failed(item: dict[str, Any]) -> FailedExpectation:
    """What was expected, what was found, and some examples."""
    config, result = item["expectation_config"], item["result"]
    wanted = dict(config["kwargs"])
    percent = result.get("unexpected_percent")
    examples = () if config["type"] == UNIQUE else result.get("partial_unexpected_list", ())
    return FailedExpectation(
        expectation=config["type"],
        column=wanted.pop("column", None),
        unexpected_count=result.get("unexpected_count"),
        unexpected_ratio=None if percent is None else percent / 100,
        detail=_detail(wanted, result, examples, item.get("exception_info") or {}),
    )


def _detail(
    wanted: dict[str, Any],
    result: Mapping[str, Any],
    examples: Iterable[Any],
    exception: Mapping[str, Any],
) -> str:
    wanted.pop("batch_id", None)
    if "value_set" in wanted:
        wanted["value_set"] = f"{len(wanted['value_set'])} values"
    parts = [f"wanted {', '.join(f'{name} {value}' for name, value in wanted.items())}"]
    if result.get("unexpected_count"):
        share = result["unexpected_percent"]
        parts.append(f"not so in {result['unexpected_count']} rows ({share:.3g} %)")
    if "observed_value" in result:
        parts.append(f"found {result['observed_value']}")
    shown = list(dict.fromkeys(map(str, examples)))
    if shown:
        parts.append(f"for example {', '.join(shown[:MAX_EXAMPLES])}")
    if exception.get("exception_message"):
        parts.append(str(exception["exception_message"])[:300])
    return "; ".join(part for part in parts if part != "wanted ")
