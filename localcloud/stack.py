"""One stack: what is there, what a template would change, and changing it or going back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from seatrial.localcloud.api import AwsError, validation_error
from seatrial.localcloud.made import AlreadyExistsError, Made, MakeClient, Properties
from seatrial.localcloud.stack_kinds import kind_of
from seatrial.localcloud.template import Template

_KEPT = ("Retain", "RetainExceptOnCreate")


@dataclass(frozen=True)
class Resource:
    """One that is there."""

    type: str
    properties: Properties
    made: Made
    kept: bool  # when the stack is deleted
    changed_at: datetime


@dataclass(frozen=True)
class Change:
    """What would become of one resource: Add, Modify or Remove."""

    action: str
    logical_id: str
    type: str
    physical_id: str | None


@dataclass
class Stack:
    """A stack by name; `resources` are in the order in which they were made."""

    name: str
    arn: str
    created_at: datetime
    status: str = "REVIEW_IN_PROGRESS"
    reason: str = ""
    template_text: str = ""
    values: dict[str, str] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    def changes(self, template: Template) -> list[Change]:
        """What the template would change; AwsError for what stacks do not make here."""
        found: list[Change] = []
        wanted = template.wanted()
        for name, declared in wanted.items():
            properties = template.resolve(declared.get("Properties", {}), self._or_placeholder)
            kind = kind_of(declared["Type"], properties)
            there = self.resources.get(name)
            if there is None:
                found.append(Change("Add", name, declared["Type"], None))
            elif there.properties != properties:
                if properties[kind.name] != there.properties[kind.name]:
                    raise validation_error(
                        f"{name} has another {kind.name}, which replaces it; that is not done "
                        "here. Delete the stack, and make it anew"
                    )
                found.append(Change("Modify", name, there.type, there.made.physical_id))
        for name, there in self.resources.items():
            if name not in wanted:
                found.append(Change("Remove", name, there.type, there.made.physical_id))
        return found

    def carry_out(self, template: Template, client: MakeClient) -> None:
        """Make the stack as the template has it; on a failure, as it was before."""
        new = self.status == "REVIEW_IN_PROGRESS"
        verb, before = "CREATE" if new else "UPDATE", dict(self.resources)
        changes = self.changes(template)
        try:
            self._apply(template, changes, client)
            outputs = template.body.get("Outputs", {})
            self.outputs = {
                name: str(template.resolve(item["Value"], self._attribute))
                for name, item in outputs.items()
            }
        except (AlreadyExistsError, AwsError, ClientError, BotoCoreError) as error:
            self._go_back(before, client)
            self.status = "ROLLBACK_COMPLETE" if new else "UPDATE_ROLLBACK_COMPLETE"
            self.reason = f"localcloud: {error}"
            return
        self.status, self.reason = f"{verb}_COMPLETE", ""

    def delete(self, client: MakeClient) -> None:
        """Delete all that is not to be kept, what was made last first."""
        for name, resource in list(self._backwards()):
            if not resource.kept:
                try:
                    kind_of(resource.type, {}).delete(client, resource.made.physical_id)
                except ClientError as error:
                    self.status = "DELETE_FAILED"
                    self.reason = f"localcloud: {name}: {error}"
                    return
            del self.resources[name]
        self.status = "DELETE_COMPLETE"

    def _apply(self, template: Template, changes: list[Change], client: MakeClient) -> None:
        wanted, actions = template.wanted(), {item.logical_id: item.action for item in changes}
        for name, declared in wanted.items():
            if name not in actions:
                continue
            properties = template.resolve(declared.get("Properties", {}), self._attribute)
            kind = kind_of(declared["Type"], properties)
            made = kind.put(client, properties, actions[name] == "Add")
            kept = declared.get("DeletionPolicy") in _KEPT
            now = datetime.now(UTC)
            self.resources[name] = Resource(declared["Type"], properties, made, kept, now)
        for name, resource in list(self._backwards()):
            if actions.get(name) == "Remove":
                if not resource.kept:
                    kind_of(resource.type, {}).delete(client, resource.made.physical_id)
                del self.resources[name]

    def _go_back(self, before: dict[str, Resource], client: MakeClient) -> None:
        for name, resource in list(self._backwards()):
            if name not in before:
                kind_of(resource.type, {}).delete(client, resource.made.physical_id)
        for name, old in before.items():
            now = self.resources.get(name)
            if now is not old:
                kind_of(old.type, old.properties).put(client, old.properties, now is None)
        self.resources = before

    def _backwards(self) -> Iterator[tuple[str, Resource]]:
        return reversed(list(self.resources.items()))

    def _attribute(self, name: str, attribute: str) -> str:
        made = self.resources[name].made if name in self.resources else None
        if made is None or (attribute != "Ref" and attribute not in made.attributes):
            raise validation_error(f"{name}.{attribute} is not known to stacks here")
        return made.physical_id if attribute == "Ref" else made.attributes[attribute]

    def _or_placeholder(self, name: str, attribute: str) -> Any:
        """The attribute, or what stands for it while the resource is not there."""
        if name in self.resources:
            return self._attribute(name, attribute)
        return f"<{attribute} of {name}>"
