"""The monitoring steps on files and on a running localcloud: from a baseline to a message.

Every step's `main` is called as its process calls it; S3, SNS, SQS, CloudWatch and SageMaker answer
over HTTP, MLflow keeps a SQLite file.
"""

from __future__ import annotations

import gzip
import html
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from interrupted import (
    Ears,
    broken_promises,
    interrupt,
    plan_of,
    plan_of_collecting,
    plan_of_reacting,
    told_of_each,
)
from watched import (
    ARN,
    COLUMNS,
    MOVED,
    QUIET,
    ROWS_PER_HOUR,
    SIGNATURE,
    START,
    Place,
    create_config,
    create_endpoint,
    make_baseline,
    record,
    rows_from,
    serve,
    watch,
    write_candidates,
    write_data,
)

from seatrial.aws import S3
from seatrial.config import load_config
from seatrial.contracts import (
    Baseline,
    DriftReport,
    LabelScores,
    Monitoring,
    QualityReport,
    Summary,
    Window,
    read_contract,
    write_contract,
)
from seatrial.contracts.calls import Calls
from seatrial.errors import CloudError, InputError
from seatrial.monitoring.call_files import read_calls
from seatrial.monitoring.ledger import read_elsewhere
from seatrial.monitoring.reactions import Findings
from seatrial.monitoring.selftest import seed_from, self_tests
from seatrial.monitoring.span import Span
from seatrial.monitoring.tracking import find_experiment, log_run
from seatrial.serving.model import Model
from seatrial.steps import build_baseline, check_quality, collect_window, detect_drift

pytestmark = pytest.mark.flow

ENDPOINT, BUCKET = "watched", "lake-of-monitoring"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("monitoring")
    config = load_config(
        None,
        bucket=BUCKET,
        endpoint={"name": ENDPOINT},
        tracking={"mlflow_uri": f"sqlite:///{root / 'mlflow.db'}"},
        monitoring={"slices": ["hour"]},
    )
    (root / "config.yaml").write_text(config.to_yaml())
    write_candidates(root)
    write_data(root)
    return Place(root, config)


@pytest.fixture(scope="module")
def baseline(place: Place) -> Path:
    return make_baseline(place)


def test_the_baseline_is_complete(baseline: Path) -> None:
    assert {path.name for path in baseline.iterdir()} == {
        "baseline.json",
        "summary.json",
        "suite.json",
        "signature.json",
        "reference_sample.parquet",
        "reference_rows.parquet",
        "held_out.parquet",
        "statistics.json",
        "constraints.json",
    }
    found = read_contract(Baseline, baseline / "baseline.json")
    summary = read_contract(Summary, baseline / "summary.json")
    assert found.model_package_arn == ARN
    assert found.bound_method == "contiguous blocks"
    assert {item.blocks for item in found.bounds} == {12}
    assert found.rows == summary.rows
    [calibration] = found.calibrations
    assert (calibration.windows, calibration.tail) == (12, "gumbel")
    assert found.score_calibration is not None
    assert list(summary.columns) == [*COLUMNS, "label", "score"]
    assert summary.columns["label"].kind == "categorical"
    assert found.quality.keys() == {"auc", "accuracy", "ece"}
    assert (found.quality["auc"], found.quality["accuracy"]) == (0.73, 0.65)
    assert 0 < found.quality["ece"] < 1
    [hours] = found.slices
    assert (hours.column, hours.upper) == ("hour", (7.0, 15.0))
    assert all(item.rows > 200 and item.quality["accuracy"] > 0.6 for item in hours.slices)
    assert (found.started_at, found.ended_at) == (START, START + timedelta(days=84, hours=-1))
    suite = json.loads((baseline / "suite.json").read_text())["expectations"]
    rows_a_week = 7 * 24 * ROWS_PER_HOUR * 4 // 5
    assert suite[0]["type"] == "expect_table_row_count_to_be_between"
    assert suite[0]["kwargs"]["min_value"] == pytest.approx(rows_a_week / 2, rel=0.01)
    assert suite[0]["kwargs"]["max_value"] == pytest.approx(rows_a_week * 2, rel=0.01)
    held_out = pd.read_parquet(baseline / "held_out.parquet")
    assert len(held_out) == found.held_out_rows >= 200
    assert not held_out[["label", "score"]].isna().any().any()


def test_what_the_endpoint_hides_is_in_no_file_of_the_baseline(place: Place) -> None:
    hidden = {"SEATRIAL_RECORD_DROP": "carrier", "SEATRIAL_RECORD_SAMPLE_RATE": "0.5"}
    endpoint = place.config.endpoint.model_copy(update={"environment": hidden})
    unsliced = place.config.monitoring.model_copy(update={"slices": (), "reference_share": 0.25})
    config = place.config.model_copy(update={"endpoint": endpoint, "monitoring": unsliced})
    secret, out = "Zoe Quill", place.root / "baseline-hidden"
    rows = rows_from(START, 84, seed=0).assign(carrier=secret)
    made = build_baseline.build(
        place.root / "candidates",
        rows,
        target="late",
        time_column="at",
        task=SIGNATURE.task,
        config=config,
        output=out,
        model_package_arn=ARN,
    )
    assert made.input_columns == ("temp", "hour")
    suite = json.loads((out / "suite.json").read_text())["expectations"]
    rows_a_week = 7 * 24 * ROWS_PER_HOUR  # a quarter of what happened, of which half is recorded
    assert suite[0]["kwargs"] == {"min_value": rows_a_week, "max_value": rows_a_week * 4}
    assert {item.column for item in made.bounds} == {"temp", "hour", "label", "score"}
    for path in out.iterdir():
        text = path.read_bytes() if path.suffix != ".parquet" else b""
        table = pd.read_parquet(path).to_csv() if path.suffix == ".parquet" else ""
        assert secret not in table
        assert secret.encode() not in text
    assert all(test.passed for test in self_tests(out, seed_from(ARN), min_rows=200))


def test_predictions_of_the_baseline_are_for_rows_the_model_has_not_seen(
    place: Place, baseline: Path
) -> None:
    summary = read_contract(Summary, baseline / "summary.json")
    validation = pd.read_parquet(place.root / "data" / "validation.parquet")
    held_out = read_contract(Baseline, baseline / "baseline.json").held_out_rows
    assert sum(summary.columns["score"].counts) == len(validation) - held_out


def test_the_same_package_gives_the_same_baseline(place: Place, baseline: Path) -> None:
    build_baseline.main(
        [
            *("--candidates", place.folder("candidates")),
            *("--data", place.folder("data")),
            *("--config", place.config_file),
            *("--output", place.folder("baseline-again")),
            *("--model-package-arn", ARN),
        ]
    )
    for path in baseline.iterdir():
        assert path.read_bytes() == (place.root / "baseline-again" / path.name).read_bytes()


def test_the_monitor_passes_its_self_test(baseline: Path) -> None:
    tests = self_tests(baseline, seed_from(ARN), min_rows=200)
    assert [test.passed for test in tests] == [True, True]
    assert tests[1].moved_columns


# An endpoint that has served two weeks: an ordinary one, and a warm one.


def noise() -> list[bytes]:
    """What else a log holds in the quiet week."""
    at = QUIET + timedelta(hours=5)
    return [
        record("ours", at, "UA,40,7\n", "0,0.5\n", synthetic=True),
        record("old", at, "UA,40,7\n", "0,0.5\n", model_version="watched-model-0"),
        record("refused", at, "UA,warm,7\n", "{}", status=400),
        record("outside", QUIET - timedelta(seconds=1), "UA,40,7\n", "0,0.5\n"),
        record("unlike", at, "UA,40\n", "0,0.5\n"),
        b'{"captureData":{"endpointInput":{"observedContentType"',
    ]


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    return rows_from(MOVED, 7, seed=2, warmer=20)


@pytest.fixture(scope="module")
def endpoint(cloud: Any, place: Place, baseline: Path, truth: pd.DataFrame) -> Iterator[Any]:
    """The endpoint, its records in S3, and a queue that hears its alerts."""
    s3, sagemaker = cloud.client("s3"), cloud.client("sagemaker")
    s3.create_bucket(Bucket=BUCKET)
    S3(s3).upload_folder(baseline, f"s3://{BUCKET}/baselines/{ENDPOINT}")
    S3(s3).upload(
        place.root / "candidates/fp32/model.tar.gz", f"s3://{BUCKET}/models/{ENDPOINT}/model.tar.gz"
    )
    model = Model.load(place.root / "model")
    quiet = list(serve(rows_from(QUIET, 7, seed=1), model, "quiet"))
    key = f"predictions/{ENDPOINT}/AllTraffic/2024/03/31/23/"
    s3.put_object(Bucket=BUCKET, Key=f"{key}a", Body=b"\n".join([*quiet, *quiet[:3], *noise()]))
    warm = b"\n".join(serve(truth, model, "warm"))
    late = f"predictions/{ENDPOINT}/AllTraffic/2024/04/20/09/"  # delivered three weeks late
    s3.put_object(Bucket=BUCKET, Key=f"{late}b.gz", Body=gzip.compress(warm))
    create_endpoint(sagemaker, place.config)
    create_config(sagemaker, "bare-config", "watched-model", {})
    yield cloud
    sagemaker.delete_endpoint(EndpointName=ENDPOINT)


@pytest.fixture(scope="module")
def inbox(endpoint: Any, place: Place) -> Any:
    """A queue that hears the alert topic."""
    sns, sqs = endpoint.client("sns"), endpoint.client("sqs")
    topic = sns.create_topic(Name=place.config.monitoring.alert_topic_arn.rsplit(":", 1)[-1])
    url = sqs.create_queue(QueueName="inbox-of-monitoring")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    sns.subscribe(
        TopicArn=topic["TopicArn"], Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"]
    )

    def take() -> list[dict[str, Any]]:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for item in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=item["ReceiptHandle"])
        return [json.loads(item["Body"]) for item in found]

    return take


@pytest.fixture(scope="module")
def quiet_week(place: Place, inbox: Any) -> tuple[Monitoring, list[dict[str, Any]]]:
    """The verdict on the ordinary week, and the messages about it."""
    return watch(place, "quiet", QUIET, "none"), inbox()


@pytest.fixture(scope="module")
def warm_week(
    place: Place, inbox: Any, truth: pd.DataFrame, quiet_week: Any
) -> tuple[Monitoring, list[dict[str, Any]]]:
    """The verdict on the warm week, whose labels have arrived, and the messages about it."""
    labels = pd.DataFrame(
        {
            "event_id": [f"warm-{hour}" for hour in np.arange(len(truth)) // ROWS_PER_HOUR],
            "row": np.arange(len(truth)) % ROWS_PER_HOUR,
            "label": truth["late"],
        }
    )
    labels.to_csv(place.root / "labels.csv", index=False)
    client = S3(collect_window.client("s3", region=place.config.region))
    uri = client.upload(place.root / "labels.csv", f"s3://{BUCKET}/labels/warm.csv")
    return watch(place, "warm", MOVED, uri), inbox()


def test_a_window_holds_what_was_predicted_and_counts_the_rest(
    place: Place, quiet_week: tuple[Monitoring, list[Any]]
) -> None:
    window = quiet_week[0].window
    assert window == read_contract(Window, place.root / "quiet/window/window.json")
    assert (window.records, window.rows) == (168, 168 * ROWS_PER_HOUR)
    assert window.endpoint_config_name == "watched-config"
    assert (window.duplicate_records, window.synthetic_records) == (3, 1)
    assert (window.foreign_records, window.failed_requests, window.broken_lines) == (1, 1, 2)
    assert window.invocations is window.completeness_ratio is None
    broken = (place.root / "quiet/window/broken.jsonl").read_text().splitlines()
    assert len(broken) == 2
    frame = pd.read_parquet(place.root / "quiet/window/window.parquet")
    served = rows_from(QUIET, 7, seed=1)
    pd.testing.assert_series_equal(frame["temp"], served["temp"])
    assert list(frame["carrier"]) == list(served["carrier"])
    assert list(frame["inference_time"]) == list(served["at"])


def test_what_requests_were_like_is_kept_for_the_review_without_what_was_in_them(
    place: Place, endpoint: Any, quiet_week: Any
) -> None:
    uri = f"s3://{BUCKET}/predictions/{ENDPOINT}/AllTraffic"
    week = timedelta(days=7)
    (found,) = read_calls(endpoint.client("s3"), uri, Span(QUIET, QUIET + week))
    assert found == read_contract(Calls, place.root / "quiet/window/calls.json")
    # the predictions, one of another version, one refused, one that fits no signature
    callers = found.callers
    assert (callers.requests, callers.failed, found.synthetic.requests) == (171, 1, 1)
    assert sum(found.hours.values()) == 171
    assert callers.request_bytes.count == 170
    assert "UA" not in found.model_dump_json()
    # its name is no ledger's: the week after is collected all the same
    after = read_elsewhere(endpoint.client("s3"), uri, Span(QUIET + week, QUIET + 2 * week))
    assert len(after.before) > 0


def test_an_ordinary_week_is_no_alert(
    quiet_week: tuple[Monitoring, list[dict[str, Any]]],
) -> None:
    result, messages = quiet_week
    assert not result.alert
    assert result.reasons == ()
    assert result.drift.status == "no drift"
    assert result.quality.success
    assert result.quality.evaluated > 0
    assert result.labels.status == "no labels"
    assert messages == []


def test_a_warm_week_alerts_naming_what_moved(
    warm_week: tuple[Monitoring, list[dict[str, Any]]],
) -> None:
    result, messages = warm_week
    assert result.alert
    assert result.drift.status == "drift"
    assert "temp" in result.drift.drifted_columns
    assert not {"carrier", "hour"} & set(result.drift.drifted_columns)
    assert any(reason.startswith("Drift: temp moved, mean 40") for reason in result.reasons)
    assert [message["Subject"] for message in messages] == [
        item.detail.split(": ", 1)[1] for item in result.reactions if item.kind == "sns"
    ]
    assert "Drift: temp moved" in messages[0]["Message"]


def test_labels_show_the_decay_with_its_interval(
    warm_week: tuple[Monitoring, list[dict[str, Any]]],
) -> None:
    labels = warm_week[0].labels
    assert labels.status == "scored"
    assert (labels.labelled_rows, labels.unmatched_labels) == (168 * ROWS_PER_HOUR, 0)
    accuracy = next(item for item in labels.metrics if item.metric == "accuracy")
    assert accuracy.decayed
    assert accuracy.low < accuracy.value < accuracy.high < 0.65 - 0.02
    assert any(reason.startswith("Decay: accuracy is 0.") for reason in warm_week[0].reasons)


def test_each_slice_that_decayed_is_named(
    place: Place, warm_week: tuple[Monitoring, list[dict[str, Any]]]
) -> None:
    labels, names = warm_week[0].labels, ("hour<=7", "7<hour<=15", "hour>15")
    assert {item.name for item in labels.decayed_slices} == set(names)
    assert sum(item.rows for item in labels.slices) == labels.labelled_rows
    page = (place.root / "warm/monitoring/monitoring.html").read_text()
    for name in names:
        assert any(reason.startswith(f"Decay where {name}, ") for reason in warm_week[0].reasons)
        assert html.escape(name) in page


def test_steps_agree_with_the_verdict(place: Place, warm_week: tuple[Monitoring, Any]) -> None:
    root, result = place.root / "warm", warm_week[0]
    assert read_contract(DriftReport, root / "drift/drift.json") == result.drift
    assert read_contract(QualityReport, root / "quality/quality.json") == result.quality
    assert read_contract(LabelScores, root / "labels/labels.json") == result.labels


@pytest.mark.parametrize("week", ["quiet", "warm"])
def test_evidentlys_report_is_a_page_of_its_own(place: Place, warm_week: Any, week: str) -> None:
    page = (place.root / week / "drift/drift.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>") or "<html" in page[:500]
    for name in COLUMNS:
        assert name in page


def test_a_column_that_the_server_does_not_record_is_judged_by_no_step(
    place: Place, warm_week: tuple[Monitoring, Any]
) -> None:
    assert "temp" in warm_week[0].drift.drifted_columns
    folder = Path(place.folder("hidden/window"))
    shutil.copytree(place.root / "warm/window", folder, dirs_exist_ok=True)
    window = read_contract(Window, folder / "window.json")
    write_contract(
        window.model_copy(update={"unobserved_columns": ("temp",)}), folder / "window.json"
    )
    frame = pd.read_parquet(folder / "window.parquet").assign(temp=np.nan)
    shutil.rmtree(folder / "window.parquet")
    frame.to_parquet(folder / "window.parquet")
    given = ["--window", str(folder), "--config", place.config_file]
    for step in (check_quality, detect_drift):
        assert step.main([*given, "--output", place.folder("hidden/verdict")]) == 0
    verdict = Path(place.folder("hidden/verdict"))
    drift = read_contract(DriftReport, verdict / "drift.json")
    quality = read_contract(QualityReport, verdict / "quality.json")
    assert {item.column for item in drift.columns} == {"carrier", "hour", "label", "score"}
    assert all(item.column != "temp" for item in quality.failed)
    assert quality.evaluated < warm_week[0].quality.evaluated


def test_metrics_are_in_cloudwatch(endpoint: Any, warm_week: Any) -> None:
    found = endpoint.client("cloudwatch").get_metric_statistics(
        Namespace="seatrial",
        MetricName="Alert",
        Dimensions=[{"Name": "EndpointName", "Value": ENDPOINT}],
        StartTime=datetime.now(UTC) - timedelta(hours=1),
        EndTime=datetime.now(UTC) + timedelta(hours=1),
        Period=7200,
        Statistics=["Sum", "SampleCount"],
    )["Datapoints"]
    assert (sum(item["Sum"] for item in found), sum(item["SampleCount"] for item in found)) == (
        1,
        2,
    )


def test_each_verdict_is_a_run_in_mlflow(place: Place, warm_week: tuple[Monitoring, Any]) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=str(place.config.tracking.mlflow_uri))
    experiment = client.get_experiment_by_name(f"seatrial-monitoring/{ENDPOINT}")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], order_by=["metrics.alert ASC"])
    assert [run.data.metrics["alert"] for run in runs] == [0, 1]
    assert {run.info.status for run in runs} == {"FINISHED"}
    warm = runs[1]
    assert warm.data.params["endpoint"] == ENDPOINT
    assert warm.data.metrics["drift.temp"] > 1
    files = {item.path for item in client.list_artifacts(warm.info.run_id)}
    assert files == {"drift.html", "drift.json", "monitoring.json"}
    assert warm.info.artifact_uri.startswith((place.root / "mlflow-artifacts").as_uri())
    reaction = next(item for item in warm_week[0].reactions if item.kind == "mlflow")
    assert reaction.detail == f"run {warm.info.run_id}"


@pytest.fixture
def mlflow(place: Place, warm_week: Any) -> Any:
    """A client of the database that the steps write to."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=str(place.config.tracking.mlflow_uri))


def of_endpoint(verdict: Monitoring, name: str) -> Findings:
    """The same findings, as if they were of another endpoint."""
    window = verdict.window.model_copy(update={"endpoint_name": name})
    return Findings(window, verdict.quality, verdict.drift, verdict.labels)


def runs_of(mlflow: Any, name: str) -> list[Any]:
    experiment = mlflow.get_experiment_by_name(f"seatrial-monitoring/{name}")
    return list(mlflow.search_runs([experiment.experiment_id]))


def test_a_window_that_is_judged_again_has_one_run(
    place: Place, mlflow: Any, warm_week: Any
) -> None:
    findings = of_endpoint(warm_week[0], "judged-twice")
    for _ in range(2):
        done = log_run(place.config.tracking, findings, [], [])
    # as a step leaves it that is ended in the midst
    unfinished = runs_of(mlflow, "judged-twice")[0]
    mlflow.create_run(unfinished.info.experiment_id, tags=unfinished.data.tags)
    last = log_run(place.config.tracking, findings, [], [])
    assert (last.target, done.detail != last.detail) == ("seatrial-monitoring/judged-twice", True)
    [run] = runs_of(mlflow, "judged-twice")
    assert (f"run {run.info.run_id}", run.info.status) == (last.detail, "FINISHED")


def test_an_experiment_that_another_step_makes_meanwhile_is_shared(
    place: Place, mlflow: Any
) -> None:
    class Late(type(mlflow)):  # type: ignore[misc]
        """When it looks, the other step has not made the experiment yet, and then it has."""

        def get_experiment_by_name(self, name: str) -> Any:
            found = super().get_experiment_by_name(name)
            if found is None:
                mlflow.create_experiment(name)
            return found

    name = "seatrial-monitoring/at-once"
    found = find_experiment(Late(str(place.config.tracking.mlflow_uri)), name, None)
    assert found == mlflow.get_experiment_by_name(name).experiment_id


def test_a_deleted_experiment_says_how_to_restore_it(
    place: Place, mlflow: Any, warm_week: Any
) -> None:
    findings = of_endpoint(warm_week[0], "gone")
    log_run(place.config.tracking, findings, [], [])
    experiment_id = runs_of(mlflow, "gone")[0].info.experiment_id
    mlflow.delete_experiment(experiment_id)
    with pytest.raises(CloudError, match=f"restore --experiment-id {experiment_id}"):
        log_run(place.config.tracking, findings, [], [])
    mlflow.restore_experiment(experiment_id)
    log_run(place.config.tracking, findings, [], [])


def test_a_database_that_cannot_be_written_is_one_clear_message(
    place: Place, warm_week: Any, tmp_path: Path
) -> None:
    tracking = place.config.tracking.model_copy(
        update={"mlflow_uri": f"sqlite:///{tmp_path}/no/such/folder/mlflow.db"}
    )
    (tmp_path / "no").write_text("a file where the folder would be")
    with pytest.raises(CloudError, match=r"Check tracking\.mlflow_uri \(sqlite"):
        log_run(tracking, of_endpoint(warm_week[0], "x"), [], [])


@pytest.mark.parametrize(
    ("step", "points", "act"),
    [
        ("check_quality", 2, "opened quality.json.partial"),
        ("detect_drift", 2, "opened drift.html"),
        ("score_labels", 3, "os.rename labels.json.partial"),
        ("build_baseline", 3, "write Parquet"),
    ],
)
def test_a_step_that_is_killed_and_run_again_writes_the_same(
    place: Place, warm_week: Any, tmp_path: Path, step: str, points: int, act: str
) -> None:
    """At all of its acts: python benchmarks/interruptions.py."""
    labels = f"s3://{BUCKET}/labels/"
    plan = plan_of(step, place, place.root / "warm", tmp_path / "out", labels)
    found = interrupt(plan, points=points)
    assert found.wrong == []
    assert act in found.acts


def test_a_baseline_that_was_being_fetched_leaves_no_half_of_a_file(
    place: Place, warm_week: Any, tmp_path: Path
) -> None:
    plan = plan_of_collecting(place, MOVED, tmp_path / "out")
    found = interrupt(plan, points=0, also="signature.json", fresh=True)
    assert found.wrong == []
    assert any(act.startswith("opened signature.json") for act in found.acts)


def test_react_that_is_killed_loses_no_message_and_repeats_only_what_it_could_not_note(
    place: Place, endpoint: Any, warm_week: Any, tmp_path: Path
) -> None:
    outputs = tmp_path / "out"
    ears = Ears(endpoint, place.config.monitoring.alert_topic_arn, "ears-of-react")
    try:
        plan = plan_of_reacting(place, place.root / "warm", outputs)
        found = interrupt(plan, points=0, also="verdict.json", fresh=True)
        told = told_of_each(found, place, outputs, endpoint, ears)
    finally:
        ears.close()
    assert found.wrong == []
    assert broken_promises(found, told) == []
    assert max(item.messages for item in told.values()) == 2, "the point that cannot be known"


def test_a_week_without_traffic_is_not_judged(place: Place, warm_week: Any) -> None:
    result = watch(place, "empty", MOVED + timedelta(days=70), "none")
    assert not result.alert
    assert result.drift.status == "not enough data"
    assert (result.window.rows, result.quality.evaluated) == (0, 0)
    assert "0 rows" in (place.root / "empty/drift/drift.html").read_text()


def test_an_endpoint_that_is_not_there_is_one_clear_message(place: Place, endpoint: Any) -> None:
    with pytest.raises(InputError, match="no such endpoint: got 'nobody'"):
        collect_window.main(
            [
                *("--endpoint-name", "nobody"),
                *("--window-start", "2024-01-01"),
                *("--window-end", "2024-01-08"),
                *("--config", place.config_file),
                *("--output", place.folder("nobody")),
            ]
        )
    assert not (place.root / "nobody").exists()


def test_an_endpoint_that_seatrial_has_not_deployed_is_refused(endpoint: Any) -> None:
    sagemaker = endpoint.client("sagemaker")
    sagemaker.create_endpoint(EndpointName="bare", EndpointConfigName="bare-config")
    try:
        with pytest.raises(InputError, match="bare is not watched by seatrial"):
            collect_window.find_watched("bare", sagemaker)
    finally:
        sagemaker.get_waiter("endpoint_in_service").wait(
            EndpointName="bare", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
        sagemaker.delete_endpoint(EndpointName="bare")
