"""The function's code as Lambda takes it, the same bytes for the same code; and its template."""

from __future__ import annotations

import zipfile
from importlib.resources import files
from pathlib import Path

import seatrial

_PARTS = ("__init__.py", "errors.py", "client", "orchestrator")
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold


def write_code(path: Path) -> Path:
    """Write the zip to `path`, the template of its stack beside it, and return `path`."""
    root = Path(str(seatrial.__file__)).parent
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in _PARTS:
            found = sorted((root / part).glob("*.py")) if (root / part).is_dir() else [root / part]
            for file in found:
                name = f"seatrial/{file.relative_to(root).as_posix()}"
                member = zipfile.ZipInfo(name, _LONG_AGO)
                member.external_attr = 0o644 << 16
                archive.writestr(member, file.read_bytes())
    template = (files("seatrial.infra") / "fanout.yaml").read_text(encoding="utf-8")
    path.with_suffix(".yaml").write_text(template, encoding="utf-8")
    return path
