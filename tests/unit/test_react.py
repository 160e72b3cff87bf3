"""Reactions: planned as sentences and numbers, applied by the clients that are given."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from seatrial.aws import S3
from seatrial.config import load_config
from seatrial.contracts import (
    ClassifierBound,
    ClassifierVerdict,
    ColumnDrift,
    ColumnGain,
    DriftReport,
    FailedExpectation,
    LabelScores,
    MetricEstimate,
    MetricScore,
    Monitoring,
    QualityReport,
    Reaction,
    RollbackReport,
    Serving,
    SliceScore,
    VerifiedDeployment,
    Window,
    read_contract,
)
from seatrial.errors import CloudError, ConfigError, DeploymentError, InputError, SeatrialError
from seatrial.monitoring.acts import Case
from seatrial.monitoring.cadence import Cadence
from seatrial.monitoring.classifier_bounds import with_classifier
from seatrial.monitoring.messages import MAX_SUBJECT, Message, message
from seatrial.monitoring.reactions import Findings, metric_data, put_metrics, reasons
from seatrial.monitoring.rolling_back import DEADLINE_S, roll_back
from seatrial.monitoring.tracking import artifact_location, run_metrics, run_params
from seatrial.steps.react import find_missed, react

WINDOW = Window(
    endpoint_name="flights",
    variant_name="AllTraffic",
    endpoint_config_name="flights-1",
    baseline_uri="s3://lake/baselines/abc",
    started_at=datetime(2013, 7, 8, tzinfo=UTC),
    ended_at=datetime(2013, 7, 15, tzinfo=UTC),
    records=168,
    rows=6_384,
    synthetic_records=3,
    duplicate_records=0,
    broken_lines=1,
    failed_requests=0,
    foreign_records=0,
    invocations=None,
    completeness_ratio=None,
)
SOUND = QualityReport(rows=6_384, evaluated=60, failed=(), success=True)
NO_LABELS = LabelScores(status="no labels", labelled_rows=0, unmatched_labels=0, metrics=())


def drift(*columns: ColumnDrift, status: Any = None) -> DriftReport:
    moved = any(item.drifted for item in columns)
    return DriftReport(
        rows=6_384,
        window_h=168,
        status=status or ("drift" if moved else "no drift"),
        columns=columns,
        detail="",
    )


def column(name: str, *, drifted: bool = True, **changes: Any) -> ColumnDrift:
    values = {
        "metric": "wasserstein_std",
        "score": 5.037,
        "bound": 2.633,
        "floor": 0.1,
        "reference_mean": 38.17,
        "window_mean": 80.84,
        "reference_missing_ratio": 0.01,
        "window_missing_ratio": 0.02,
        "new_categories": (),
    }
    return ColumnDrift(column=name, drifted=drifted, **(values | changes))


def auc(*, decayed: bool) -> LabelScores:
    metric = MetricScore(
        metric="auc",
        value=0.64,
        low=0.62,
        high=0.66,
        baseline=0.767,
        change=-0.127,
        decayed=decayed,
    )
    return LabelScores(status="scored", labelled_rows=6_384, unmatched_labels=0, metrics=(metric,))


def broken(*columns: str) -> QualityReport:
    failed = tuple(
        FailedExpectation(
            expectation="expect_column_values_to_be_between",
            column=name,
            unexpected_count=50,
            unexpected_ratio=0.05,
            detail="wanted max_value 100; for example -999",
        )
        for name in columns
    )
    return QualityReport(rows=6_384, evaluated=60, failed=failed, success=not failed)


def findings(
    found: DriftReport | None = None,
    *,
    quality: QualityReport = SOUND,
    labels: LabelScores = NO_LABELS,
    window: Window = WINDOW,
) -> Findings:
    return Findings(window, quality, found or drift(), labels)


ALARMS = {
    "drift": findings(drift(column("temp"))),
    "quality": findings(quality=broken("temp")),
    "decay": findings(labels=auc(decayed=True)),
}
QUIET = {
    "all well": findings(drift(column("temp", drifted=False))),
    "labels without decay": findings(labels=auc(decayed=False)),
    "not enough data": findings(drift(status="not enough data")),
}


@pytest.mark.parametrize("name", ALARMS)
def test_each_kind_of_trouble_is_an_alert_with_a_reason(name: str) -> None:
    assert ALARMS[name].alert
    assert len(reasons(ALARMS[name])) == 1
    assert ALARMS[name].ailments == (name,)


@pytest.mark.parametrize("name", QUIET)
def test_without_trouble_nobody_is_told(name: str) -> None:
    assert not QUIET[name].alert
    assert reasons(QUIET[name]) == ()
    assert QUIET[name].ailments == ()


def test_reasons_name_columns_with_numbers_decay_first() -> None:
    found = findings(
        drift(
            column("temp"),
            column(
                "gusts", metric="missing_ratio", score=0.4, bound=0.1, window_missing_ratio=0.41
            ),
            column(
                "carrier",
                metric="jensen_shannon",
                score=0.3,
                reference_mean=None,
                window_mean=None,
                new_categories=("WN", "DL"),
            ),
            column("dewp", drifted=False),
        ),
        quality=broken("pressure"),
        labels=auc(decayed=True),
    )
    assert reasons(found) == (
        "Decay: auc is 0.640 (95 % interval 0.620 to 0.660), 0.767 on validation data.",
        "Drift: temp moved, mean 38.17 before, 80.84 now (score 5.037, bound 2.633, floor 0.1).",
        "Drift: missing values of gusts went from 1.0% to 41.0% (score 0.400, bound 0.100, "
        "floor 0.1).",
        "Drift: the categories of carrier moved, new: WN, DL (score 0.300, bound 2.633, "
        "floor 0.1).",
        "Quality: pressure breaks expect_column_values_to_be_between: wanted max_value 100; for "
        "example -999.",
    )


def together(status: str) -> ClassifierVerdict:
    bound = ClassifierBound(
        window_h=168,
        columns=("temp", "dewp"),
        rows=2000,
        bound=0.6,
        floor=0.55,
        blocks=12,
        largest_block_auc=0.58,
    )
    told = ColumnGain(column="dewp", share=0.7), ColumnGain(column="temp", share=0.3)
    return ClassifierVerdict.model_validate(
        {"status": status, "bound": bound, "auc": 0.8, "columns": told, "detail": "AUC 0.800"}
    )


def test_columns_that_moved_only_together_alert_by_the_same_path() -> None:
    report = with_classifier(drift(column("temp", drifted=False)), together("drift"))
    found = findings(report)
    assert found.ailments == ("drift",)
    assert reasons(found) == (
        "Drift between columns: a classifier tells the window from the reference (AUC 0.800), "
        "mostly by dewp (70%), temp (30%).",
    )
    assert letter_of(found).subject == "seatrial alert: flights: columns moved together"
    [data] = [item for item in metric_data(found) if item["MetricName"] == "ClassifierAuc"]
    assert data["Value"] == run_metrics(found)["classifier.auc"] == 0.8


@pytest.mark.parametrize("status", ["no drift", "not enough data"])
def test_a_classifier_that_finds_nothing_changes_nothing(status: str) -> None:
    moved, well = drift(column("temp")), drift(column("temp", drifted=False))
    assert with_classifier(moved, together(status)).status == "drift"
    assert with_classifier(well, together(status)).status == "no drift"
    assert len(reasons(findings(with_classifier(moved, together(status))))) == 1


def test_a_decayed_slice_alerts_by_its_name_and_is_counted() -> None:
    [metric] = auc(decayed=True).metrics
    slices = (
        SliceScore(name="carrier=AA", rows=812, status="scored", metrics=(metric,)),
        SliceScore(name="carrier=DL", rows=7, status="not enough"),
    )
    labels = auc(decayed=False).model_copy(update={"slices": slices, "slice_level": 0.95})
    found = findings(labels=labels)
    assert found.ailments == ("decay",)
    assert letter_of(found).subject == "seatrial alert: flights: decay in carrier=AA"
    [data] = [item for item in metric_data(found) if item["MetricName"] == "DecayedSlices"]
    assert data["Value"] == 1


@pytest.mark.parametrize(
    ("failures", "sentences"),
    [
        pytest.param(9, 9, id="under"),
        pytest.param(10, 10, id="exactly at"),
        pytest.param(11, 11, id="over: ten and how many more"),
        pytest.param(40, 11, id="far over"),
    ],
)
def test_many_broken_expectations_are_summed_up(failures: int, sentences: int) -> None:
    found = findings(quality=broken(*(f"c{number}" for number in range(failures))))
    assert len(reasons(found)) == sentences
    if failures > 10:
        assert reasons(found)[-1] == f"Quality: {failures - 10} more expectations are broken."


def letter_of(found: Findings, *done: Reaction, weeks: int = 0) -> Message:
    since = WINDOW.started_at - timedelta(weeks=weeks)
    return message(found, since=since, done=done, verdict_uri="s3://lake/monitoring/flights/1")


def test_the_message_says_what_where_and_when() -> None:
    letter = letter_of(findings(drift(column("temp"), column("dewp")), labels=auc(decayed=True)))
    assert "So since" not in letter.text
    assert "s3://lake/monitoring/flights/1" in letter.text
    assert letter.subject == "seatrial alert: flights: auc decayed, temp, dewp moved"
    assert "Window 2013-07-08 00:00 to 2013-07-15 00:00 UTC, 6384 rows." in letter.text
    assert "- Drift: temp moved" in letter.text
    assert "s3://lake/baselines/abc" in letter.text


@pytest.mark.parametrize("names", [("temp",), tuple(f"column-{n}" for n in range(30)), ("Größe",)])
def test_a_subject_is_what_sns_takes(names: tuple[str, ...]) -> None:
    letter = letter_of(findings(drift(*(column(name) for name in names))))
    assert letter.subject.isascii()
    assert len(letter.subject) <= MAX_SUBJECT
    assert names[0] in letter.text


@pytest.mark.parametrize(
    ("failures", "told"),
    [
        pytest.param(1, "flights: 1 quality failure", id="one"),
        pytest.param(2, "flights: 2 quality failures", id="more"),
    ],
)
def test_a_subject_counts_quality_failures(failures: int, told: str) -> None:
    found = findings(drift(), quality=broken(*["temp"] * failures))
    assert letter_of(found).subject.endswith(told)


@pytest.mark.parametrize(
    ("length", "cut"),
    [
        pytest.param(MAX_SUBJECT - 1, False, id="under"),
        pytest.param(MAX_SUBJECT, False, id="exactly at"),
        pytest.param(MAX_SUBJECT + 1, True, id="over"),
    ],
)
def test_a_long_subject_is_cut_with_dots(length: int, cut: bool) -> None:
    rest = len("seatrial alert: flights: ") + len(" moved")
    letter = letter_of(findings(drift(column("x" * (length - rest)))))
    assert len(letter.subject) == min(length, MAX_SUBJECT)
    assert letter.subject.endswith("...") is cut


def values(found: Findings) -> dict[str, float]:
    return {item["MetricName"]: item["Value"] for item in metric_data(found)}


def test_metrics_are_put_for_every_window() -> None:
    assert values(findings()) == {
        "Alert": 0,
        "Rows": 6_384,
        "QualityFailures": 0,
        "BrokenLines": 1,
        "DriftedColumns": 0,
    }
    trouble = findings(
        drift(column("temp"), column("dewp")),
        quality=broken("pressure"),
        labels=auc(decayed=True),
        window=WINDOW.model_copy(update={"completeness_ratio": 0.5}),
    )
    assert values(trouble) == {
        "Alert": 1,
        "Rows": 6_384,
        "QualityFailures": 1,
        "BrokenLines": 1,
        "DriftedColumns": 2,
        "CompletenessRatio": 0.5,
        "Auc": 0.64,
    }


def test_columns_that_were_not_judged_are_not_reported_as_sound() -> None:
    assert "DriftedColumns" not in values(QUIET["not enough data"])


def test_the_message_says_since_when_and_what_was_done() -> None:
    retraining = Reaction(kind="retraining", target="train", detail="execution 7")
    letter = letter_of(findings(drift(column("temp"))), retraining, weeks=2)
    assert "So since 2013-06-24 00:00 UTC." in letter.text
    assert "Retraining: execution 7" in letter.text


class FakeAws:
    """All services in one: they remember what they were told, S3 also what it holds."""

    def __init__(self, *, broken: str = "") -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.objects: dict[str, bytes] = {}
        self.ended = "Succeeded"
        self._broken = broken

    def _called(self, name: str, parameters: dict[str, Any]) -> None:
        if name == self._broken:
            raise ClientError({"Error": {"Code": "Throttling", "Message": "slow down"}}, name)
        self.calls.append((name, parameters))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def parameters(self, name: str) -> dict[str, Any]:
        return next(parameters for called, parameters in self.calls if called == name)

    def put_metric_data(self, **parameters: Any) -> None:
        self._called("put_metric_data", parameters)

    def publish(self, **parameters: Any) -> dict[str, str]:
        self._called("publish", parameters)
        return {"MessageId": "m-1"}

    def put_events(self, **parameters: Any) -> dict[str, Any]:
        self._called("put_events", parameters)
        return {"Entries": [{"EventId": "e-1"}]}

    def describe_pipeline(self, **_: Any) -> dict[str, str]:
        known = [{"Name": "EndpointName"}, {"Name": "WindowEnd"}, {"Name": "Epochs"}]
        return {"PipelineDefinition": json.dumps({"Parameters": known})}

    def start_pipeline_execution(self, **parameters: Any) -> dict[str, str]:
        self._called("start_pipeline_execution", parameters)
        return {"PipelineExecutionArn": "execution-1"}

    def describe_pipeline_execution(self, **_: Any) -> dict[str, str]:
        return {"PipelineExecutionStatus": self.ended}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803
        self.objects[f"{Bucket}/{Key}"] = Body

    def upload_file(self, path: str, bucket: str, key: str) -> None:
        self.objects[f"{bucket}/{key}"] = Path(path).read_bytes()

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        return {"Body": io.BytesIO(self.objects[f"{Bucket}/{Key}"])}

    def get_paginator(self, _: str) -> FakeAws:
        return self

    def paginate(
        self,
        *,
        Bucket: str = "",  # noqa: N803
        Prefix: str = "",  # noqa: N803
        **execution: str,
    ) -> list[dict[str, Any]]:
        if execution:
            step = {"StepName": "RollBack", "StepStatus": self.ended, "FailureReason": "lost"}
            return [{"PipelineExecutionSteps": [step]}]
        start = f"{Bucket}/"
        keys = sorted(name.removeprefix(start) for name in self.objects if name.startswith(start))
        return [{"Contents": [{"Key": key} for key in keys if key.startswith(Prefix)]}]


def react_with(aws: FakeAws, found: Findings, folder: Path, **reactions: Any) -> Monitoring:
    config = load_config(None, reactions=reactions)
    clients = dict.fromkeys(("cloudwatch", "events", "s3", "sagemaker", "sns"), aws)
    return react(found, config, clients, folder, artifacts=[], now=lambda: WINDOW.ended_at)


def test_a_window_that_was_missed_is_told_of_by_the_next_and_alerts(tmp_path: Path) -> None:
    aws, cadence = FakeAws(), Cadence(WINDOW.started_at - timedelta(weeks=2), timedelta(weeks=1))
    missed = find_missed(str(cadence), WINDOW, "lake", S3(aws))  # type: ignore[arg-type]
    assert [item.started_at for item in missed] == [cadence.start, cadence.window(1).start]
    result = react_with(aws, replace(findings(), missed=missed), tmp_path)
    assert result.alert
    assert result.missed_windows == missed
    assert "2 scheduled windows were never judged" in result.reasons[0]
    assert "2 windows missed" in aws.parameters("publish")["Subject"]
    # this window's verdict is there now, so the next one has nothing to tell
    after = WINDOW.model_copy(
        update={"started_at": WINDOW.ended_at, "ended_at": WINDOW.ended_at + timedelta(weeks=1)}
    )
    bucket = load_config().bucket
    assert find_missed(str(cadence), after, bucket, S3(aws)) == ()  # type: ignore[arg-type]
    assert find_missed("2013-07-15", after, "lake", S3(aws)) == ()  # type: ignore[arg-type]


def test_put_metrics_go_to_the_endpoints_dimension() -> None:
    cloudwatch = FakeAws()
    done = put_metrics(metric_data(findings()), cloudwatch)
    sent = cloudwatch.calls[0][1]
    assert sent["Namespace"] == "seatrial"
    assert sent["MetricData"][0]["Dimensions"] == [{"Name": "EndpointName", "Value": "flights"}]
    assert done.kind == "cloudwatch"
    assert "Rows 6384" in done.detail


HOT = findings(drift(column("temp")))


@pytest.mark.parametrize(
    ("found", "calls"),
    [
        pytest.param(HOT, ["put_events", "publish", "put_metric_data"], id="alert"),
        pytest.param(findings(), ["put_metric_data"], id="no alert"),
    ],
)
def test_people_are_told_only_of_an_alert(
    tmp_path: Path, found: Findings, calls: list[str]
) -> None:
    aws = FakeAws()
    result = react_with(aws, found, tmp_path)
    assert aws.names == calls
    assert result == read_contract(Monitoring, tmp_path / "monitoring.json")
    assert result.alert is bool(result.reasons) is (len(calls) == 3)
    kinds = [item.kind for item in result.reactions]
    assert kinds == (["eventbridge", "sns", "cloudwatch"] if result.alert else ["cloudwatch"])
    if result.alert:
        assert aws.parameters("publish")["TopicArn"] == load_config().monitoring.alert_topic_arn
        assert result.reactions[1].detail.startswith("message m-1: seatrial alert: flights")


def test_an_event_says_enough_to_decide_on(tmp_path: Path) -> None:
    aws = FakeAws()
    react_with(aws, HOT, tmp_path)
    (entry,) = aws.parameters("put_events")["Entries"]
    detail = json.loads(entry["Detail"])
    assert (detail["ailments"], detail["driftedColumns"]) == (["drift"], ["temp"])
    uri = detail["verdictUri"].removeprefix("s3://")
    assert Monitoring.model_validate_json(aws.objects[uri]).alert


def week(number: int) -> Findings:
    """The same drift, so many weeks later."""
    moved = {
        "started_at": WINDOW.started_at + timedelta(weeks=number),
        "ended_at": WINDOW.ended_at + timedelta(weeks=number),
    }
    return findings(drift(column("temp")), window=WINDOW.model_copy(update=moved))


def test_retraining_starts_with_the_second_window_in_a_row(tmp_path: Path) -> None:
    aws = FakeAws()
    reactions = {"drift": ["notify", "retrain"], "retraining_pipeline": "train", "cooldown_h": 0}
    first = react_with(aws, week(0), tmp_path, **reactions)
    assert {item.detail: item.done for item in first.reactions}["window 1 of 2 in a row"] is False
    assert "start_pipeline_execution" not in aws.names
    second = react_with(aws, week(1), tmp_path, **reactions)
    started = aws.parameters("start_pipeline_execution")
    told = {item["Name"]: item["Value"] for item in started["PipelineParameters"]}
    assert told == {"EndpointName": "flights", "WindowEnd": "2013-07-22T00:00:00+00:00"}
    assert len(started["ClientRequestToken"]) >= 32
    assert second.reactions[0].detail == "execution-1"
    text = [parameters["Message"] for name, parameters in aws.calls if name == "publish"][-1]
    assert "So since 2013-07-08" in text
    assert "Retraining: execution-1" in text


TO = VerifiedDeployment(
    serving=Serving(
        endpoint_config_name="flights-0", max_concurrency=5, provisioned_concurrency=None
    ),
    model_name="flights-m0",
    image="image",
    model_package_arn="arn:0",
    approved_at=WINDOW.started_at,
    verified_at=WINDOW.started_at,
)
BACK = {"drift": ["notify", "event", "rollback"], "after_windows": 1, "cooldown_h": 0}


def answering(to: VerifiedDeployment | None, kept: str | None = None) -> FakeAws:
    """AWS whose rollback pipeline has ended, and left this report."""
    aws, config = FakeAws(), load_config()
    report = RollbackReport(
        endpoint_name="flights",
        rejected_package_arn=None,
        judged_config_name="flights-1",
        to=to,
        kept=kept,
    )
    folder = f"{config.bucket}/runs/seatrial-rollback/execution-1/RollBack/rollback"
    aws.objects[f"{folder}/rollback.json"] = report.model_dump_json().encode()
    return aws


def test_a_rollback_is_waited_for_and_told_as_what_was_done(tmp_path: Path) -> None:
    aws = answering(TO)
    result = react_with(aws, HOT, tmp_path, **BACK)
    started = aws.parameters("start_pipeline_execution")
    assert started["PipelineName"] == "seatrial-rollback"
    assert started["PipelineParameters"] == [{"Name": "EndpointConfigName", "Value": "flights-1"}]
    assert aws.names == ["start_pipeline_execution", "put_events", "publish", "put_metric_data"]
    rollback = result.reactions[0]
    assert (rollback.kind, rollback.done, rollback.endpoint) == ("rollback", True, "changed")
    assert rollback.detail == (
        "flights serves flights-0 of arn:0 again, verified, in place of flights-1 (execution-1)"
    )
    letter = aws.parameters("publish")
    assert letter["Subject"].endswith("temp moved, rolled back")
    assert f"Rollback: {rollback.detail}" in letter["Message"]
    assert "The endpoint was changed: see the rollback." in letter["Message"]
    assert "not changed" not in letter["Message"]
    (entry,) = aws.parameters("put_events")["Entries"]
    assert json.loads(entry["Detail"])["reactions"] == [rollback.model_dump()]
    assert run_params(HOT, result.reactions)["rollback"] == rollback.detail
    assert rollback.detail in (tmp_path / "monitoring.html").read_text()
    again = react_with(aws, HOT, tmp_path, **BACK)
    assert again.reactions[0].detail == "already done when this window was judged before"
    assert aws.names.count("start_pipeline_execution") == 1


def test_a_rollback_that_was_interrupted_is_asked_for_by_the_same_token(tmp_path: Path) -> None:
    tokens = []
    for window in (HOT, HOT, week(1)):
        aws = answering(TO)  # which knows nothing of the run before
        react_with(aws, window, tmp_path, **BACK)
        tokens.append(aws.parameters("start_pipeline_execution")["ClientRequestToken"])
    assert tokens[0] == tokens[1] != tokens[2]


def test_nothing_to_go_back_to_is_told_and_no_failure(tmp_path: Path) -> None:
    aws = answering(None, "there is nothing to roll flights back to")
    result = react_with(aws, HOT, tmp_path, **BACK)
    assert (result.reactions[0].done, result.reactions[0].endpoint) == (False, "unchanged")
    text = aws.parameters("publish")["Message"]
    assert "Rollback: there is nothing to roll flights back to" in text
    assert "The endpoint was not changed." in text
    assert "rolled back" not in aws.parameters("publish")["Subject"]
    said = run_params(HOT, result.reactions)["rollback"]
    assert said.startswith("not done: there is nothing")


@pytest.mark.parametrize(
    ("broken", "ended", "told"),
    [
        pytest.param("", "Failed", "The endpoint may have been changed", id="half done"),
        pytest.param("", "Stopped", "The endpoint may have been changed", id="stopped"),
        pytest.param(
            "start_pipeline_execution", "", "The endpoint was not changed.", id="never begun"
        ),
    ],
)
def test_a_rollback_that_fails_is_told_with_all_else_done(
    tmp_path: Path, broken: str, ended: str, told: str
) -> None:
    aws = FakeAws(broken=broken)
    aws.ended = ended
    with pytest.raises(SeatrialError, match="slow down" if broken else f"'{ended}: lost'"):
        react_with(aws, HOT, tmp_path, **BACK)
    assert aws.names[-3:] == ["put_events", "publish", "put_metric_data"]
    text = aws.parameters("publish")["Message"]
    assert "Rollback: failed: " in text
    assert told in text


@pytest.mark.parametrize(
    ("waited_s", "ended"),
    [
        pytest.param(DEADLINE_S - 1, True, id="under"),
        pytest.param(DEADLINE_S, True, id="exactly at"),
        pytest.param(DEADLINE_S + 1, False, id="over"),
    ],
)
def test_a_rollback_is_waited_for_until_its_deadline(waited_s: float, ended: bool) -> None:
    aws, times = answering(TO), iter([0.0, waited_s])
    aws.ended = "Executing"

    def sleep(_: float) -> None:
        aws.ended = "Succeeded"

    def look() -> Reaction:
        clients = dict.fromkeys(("s3", "sagemaker"), aws)
        case = Case(HOT, HOT.ailments, reasons(HOT), "s3://lake/monitoring.json")
        return roll_back(case, load_config(), clients, sleep=sleep, clock=lambda: next(times))

    if ended:
        assert look().done
    else:
        with pytest.raises(DeploymentError, match="Executing"):
            look()


@pytest.mark.parametrize("ailment", ["decay", "drift", "quality"])
def test_rollback_is_for_what_the_model_may_be_to_blame_for(ailment: str) -> None:
    acts = ["notify", "rollback"]
    assert load_config(None, reactions={ailment: acts}).rolls_back
    assert not load_config().rolls_back
    with pytest.raises(ConfigError, match="blind must not have rollback"):
        load_config(None, reactions={ailment: acts, "blind": acts})
    with pytest.raises(ConfigError, match=f"{ailment} must have notify beside rollback"):
        load_config(None, reactions={ailment: ["rollback"]})


def test_people_are_told_of_a_rollback_within_the_cool_down_of_an_earlier_message(
    tmp_path: Path,
) -> None:
    aws, reactions = answering(TO), BACK | {"after_windows": 2, "cooldown_h": 1e6}
    react_with(aws, week(0), tmp_path, **reactions)
    result = react_with(aws, week(1), tmp_path, **reactions)
    assert [item.kind for item in result.reactions if item.done] == [
        *("rollback", "eventbridge", "sns", "cloudwatch"),
    ]
    assert aws.names.count("publish") == 2
    quiet = react_with(aws, week(2), tmp_path, **reactions)
    assert [item.kind for item in quiet.reactions if item.done] == ["cloudwatch"]


def test_what_was_answered_with_no_is_not_asked_again_so_soon(tmp_path: Path) -> None:
    aws = answering(None, "there is nothing to roll flights back to")
    for window in (HOT, HOT, week(1)):
        result = react_with(aws, window, tmp_path, **BACK | {"cooldown_h": 1e6})
    assert aws.names.count("start_pipeline_execution") == 1
    assert aws.names.count("publish") == 1
    assert "not again within" in result.reactions[0].detail


def test_a_window_that_is_judged_again_tells_nobody_twice(tmp_path: Path) -> None:
    aws = FakeAws()
    react_with(aws, HOT, tmp_path)
    again = react_with(aws, HOT, tmp_path)
    assert aws.names.count("publish") == 1
    assert [item.done for item in again.reactions] == [False, False, True]
    assert again.alert


@pytest.mark.parametrize(
    ("records", "config_name", "refused"),
    [
        pytest.param(0, "flights-2", True, id="nothing of what serves now"),
        pytest.param(1, "flights-2", False, id="one record of it"),
        pytest.param(0, "flights-1", False, id="the same version still serves"),
    ],
)
def test_a_verdict_does_not_give_way_to_one_on_another_version_without_records(
    tmp_path: Path, records: int, config_name: str, refused: bool
) -> None:
    aws = FakeAws()
    react_with(aws, HOT, tmp_path)
    kept, called = dict(aws.objects), list(aws.names)
    update = {
        "records": records,
        "endpoint_config_name": config_name,
        "foreign_records": 168,
        "foreign_versions": ("flights-1",),
    }
    later = replace(HOT, window=WINDOW.model_copy(update=update))
    if not refused:
        react_with(aws, later, tmp_path)
        assert aws.objects != kept
        return
    with pytest.raises(InputError, match="168 records of flights-1, and none of flights-2"):
        react_with(aws, later, tmp_path)
    assert (aws.objects, aws.names) == (kept, called)
    react_with(FakeAws(), later, tmp_path)  # without a verdict there is nothing to lose


def test_a_dry_run_decides_and_does_nothing(tmp_path: Path) -> None:
    aws = FakeAws()
    result = react_with(aws, HOT, tmp_path, dry_run=True, **BACK)
    assert aws.names == ["put_metric_data"]
    assert [item.detail for item in result.reactions[:3]] == ["dry run"] * 3


def test_what_fails_is_told_and_the_rest_is_done_and_only_that_again(tmp_path: Path) -> None:
    aws = FakeAws(broken="put_events")
    with pytest.raises(CloudError, match="slow down"):
        react_with(aws, HOT, tmp_path)
    written = read_contract(Monitoring, tmp_path / "monitoring.json")
    assert [(item.kind, item.done) for item in written.reactions] == [
        ("eventbridge", False),
        ("sns", True),
        ("cloudwatch", True),
    ]
    whole = FakeAws()
    whole.objects = aws.objects
    react_with(whole, HOT, tmp_path)
    assert whole.names == ["put_events", "put_metric_data"]


def test_metrics_that_fail_keep_nothing_else_from_being_written(tmp_path: Path) -> None:
    aws = FakeAws(broken="put_metric_data")
    with pytest.raises(CloudError, match="cloudwatch:PutMetricData"):
        react_with(aws, HOT, tmp_path)
    [told] = [
        item
        for item in read_contract(Monitoring, tmp_path / "monitoring.json").reactions
        if item.kind == "cloudwatch"
    ]
    assert (told.done, told.detail.startswith("failed: ")) == (False, True)
    uploaded = {name.rsplit("/", 1)[1] for name in aws.objects}
    assert uploaded >= {"monitoring.json", "monitoring.html", "verdict.json"}


def test_retraining_without_a_pipeline_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ConfigError, match="retraining_pipeline"):
        load_config(None, reactions={"decay": ["retrain"]})


def test_a_run_in_mlflow_compares_windows() -> None:
    found = findings(drift(column("temp"), column("odd*name")), labels=auc(decayed=True))
    assert run_params(found, [])["window_start"] == "2013-07-08T00:00:00+00:00"
    metrics = run_metrics(found)
    assert metrics["alert"] == 1
    assert metrics["drift.temp"] == metrics["drift.odd_name"] == 5.037
    assert (metrics["auc"], metrics["auc.change"]) == (0.64, -0.127)


def test_slices_and_estimates_are_in_the_run_too() -> None:
    [metric] = auc(decayed=True).metrics
    estimate = MetricEstimate(
        metric="auc", value=0.75, of_labelled_rows=0.75, realised=0.64, parted=True
    )
    slices = (SliceScore(name="carrier=AA", rows=812, status="scored", metrics=(metric,)),)
    update = {"slices": slices, "slice_level": 0.95, "estimates": (estimate,)}
    metrics = run_metrics(findings(labels=auc(decayed=True).model_copy(update=update)))
    assert metrics["slice carrier_AA auc"] == 0.64
    assert metrics["auc.estimated"] == 0.75


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        pytest.param("sqlite:////data/mlflow.db", "file:///data/mlflow-artifacts", id="sqlite"),
        pytest.param("https://mlflow.example", None, id="server"),
        pytest.param("arn:aws:sagemaker:eu-west-1:1:mlflow-app/a", None, id="managed"),
    ],
)
def test_files_of_a_run_outlive_the_job(uri: str, location: str | None) -> None:
    assert artifact_location(uri) == location


@pytest.mark.parametrize(
    ("ratio", "alert"), [pytest.param(0.9, False, id="exactly"), pytest.param(0.0, True, id="none")]
)
def test_monitoring_that_is_blind_alerts_even_without_a_row(ratio: float, alert: bool) -> None:
    blind = {"completeness_ratio": ratio, "min_completeness_ratio": 0.9, "invocations": 40}
    findings = Findings(
        window=WINDOW.model_copy(update=blind | {"rows": 0, "records": 0}),
        quality=QualityReport(rows=0, evaluated=0, failed=(), success=True),
        drift=DriftReport(
            rows=0, window_h=168, status="not enough data", columns=(), detail="0 rows"
        ),
        labels=LabelScores(status="no labels", labelled_rows=0, unmatched_labels=0, metrics=()),
    )
    assert findings.alert is alert
    assert [
        "Monitoring is blind: 0.0% of" in reason and "counts 40, 3 of" in reason
        for reason in reasons(findings)
    ] == ([True] if alert else [])
    assert findings.ailments == (("blind",) if alert else ())
    if alert:
        assert "monitoring is blind" in letter_of(findings).subject


def test_labels_that_contradict_the_probabilities_are_concept_drift() -> None:
    promised = MetricEstimate(
        metric="brier", value=0.15, of_labelled_rows=0.16, realised=0.24, parted=True
    )
    labels = auc(decayed=False).model_copy(update={"estimates": (promised,)})
    found = findings(labels=labels)
    assert found.ailments == ("decay",)
    assert reasons(found) == (
        "Concept drift: brier is 0.240 by the labels, its scores promise 0.160: a score no longer "
        "means what it meant on validation data.",
    )
    assert "concept drift" in letter_of(found).subject


def test_a_column_that_moved_alone_is_no_reason_where_two_are_needed() -> None:
    found = findings(drift(column("temp"), status="no drift"))
    assert (found.ailments, reasons(found)) == ((), ())
