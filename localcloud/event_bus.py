"""EventBridge: match an event against the rules that moto keeps, and deliver it to their targets.

moto delivers to disabled rules too, and stops with an error at a target that is a pipeline, so
PutEvents is answered here. A target that moto cannot deliver to either is named in the log.
"""

from __future__ import annotations

import copy
import json
import logging
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from seatrial.localcloud.api import ACCOUNT, AwsError, Place
from seatrial.localcloud.audit import Access, Audit, trusted
from seatrial.localcloud.json_paths import PathError
from seatrial.localcloud.pipeline_targets import is_pipeline, start_request

LOG = logging.getLogger(__name__)
MAX_ENTRIES = 10

StartPipeline = Callable[[dict[str, Any]], dict[str, Any]]


class EventBus:
    """Every bus of the account; an event names its own."""

    def __init__(
        self,
        place: Place,
        start_pipeline: StartPipeline,
        *,
        now: Callable[[], float],
        audit: Audit,
    ) -> None:
        self._audit = audit
        self._place, self._start_pipeline, self._now = place, start_pipeline, now

    def publish(self, event: dict[str, Any], *, bus: str = "default") -> None:
        """Deliver one event; what goes wrong at a target is logged: the sender never hears it."""
        for rule in self._matching_rules(event, bus):
            pipelines = [target for target in rule.targets if is_pipeline(target["Arn"])]
            for target in pipelines:
                self._start(rule.name, target, event)
            others = [target for target in rule.targets if target not in pipelines]
            for target in others:
                _deliver_by_moto(rule, target, event, now=self._now())

    def put_events(self, request: dict[str, Any]) -> dict[str, Any]:
        """PutEvents' answer: an id or an error for each entry."""
        entries = request["Entries"]
        if not 1 <= len(entries) <= MAX_ENTRIES:
            raise AwsError(
                "ValidationException",
                f"localcloud: {len(entries)} entries; 1 to {MAX_ENTRIES} are allowed. Send several "
                "requests",
            )
        results = [self._put(entry) for entry in entries]
        failed = sum("ErrorCode" in result for result in results)
        return {"FailedEntryCount": failed, "Entries": results}

    def _put(self, entry: dict[str, Any]) -> dict[str, Any]:
        for field in ("Source", "DetailType", "Detail"):
            if not entry.get(field):
                text = f"Parameter {field} is not valid. Reason: {field} is a required argument."
                return {"ErrorCode": "InvalidArgument", "ErrorMessage": text}
        try:
            detail = json.loads(entry["Detail"])
        except ValueError:
            detail = None
        if not isinstance(detail, dict):
            return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": entry["DetailType"],
            "source": entry["Source"],
            "account": ACCOUNT,
            "time": _iso(entry.get("Time", self._now())),
            "region": self._place.region,
            "resources": entry.get("Resources", []),
            "detail": detail,
        }
        self.publish(event, bus=entry.get("EventBusName") or "default")
        return {"EventId": event["id"]}

    def _matching_rules(self, event: dict[str, Any], bus: str) -> Iterator[Any]:
        from moto.backends import get_backend

        backend = get_backend("events")[ACCOUNT][self._place.region]
        found = backend.event_buses.get(bus.split("/")[-1])
        for rule in list(found.rules.values()) if found else ():
            # a rule with a schedule only has no pattern, and moto's matches everything then
            has_pattern = bool(rule.event_pattern.get_pattern())
            if rule.state != "DISABLED" and has_pattern and rule.event_pattern.matches_event(event):  # type: ignore[arg-type]
                yield rule

    def _start(self, rule: str, target: dict[str, Any], event: dict[str, Any]) -> None:
        if role := target.get("RoleArn"):
            access = Access("sagemaker:StartPipelineExecution", target["Arn"])
            self._audit.did(role, trusted(role, "events"), access)
        try:
            answer = self._start_pipeline(start_request(target, event))
        except (AwsError, PathError) as error:
            LOG.warning("rule %s did not start %s: %s", rule, target["Arn"], error)
            if queue := target.get("DeadLetterConfig", {}).get("Arn"):
                self._put_aside(queue, event)
        else:
            LOG.info("rule %s started %s", rule, answer["PipelineExecutionArn"])

    def _put_aside(self, queue_arn: str, event: dict[str, Any]) -> None:
        """Send the event to a dead-letter queue; AWS does after its retries."""
        from moto.backends import get_backend

        backend: Any = get_backend("sqs")[ACCOUNT][self._place.region]
        try:
            backend.send_message(queue_arn.rsplit(":", 1)[-1], json.dumps(event))
        except Exception as error:  # as above: the sender never hears it
            LOG.warning("the event is not in %s either: %r", queue_arn, error)


def _deliver_by_moto(
    rule: Any, target: dict[str, Any], event: dict[str, Any], *, now: float
) -> None:
    alone = copy.copy(rule)
    alone.targets = [target]
    # moto writes `time` as text itself, and needs the other one for input transformers only
    sent = {**copy.deepcopy(event), "time": datetime.fromisoformat(event["time"]).timestamp()}
    transform = "InputTransformer" in target
    if transform:
        sent["ingestion-time"] = now
    try:
        alone.send_to_targets(sent, transform_input=transform)
    except NotImplementedError:
        LOG.warning("rule %s: moto cannot deliver events to %s", rule.name, target["Arn"])
    except Exception as error:  # whatever is wrong with a target, the sender never hears it
        LOG.warning("rule %s did not deliver to %s: %r", rule.name, target["Arn"], error)


def _iso(moment: Any) -> str:
    return datetime.fromtimestamp(float(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
