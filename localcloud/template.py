"""A CloudFormation template as data: what its intrinsic functions come to, given parameters.

Understood are Ref, Fn::GetAtt, Fn::Sub, Fn::If, Fn::Equals and Fn::Not, in their short form too,
and the pseudo parameters. Anything else is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from seatrial.localcloud.api import ACCOUNT, Place, validation_error

_REFERENCE = re.compile(r"\$\{([^!}][^}]*)\}")
_FUNCTIONS = ("Ref", "Fn::GetAtt", "Fn::Sub", "Fn::If", "Fn::Equals", "Fn::Not")
# What resolves to "this property is not given".
NO_VALUE = object()

# (logical id, attribute or "Ref") of a resource that is there already
Attribute = Callable[[str, str], str]


class _Loader(yaml.SafeLoader):
    """YAML with the short forms: `!Ref X` is {"Ref": "X"}."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix == "Ref" else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if name == "Fn::GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {name: value}


_Loader.add_multi_constructor("!", _short_form)


@dataclass(frozen=True)
class Template:
    """A template and the values of its parameters."""

    body: dict[str, Any]
    values: dict[str, str]
    place: Place

    def wanted(self) -> dict[str, dict[str, Any]]:
        """The resources whose condition holds, by logical id, those that others refer to first."""
        all_of_them = self.body["Resources"]
        wanted = {
            name: resource
            for name, resource in all_of_them.items()
            if "Condition" not in resource or self._holds(resource["Condition"])
        }
        order: list[str] = []
        for name in wanted:
            self._visit(name, wanted, order, ())
        return {name: wanted[name] for name in order}

    def resolve(self, value: Any, attribute: Attribute) -> Any:
        """`value` with every function in it carried out; what is NO_VALUE is left out."""
        if isinstance(value, list):
            items = [self.resolve(item, attribute) for item in value]
            return [item for item in items if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        name = next(iter(value), "")
        if len(value) == 1 and (name == "Ref" or name.startswith("Fn::")):
            return self._call(name, value[name], attribute)
        members = {key: self.resolve(item, attribute) for key, item in value.items()}
        return {key: item for key, item in members.items() if item is not NO_VALUE}

    def _call(self, name: str, argument: Any, attribute: Attribute) -> Any:
        if name == "Ref":
            return self._ref(argument, attribute)
        if name == "Fn::GetAtt":
            return attribute(argument[0], argument[1])
        if name == "Fn::Sub" and isinstance(argument, str):
            return _REFERENCE.sub(lambda found: self._dotted(found[1], attribute), argument)
        if name == "Fn::If":
            condition, yes, no = argument
            return self.resolve(yes if self._holds(condition) else no, attribute)
        raise validation_error(
            f"{name} is not understood in templates here; {', '.join(_FUNCTIONS)} are"
        )

    def _dotted(self, name: str, attribute: Attribute) -> str:
        resource, dot, wanted = name.partition(".")
        return attribute(resource, wanted) if dot else str(self._ref(name, attribute))

    def _ref(self, name: str, attribute: Attribute) -> Any:
        pseudo = {
            "AWS::AccountId": ACCOUNT,
            "AWS::Region": self.place.region,
            "AWS::Partition": "aws",
            "AWS::NoValue": NO_VALUE,
        }
        if name in pseudo:
            return pseudo[name]
        return self.values[name] if name in self.values else attribute(name, "Ref")

    def _holds(self, name: str) -> bool:
        return self._test(self.body.get("Conditions", {})[name])

    def _test(self, condition: dict[str, Any]) -> bool:
        ((name, argument),) = condition.items()
        if name == "Fn::Not":
            return not self._test(argument[0])
        if name == "Fn::Equals":
            left, right = (self.resolve(item, _no_resource) for item in argument)
            return bool(left == right)
        raise validation_error(f"{name} is not understood in conditions here")

    def _visit(
        self, name: str, wanted: Mapping[str, Any], order: list[str], path: tuple[str, ...]
    ) -> None:
        if name in order:
            return
        if name in path:
            raise validation_error(f"circular dependency between {', '.join(path)}")
        for other in _references(wanted[name]):
            if other in wanted:
                self._visit(other, wanted, order, (*path, name))
        order.append(name)


def read_template(text: str, given: Mapping[str, str], place: Place) -> Template:
    """The template with `given` laid over its defaults; AwsError for what it does not allow."""
    try:
        body = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise validation_error(f"the template is not YAML: {error}") from error
    if not isinstance(body, dict) or not isinstance(body.get("Resources"), dict):
        raise validation_error("the template has no Resources")
    declared = body.get("Parameters", {})
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise validation_error(f"the template has no parameter {', '.join(unknown)}")
    values = {name: given.get(name, item.get("Default")) for name, item in declared.items()}
    missing = sorted(name for name, value in values.items() if value is None)
    if missing:
        raise validation_error(f"the parameters {', '.join(missing)} need a value")
    for name, value in values.items():
        pattern = declared[name].get("AllowedPattern")
        if pattern and not re.fullmatch(pattern, str(value)):
            raise validation_error(f"the parameter {name} is {value!r}; {pattern} is allowed")
    return Template(body, {name: str(value) for name, value in values.items()}, place)


def _no_resource(name: str, attribute: str) -> str:
    raise validation_error(f"a condition cannot refer to {name}.{attribute}")


def _references(value: Any) -> Iterator[str]:
    """Names that `value` may refer to, parameters among them."""
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "Ref":
                yield item
            elif key == "Fn::GetAtt":
                yield item[0]
            elif key == "Fn::Sub" and isinstance(item, str):
                yield from (found.partition(".")[0] for found in _REFERENCE.findall(item))
            else:
                yield from _references(item)
