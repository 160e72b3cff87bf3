"""What several unit test files use is in `shared`: they are no package, and import it by name."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "shared"))
