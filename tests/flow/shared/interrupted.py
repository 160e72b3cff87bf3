"""Each monitoring step, ended in the midst and run again; and who was told what then."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import interruptions
from watched import ARN, Place

from seatrial.aws import S3
from seatrial.contracts import Monitoring, Window, read_contract, write_contract

# More than React has acts: each run of it is of an endpoint of its own.
MOST_ACTS = 120
# What takes seconds to import, and is imported once before all runs.
IMPORTS = {
    "check_quality": ("great_expectations", "pandas"),
    "detect_drift": ("evidently", "lightgbm", "pandas"),
    "react": ("boto3", "mlflow"),
}


@dataclass(frozen=True)
class Interrupted:
    """What was run: the step's acts, those at which it was ended, and what was not as it should."""

    acts: list[str]
    points: list[int]
    wrong: list[str]


def interrupt(
    plan: Mapping[str, Any], *, points: int | None, also: str = "", fresh: bool = False
) -> Interrupted:
    """See interruptions.py; `points` None is all of them.

    Runs are forks of this process, unless that has to be `fresh`: one that has used LightGBM has
    OpenMP's threads, and MLflow its open database, which no fork can use.
    """
    outputs = Path(plan["outputs"])
    whole = {
        **plan,
        "outputs": str(outputs),
        "told": str(outputs.with_suffix(".json")),
        "folders": [str(outputs), tempfile.gettempdir()],
        "points": points,
        "also": also,
    }
    if not fresh:
        return Interrupted(**interruptions.interrupt(whole))
    file = outputs.with_suffix(".plan")
    file.write_text(json.dumps(whole), encoding="utf-8")
    command = [sys.executable, interruptions.__file__, str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return Interrupted(**json.loads(ended.stdout.splitlines()[-1]))


def plan_of(step: str, place: Place, week: Path, outputs: Path, labels: str) -> dict[str, Any]:
    """The arguments of `interrupt` for one of the steps that write files and nothing else."""
    window = ["--window", str(week / "window"), "--config", place.config_file]
    steps: dict[str, list[str]] = {
        "check_quality": window,
        "detect_drift": window,
        "score_labels": [*window, "--labels", labels],
        "build_baseline": [
            *("--candidates", place.folder("candidates"), "--data", place.folder("data")),
            *("--config", place.config_file, "--model-package-arn", ARN),
        ],
    }
    return {
        "module": f"seatrial.steps.{step}",
        "words": [*steps[step], "--output", str(outputs)],
        "outputs": outputs,
        "imports": IMPORTS.get(step, ()),
    }


def plan_of_collecting(place: Place, start: datetime, outputs: Path) -> dict[str, Any]:
    """The same for CollectWindow, whose ledger in S3 its second run replaces."""
    span = (start, start + timedelta(days=7))
    return {
        "module": "seatrial.steps.collect_window",
        "words": [
            *("--endpoint-name", place.config.endpoint.name, "--config", place.config_file),
            *("--window-start", f"{span[0]:%Y-%m-%dT%H:%M:%SZ}"),
            *("--window-end", f"{span[1]:%Y-%m-%dT%H:%M:%SZ}", "--output", str(outputs)),
        ],
        "outputs": outputs,
    }


def plan_of_reacting(place: Place, week: Path, outputs: Path) -> dict[str, Any]:
    """React on the same findings, each time of another endpoint: cut-0, cut-1, and so on."""
    window = read_contract(Window, week / "window" / "window.json")
    windows = outputs.with_name(f"{outputs.name}-windows")
    for point in range(MOST_ACTS):
        changed = window.model_copy(update={"endpoint_name": f"cut-{point}"})
        write_contract(changed, windows / str(point) / "window.json")
    parts = [
        word for part in ("quality", "drift", "labels") for word in (f"--{part}", str(week / part))
    ]
    return {
        "module": "seatrial.steps.react",
        "words": [
            *("--window", f"{windows}/{{point}}", *parts, "--config", place.config_file),
            *("--output", f"{outputs}/{{point}}"),
        ],
        "outputs": outputs,
        "imports": IMPORTS["react"],
        "apart": True,
    }


@dataclass(frozen=True)
class Told:
    """Who heard of an endpoint, and how often."""

    messages: int
    events: int
    runs: tuple[str, ...]
    objects: frozenset[str]
    reasons: tuple[str, ...]


class Ears:
    """Queues that hear the alert topic and the default bus."""

    def __init__(self, cloud: Any, topic_arn: str, name: str) -> None:
        self._sqs = cloud.client("sqs")
        sns, events = cloud.client("sns"), cloud.client("events")
        sns.create_topic(Name=topic_arn.rsplit(":", 1)[-1])
        self._urls = [
            self._sqs.create_queue(QueueName=f"{name}-{what}")["QueueUrl"]
            for what in ("messages", "events")
        ]
        messages, verdicts = map(self._arn, self._urls)
        self._subscription = sns.subscribe(
            TopicArn=topic_arn, Protocol="sqs", Endpoint=messages, ReturnSubscriptionArn=True
        )["SubscriptionArn"]
        events.put_rule(Name=name, EventPattern=json.dumps({"source": ["seatrial"]}))
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": verdicts}])
        self._cloud, self._name = cloud, name

    def _arn(self, url: str) -> str:
        got = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(got["Attributes"]["QueueArn"])

    def take(self) -> tuple[list[str], list[str]]:
        """The messages and the events since the last time, as they came."""
        return self._all(self._urls[0]), self._all(self._urls[1])

    def _all(self, url: str) -> list[str]:
        taken: list[str] = []
        while found := self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            taken += [item["Body"] for item in found]
            for item in found:
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=item["ReceiptHandle"])
        return taken

    def close(self) -> None:
        """Hear no more."""
        self._cloud.client("sns").unsubscribe(SubscriptionArn=self._subscription)
        events = self._cloud.client("events")
        events.remove_targets(Rule=self._name, Ids=["queue"])
        events.delete_rule(Name=self._name)


def told_of_each(
    found: Interrupted, place: Place, outputs: Path, cloud: Any, ears: Ears
) -> dict[int, Told]:
    """What the world knows of each run's endpoint; point 0 is the undisturbed one."""
    from mlflow import MlflowClient

    letters, events = ears.take()
    messages = Counter(json.loads(item)["Subject"].split(": ")[1] for item in letters)
    verdicts = Counter(json.loads(item)["detail"]["endpointName"] for item in events)
    client = MlflowClient(tracking_uri=str(place.config.tracking.mlflow_uri))
    s3 = S3(cloud.client("s3"))

    def told(point: int) -> Told:
        name = f"cut-{point}"
        experiment = client.get_experiment_by_name(f"seatrial-monitoring/{name}")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        uris = s3.uris(f"s3://{place.config.bucket}/monitoring/{name}/")
        verdict = read_contract(Monitoring, outputs / str(point) / "monitoring.json")
        return Told(
            messages=messages[name],
            events=verdicts[name],
            runs=tuple(run.info.status for run in runs),
            objects=frozenset(uri.rsplit("/", 1)[-1] for uri in uris),
            reasons=verdict.reasons,
        )

    return {point: told(point) for point in (0, *found.points)}


def broken_promises(found: Interrupted, told: Mapping[int, Told]) -> list[str]:
    """Where a message or an event was lost, or came twice although it had been noted.

    Between the sending and the note of it nothing can know: there, and only there, it comes again.
    """
    whole, broken = told[0], list[str]()
    for point in found.points:
        now, act = told[point], found.acts[point - 1]
        unnoted = int(act.startswith("PUT") and act.endswith("verdict.json"))
        most = 2 + unnoted
        promises = {
            "messages": 1 <= now.messages <= 1 + unnoted,
            "events": 1 <= now.events <= 1 + unnoted,
            "repeated": now.messages + now.events <= most,
            "runs": now.runs == ("FINISHED",) == whole.runs,
            "objects": now.objects == whole.objects,
            "reasons": now.reasons == whole.reasons,
        }
        broken += [f"{point} {act}: {name}: {now}" for name, kept in promises.items() if not kept]
    if (whole.messages, whole.events) != (1, 1):
        broken.append(f"undisturbed: {whole}")
    return broken
