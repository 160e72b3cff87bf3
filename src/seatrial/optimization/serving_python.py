"""Which interpreter measures: the serving environment's, as near as it can be found."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from seatrial.errors import InputError

VARIABLE = "SEATRIAL_SERVING_PYTHON"
IN_THE_TOOLBOX = Path("/opt/serving/bin/python3")


def find_serving_python(environ: Mapping[str, str], given: Path | None = None) -> Path:
    """The interpreter given, else the variable's, the toolbox image's copy, the one that
    `make setup` puts beside this environment, and at last this one.
    """
    named = given or (Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)
    if named is not None:
        if not os.access(named, os.X_OK) or named.is_dir():
            raise InputError(
                "the serving environment's interpreter cannot be run",
                got=str(named),
                allowed="an executable Python that has seatrial.serving",
                do=f"Correct --python or {VARIABLE}",
            )
        return named
    beside = Path(sys.prefix).with_name(f"{Path(sys.prefix).name}-serving") / "bin" / "python"
    return next((path for path in (IN_THE_TOOLBOX, beside) if path.exists()), Path(sys.executable))
