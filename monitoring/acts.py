"""Carrying out what was decided: an event, a training; each as a Reaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.aws import explained
from seatrial.contracts import Reaction
from seatrial.contracts.verdicts import Ailment
from seatrial.errors import CloudError
from seatrial.monitoring.reactions import Findings

SOURCE, DETAIL_TYPE = "seatrial", "seatrial Monitoring Verdict"
# Of PutEvents: 256 KB an entry; reasons are sentences, and ten say enough.
MAX_REASONS = 10


@dataclass(frozen=True)
class Case:
    """The verdict that is acted on."""

    findings: Findings
    ailments: Sequence[Ailment]
    reasons: Sequence[str]
    verdict_uri: str
    done: Sequence[Reaction] = ()  # before this act

    def detail(self) -> dict[str, Any]:
        """The event's detail: enough to decide on without reading a file."""
        window = self.findings.window
        return {
            "endpointName": window.endpoint_name,
            "endpointConfigName": window.endpoint_config_name,
            "windowStart": window.started_at.isoformat(),
            "windowEnd": window.ended_at.isoformat(),
            "ailments": list(self.ailments),
            "driftedColumns": list(self.findings.drift.drifted_columns),
            "reasons": list(self.reasons[:MAX_REASONS]),
            "verdictUri": self.verdict_uri,
            "reactions": [item.model_dump() for item in self.done],
        }


def put_event(case: Case, events: Any) -> Reaction:
    """Tell EventBridge's default bus, for whoever has a rule."""
    entry = {
        "Source": SOURCE,
        "DetailType": DETAIL_TYPE,
        "Detail": json.dumps(case.detail()),
        "Resources": [],
    }
    with explained("the event about a verdict", do="Allow events:PutEvents to the job's role"):
        answer = events.put_events(Entries=[entry])
    (put,) = answer["Entries"]
    if "ErrorCode" in put:  # PutEvents answers 200 and says for each entry what became of it
        raise CloudError(
            "EventBridge did not take the event about a verdict",
            got=f"{put['ErrorCode']}: {put.get('ErrorMessage')}",
            allowed="an event id",
            do="Run React again",
        )
    return Reaction(kind="eventbridge", target=DETAIL_TYPE, detail=f"event {put['EventId']}")


def start_retraining(case: Case, pipeline: str, sagemaker: Any) -> Reaction:
    """Start the pipeline, once a window: the same token starts nothing a second time.

    Of EndpointName, WindowStart, WindowEnd and VerdictUri it is told those that it has as
    parameters.
    """
    detail = case.detail()
    told = {
        "EndpointName": detail["endpointName"],
        "WindowStart": detail["windowStart"],
        "WindowEnd": detail["windowEnd"],
        "VerdictUri": detail["verdictUri"],
    }
    with explained(
        f"the start of {pipeline}", do="Check reactions.retraining_pipeline and the role"
    ):
        described = sagemaker.describe_pipeline(PipelineName=pipeline)
        known = {
            item["Name"]
            for item in json.loads(described["PipelineDefinition"]).get("Parameters", [])
        }
        started = sagemaker.start_pipeline_execution(
            PipelineName=pipeline,
            PipelineExecutionDescription=f"{detail['endpointName']}: {', '.join(case.ailments)}",
            ClientRequestToken=request_token(pipeline, detail),
            PipelineParameters=[
                {"Name": name, "Value": value} for name, value in told.items() if name in known
            ],
        )
    return Reaction(kind="retraining", target=pipeline, detail=started["PipelineExecutionArn"])


def request_token(pipeline: str, detail: dict[str, Any], *more: str) -> str:
    """Of 32 to 128 characters; the same for the same window of the same endpoint."""
    parts = [pipeline, detail["endpointName"], detail["windowStart"], detail["windowEnd"], *more]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
