"""`get-pipeline-definition` and `run-pipeline`, by the names and options of AWS's templates.

    run-pipeline --module-name seatrial.pipelines.readiness --role-arn arn:aws:iam::… \\
        --kwargs '{"config": "configs/prod.yaml"}' --parameters '{"ModelPackageArn": "arn:…"}'

Any module with `get_pipeline(**kwargs)` will do. Where the templates evaluate their options as
Python, these are JSON; where theirs exits 0 whatever became of the execution, this exits 0 if it
succeeded, 1 if the model is not ready, 2 if anything failed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from seatrial.aws import client
from seatrial.errors import InputError
from seatrial.pipelines.execution import ExecutionStatus, follow
from seatrial.steps.entry import run

POLL_S = 1.0
GOOD, AGAINST, FAILED = 0, 1, 2


class Pipeline(Protocol):
    """What `get_pipeline` returns: ours, or the SDK's Pipeline."""

    def definition(self) -> str:
        """The definition as JSON."""

    def upsert(self, role_arn: str, description: str | None, tags: Any) -> Any:
        """Create it, or bring it up to date."""

    def start(self, parameters: dict[str, str]) -> Any:
        """Start an execution, whose `arn` can be asked for."""


def get_pipeline_definition_main() -> None:
    """The console script `get-pipeline-definition`."""
    run(lambda: get_pipeline_definition(sys.argv[1:]))


def run_pipeline_main() -> None:
    """The console script `run-pipeline`."""
    run(lambda: run_pipeline(sys.argv[1:]))


def get_pipeline_definition(argv: Sequence[str]) -> int:
    """Print the definition, or write it to a file."""
    parser = _parser("get-pipeline-definition", "Print a pipeline's definition, or write it.")
    parser.add_argument("-f", "--file-name", type=Path, help="write it there")
    args = parser.parse_args(argv)
    content = _pipeline(args).definition()
    if args.file_name is None:
        sys.stdout.write(content + "\n")
    else:
        args.file_name.write_text(content + "\n", encoding="utf-8")
    return GOOD


def run_pipeline(argv: Sequence[str]) -> int:
    """Create or update the pipeline, start it, wait, and return what became of it."""
    parser = _parser("run-pipeline", "Create or update a pipeline, run it, and wait for its end.")
    parser.add_argument("-role-arn", "--role-arn", required=True, help="who runs the pipeline")
    parser.add_argument("-description", "--description", help="of the pipeline")
    parser.add_argument("-tags", "--tags", default="[]", help='JSON: [{"Key": …, "Value": …}, …]')
    parser.add_argument("--parameters", default="{}", help="JSON object: the execution's")
    args = parser.parse_args(argv)
    tags, parameters = _tags(args.tags), _strings("--parameters", args.parameters)
    pipeline = _pipeline(args)
    answer = pipeline.upsert(role_arn=args.role_arn, description=args.description, tags=tags)
    sys.stdout.write(f"{answer['PipelineArn']} is up to date\n")
    arn = str(pipeline.start(parameters=parameters).arn)
    sys.stdout.write(f"started {arn}\n")
    sys.stdout.flush()
    *_, last = follow(arn, client("sagemaker", region=arn.split(":")[3]), poll_s=POLL_S)
    for step in last.steps:
        sys.stdout.write(f"{step.name}: {step.status} {step.failure_reason or ''}".rstrip() + "\n")
    sys.stdout.write(f"{last.status}: {last.failure_reason or 'every step is done'}\n")
    return exit_code(last)


def exit_code(execution: ExecutionStatus) -> int:
    """Anything but success is a failure, save the gate's verdict."""
    if execution.status == "Succeeded":
        return GOOD
    return AGAINST if execution.not_ready else FAILED


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(name, description=description, allow_abbrev=False)
    parser.add_argument("-n", "--module-name", required=True, help="has get_pipeline(**kwargs)")
    parser.add_argument("-kwargs", "--kwargs", default="{}", help="JSON object, for get_pipeline")
    return parser


def _pipeline(args: argparse.Namespace) -> Pipeline:
    kwargs = _object("--kwargs", args.kwargs)
    try:
        module: Any = importlib.import_module(args.module_name)
    except ModuleNotFoundError as error:
        raise InputError(
            "there is no such module",
            got=f"{args.module_name} ({error})",
            allowed="a module that can be imported, seatrial.pipelines.readiness for example",
            do="Correct --module-name, or install the package that has it",
        ) from error
    if not hasattr(module, "get_pipeline"):
        raise InputError(
            "the module makes no pipeline",
            got=args.module_name,
            allowed="a module with get_pipeline(**kwargs)",
            do="Correct --module-name",
        )
    pipeline: Pipeline = module.get_pipeline(**kwargs)
    return pipeline


def _json(option: str, text: str, allowed: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{option} is not JSON",
            got=text[:200],
            allowed=allowed,
            do="Use double quotes, null, true and false: it is read, and never evaluated as Python",
        ) from error


def _object(option: str, text: str) -> dict[str, Any]:
    allowed = 'a JSON object: {"name": "value"}'
    found = _json(option, text, allowed)
    if not isinstance(found, dict):
        raise InputError(f"{option} is no object", got=text[:200], allowed=allowed, do="Correct it")
    return found


def _strings(option: str, text: str) -> dict[str, str]:
    found = _object(option, text)
    if not all(isinstance(value, str) for value in found.values()):
        raise InputError(
            f"{option} has a value that is no text",
            got=text[:200],
            allowed='a JSON object of strings: {"name": "value"}',
            do="Put the value in double quotes",
        )
    return found


def _tags(text: str) -> list[dict[str, str]]:
    allowed = 'a JSON list: [{"Key": "…", "Value": "…"}]'
    found = _json("--tags", text, allowed)
    if not isinstance(found, list) or any(
        not isinstance(tag, dict) or set(tag) != {"Key", "Value"} for tag in found
    ):
        raise InputError("--tags are no tags", got=text[:200], allowed=allowed, do="Correct them")
    return found
