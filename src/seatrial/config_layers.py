"""YAML files of the configuration: read, laid over each other, and names filled in."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml

from seatrial.errors import ConfigError


def read_yaml(path: Path) -> dict[str, Any]:
    """The file's keys and values; ConfigError if it has none that can be read."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            "cannot read the configuration",
            got=str(path),
            allowed="a readable YAML file",
            do=f"Check the path and the file ({type(error).__name__}: {str(error)[:200]})",
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"the configuration in {path} is not a mapping",
            got=type(values).__name__,
            allowed="key: value lines",
            do="Start from configs/default.yaml",
        )
    return values


def lay_over(base: dict[str, Any], top: dict[str, Any], *, where: str, prefix: str = "") -> None:
    """Change `base` into what `top` says, key by key; ConfigError for a key that is not in it."""
    for key, value in top.items():
        if key not in base:
            close = difflib.get_close_matches(str(key), list(base), n=1)
            raise ConfigError(
                f"unknown configuration key in {where}",
                got=f"{prefix}{key}",
                allowed=", ".join(f"{prefix}{name}" for name in base),
                do=f"Did you mean {prefix}{close[0]}?" if close else "Remove it",
            )
        if isinstance(base[key], dict) and base[key] and isinstance(value, dict):
            lay_over(base[key], value, where=where, prefix=f"{prefix}{key}.")
        else:
            base[key] = value


def fill_in(values: dict[str, Any]) -> dict[str, Any]:
    """Names that follow from the account, the region and the project."""
    account, region, project = values["account"], values["region"], values["project"]
    if values["bucket"] is None:
        values["bucket"] = f"{project}-{account}-{region}"
    if isinstance(values["roles"], dict):
        for name, arn in values["roles"].items():
            if arn is None:
                values["roles"][name] = f"arn:aws:iam::{account}:role/{project}-{name}"
    images = values["images"]
    if isinstance(images, dict):
        for name in ("toolbox", "serving"):
            if images[name] is None:
                registry = f"{account}.dkr.ecr.{region}.amazonaws.com"
                images[name] = f"{registry}/{project}-{name}:latest"
    monitoring = values["monitoring"]
    if isinstance(monitoring, dict) and monitoring["alert_topic_arn"] is None:
        monitoring["alert_topic_arn"] = f"arn:aws:sns:{region}:{account}:{project}-alerts"
    return values
