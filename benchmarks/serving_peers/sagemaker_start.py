"""Starts AWS's sagemaker-inference toolkit as a container's entry point does, on loopback.

    python sagemaker_start.py FOLDER

The toolkit writes its configuration to /etc and listens on every interface: here it writes to
FOLDER and listens on 127.0.0.1. Everything else is its default.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sagemaker_inference import model_server  # type: ignore[import-not-found]

if __name__ == "__main__":
    text: Any = model_server._generate_mms_config_properties
    model_server.MMS_CONFIG_FILE = str(Path(sys.argv[1]) / "mms.properties")
    model_server._generate_mms_config_properties = lambda *given: text(*given).replace(
        "0.0.0.0",  # noqa: S104 - what it would listen on
        "127.0.0.1",
    )
    model_server.start_model_server()
