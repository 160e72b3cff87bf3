"""How every step program starts and ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from seatrial.errors import SeatrialError
from seatrial.serving.errors import ServingError

FAILED = 2


def run(main: Callable[[], int]) -> None:
    """Run `main` and exit with its code; an error of ours is one line on stderr and exit 2."""
    # mlflow and the SageMaker SDK call home unless told not to.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        sys.exit(main())
    except (SeatrialError, ServingError) as error:
        sys.stderr.write(f"seatrial: {error}\n")
        sys.exit(FAILED)
