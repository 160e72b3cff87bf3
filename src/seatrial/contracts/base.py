"""What all contracts share: frozen, unknown keys refused, JSON on disk.

1 MB is 2**20 bytes everywhere in seatrial.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from seatrial.errors import ContractError

MB = 2**20


class Part(BaseModel):
    """A value inside a contract."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Contract(Part):
    """A file that passes between steps."""

    schema_version: Literal[1] = 1


ContractType = TypeVar("ContractType", bound=Contract)


def read_contract(kind: type[ContractType], path: Path) -> ContractType:
    """Read `path` as `kind`; ContractError if it is missing or not of that type."""
    fields = ", ".join(kind.model_fields)
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ContractError(
            f"cannot read {kind.__name__}",
            got=str(path),
            allowed=f"a JSON file with {fields}",
            do="Run the step that writes this file first",
        ) from error
    except ValidationError as error:
        raise ContractError(
            f"{path} is not a {kind.__name__}",
            got=first_problem(error),
            allowed=f"JSON with {fields}",
            do="Write it again with this version of seatrial",
        ) from error


def write_contract(contract: Contract, path: Path) -> None:
    """Write `contract` as JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(contract.model_dump_json(indent=2) + "\n", encoding="utf-8")
    os.replace(partial, path)  # noqa: PTH105 - the atomic one, by name


def first_problem(error: ValidationError) -> str:
    """The first thing that was wrong, as `where: what (value)`."""
    problem = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"]) or "the file"
    more = f" (+{error.error_count() - 1} more)" if error.error_count() > 1 else ""
    value = repr(problem.get("input"))
    return f"{where}: {problem['msg']} (value {value[:80]}){more}"
