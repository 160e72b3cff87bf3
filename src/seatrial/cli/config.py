"""`seatrial config`: the configuration as it is resolved, for scripts and for a look."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from seatrial.cli.output import say_json, shared

app = typer.Typer()


@app.command()
def config(
    context: typer.Context,
    key: Annotated[str | None, typer.Argument(help="images.serving, say; default: all.")] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE over the file; an empty VALUE changes nothing."),
    ] = None,
) -> None:
    """Print the resolved configuration as YAML, or one value of it."""
    from seatrial.config import load_config

    options = shared(context)
    found = load_config(options.config_path, **overrides(change or []))
    if key is not None:
        value = look_up(found.model_dump(mode="json"), key)
        say_json(value) if options.as_json else typer.echo(value)
    elif options.as_json:
        say_json(found.model_dump(mode="json"))
    else:
        typer.echo(found.to_yaml(), nl=False)


def overrides(changes: list[str]) -> dict[str, Any]:
    """`["a.b=1"]` as `{"a": {"b": 1}}`; values are YAML. InputError for one without `=`."""
    import yaml

    from seatrial.errors import InputError

    found: dict[str, Any] = {}
    for change in changes:
        path, sign, text = change.partition("=")
        if not sign:
            raise InputError(
                "--set has no value", got=change, allowed="KEY=VALUE", do="Add the value"
            )
        if not text:
            continue
        *sections, name = path.split(".")
        place = found
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = yaml.safe_load(text)
    return found


def look_up(values: dict[str, Any], key: str) -> Any:
    """The value at `a.b`; InputError with the names that there are."""
    from seatrial.errors import InputError

    place: Any = values
    for name in key.split("."):
        if not isinstance(place, dict) or name not in place:
            raise InputError(
                "the configuration has no such key",
                got=key,
                allowed=", ".join(place) if isinstance(place, dict) else "a key that has parts",
                do="seatrial config prints all of it",
            )
        place = place[name]
    return place
