"""Which steps of an execution can start now."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.localcloud.pipeline_definition import Step

SUCCEEDED = "Succeeded"


def startable(
    steps: Mapping[str, Step], statuses: Mapping[str, str], outcomes: Mapping[str, bool]
) -> list[str]:
    """Steps that wait for nothing any more, in the definition's order.

    `statuses` holds the steps that have started, `outcomes` those of condition steps. A step in
    the branch that is not taken never can, nor can one that needs it.
    """
    return [
        step.name
        for step in steps.values()
        if step.name not in statuses
        and all(statuses.get(name) == SUCCEEDED for name in step.needs)
        and (step.branch is None or outcomes.get(step.branch.condition) is step.branch.outcome)
    ]
