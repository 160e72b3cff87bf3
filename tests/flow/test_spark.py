"""A window summarised by Spark's executors: the numbers of one machine, to the last bit."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seatrial.contracts import Baseline, DriftReport, Summary, read_contract, write_contract
from seatrial.monitoring import row_groups
from seatrial.monitoring.bounds import chance_bounds
from seatrial.monitoring.spark import summarise_on_spark
from seatrial.monitoring.summary import summarise_reference
from seatrial.monitoring.window_rows import summarise_window
from seatrial.steps.detect_drift_on_spark import detect

pytest.importorskip("pyspark", reason="make test-spark has an environment with PySpark")
pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs a Java")

ROWS = 30_000


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        # a session this short is over before optimised code would pay
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        settings = {
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
        }
        session = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
        yield session
        session.stop()


def columns() -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {
        # a long tail: its sums depend on the order of adding
        "x": np.where(random.random(ROWS) < 0.1, np.nan, random.lognormal(0, 3, ROWS)),
        "c": random.choice(np.array(["UA", "AA", None], dtype=object), ROWS),
    }


@pytest.fixture
def window(tmp_path: Path) -> Path:
    folder = tmp_path / "window.parquet"
    folder.mkdir()
    values = {name: pa.array(column, from_pandas=True) for name, column in columns().items()}
    table = pa.table(values)
    for number in range(3):
        part = table.slice(number * ROWS // 3, ROWS // 3)
        pq.write_table(part, folder / f"part-{number}.parquet", row_group_size=300)
    return folder


@pytest.fixture
def reference() -> Summary:
    return summarise_reference(columns(), categorical=())


def test_spark_and_one_machine_give_equal_numbers_and_the_same_verdict(
    spark: Any, window: Path, reference: Summary, tmp_path: Path
) -> None:
    assert len(row_groups.list_stretches(str(window), like=reference)) == 7
    baseline = Baseline(
        model_package_arn=None,
        task="binary_classification",
        target="late",
        rows=ROWS,
        started_at=None,
        ended_at=None,
        input_columns=("x", "c"),
        output_columns=(),
        bounds=chance_bounds(reference, window_h=24, floor=0.1),
        bound_method="independent resampling",
        false_alert_every_windows=20,
        held_out_rows=0,
        seed=0,
        quality={},
    )
    write_contract(reference, tmp_path / "summary.json")
    write_contract(baseline, tmp_path / "baseline.json")
    output = tmp_path / "drift"
    report = detect(spark, str(window), tmp_path, output, window_h=24, min_rows=200)
    assert read_contract(Summary, output / "summary.json") == summarise_window(
        window, like=reference
    )
    assert read_contract(DriftReport, output / "drift.json") == report
    assert (report.status, report.rows) == ("no drift", ROWS)


def test_a_damaged_file_is_named_by_an_executor(
    spark: Any, window: Path, reference: Summary
) -> None:
    path = window / "part-1.parquet"
    content = bytearray(path.read_bytes())
    content[4:2000] = bytes(1996)  # pages; the footer is whole
    path.write_bytes(content)
    with pytest.raises(Exception, match=r"cannot be read.*part-1\.parquet"):
        summarise_on_spark(spark, str(window), like=reference)
