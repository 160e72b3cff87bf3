"""The run's index.html: what happened, and links to everything that was written."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from pathlib import Path

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884; }
td { vertical-align: top; }
td:nth-child(2), li { overflow-wrap: anywhere; }
td:last-child { white-space: nowrap; text-align: right; }
h2 { margin-top: 2rem; }
ul { padding-left: 1.2rem; }
code { overflow-wrap: anywhere; }
"""


@dataclass
class Stage:
    """One part of the story: what was found, and how long it took."""

    title: str
    seconds: float = 0.0
    lines: list[str] = field(default_factory=list)
    links: dict[str, Path] = field(default_factory=dict)


def render(stages: list[Stage], out: Path) -> str:
    """The page; links are relative, so the folder can be moved."""
    rows = "".join(
        f"<tr><td>{html.escape(stage.title)}</td>"
        f"<td>{'<br>'.join([*map(html.escape, stage.lines), *_stage_links(stage, out)])}</td>"
        f"<td>{stage.seconds:.1f} s</td></tr>"
        for stage in stages
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>seatrial demo</title><style>{STYLE}</style>"
        "<h1>From a trained model to a watched endpoint</h1>"
        "<table><tr><th>Stage</th><th>What happened</th><th>Took</th></tr>"
        f"{rows}</table>{_links(out)}</html>\n"
    )


def write_page(stages: list[Stage], out: Path) -> Path:
    """Write index.html into the run's folder."""
    path = out / "index.html"
    path.write_text(render(stages, out), encoding="utf-8")
    return path


def _stage_links(stage: Stage, out: Path) -> list[str]:
    """One line with the files that are worth a look, if there are any."""
    links = [_link(label, path, out) for label, path in stage.links.items()]
    return [" · ".join(links)] if links else []


def _link(label: str, path: Path, out: Path) -> str:
    target = html.escape(path.relative_to(out).as_posix())
    return f'<a href="{target}">{html.escape(label)}</a>'


def _links(out: Path) -> str:
    """Files by folder; the cloud's own state and model artifacts are left out."""
    groups: dict[str, list[Path]] = {}
    for path in sorted(item for item in out.rglob("*") if item.is_file()):
        parts = path.relative_to(out).parts
        if parts[0] in ("cloud", "mlflow-artifacts", "index.html"):
            continue
        groups.setdefault("/".join(parts[:-1]) or ".", []).append(path)
    sections = []
    for folder, paths in groups.items():
        items = "".join(f"<li>{_link(path.name, path, out)}</li>" for path in paths)
        sections.append(f"<h3><code>{html.escape(folder)}</code></h3><ul>{items}</ul>")
    return f"<h2>Files</h2>{''.join(sections)}"
