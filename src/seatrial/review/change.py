"""A review's change of the configuration, as YAML that says what was there before."""

from __future__ import annotations

from seatrial.contracts.review import Review


def change_yaml(review: Review) -> str:
    """For a configuration file, each value with what it is now; empty without a change."""
    now = {
        "endpoint.memory_size_mb": review.memory_size_mb,
        "endpoint.max_concurrency": review.max_concurrency,
    }
    sections: dict[str, list[str]] = {}
    for path, value in sorted(review.change.items()):
        section, _, key = path.partition(".")
        sections.setdefault(section, []).append(f"  {key}: {value}  # now {now[path]}")
    lines = (line for name, keys in sections.items() for line in (f"{name}:", *keys))
    return "".join(f"{line}\n" for line in lines)
