"""Scan a pickle without running it, and load one that may be loaded.

picklescan reads the imports out of the opcodes: MIT, without dependencies, and its advisories are
answered within days. Of the others compared, fickling (LGPL) stops at the BYTEARRAY8 of a
scikit-learn model, and modelaudit-picklescan needs ten seconds for a small forest and calls it
malicious.

Every scanner's deny list has holes, so it is not what decides: each import must be on *our* list,
and the unpickler itself looks up nothing else, whatever hides a name from the scan.
"""

from __future__ import annotations

import pickle
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.errors import InputError
from seatrial.optimization.allowed_imports import is_allowed, resolve
from seatrial.optimization.confinement import is_confined

SHOWN_IMPORTS = 8


@dataclass(frozen=True)
class Scan:
    """What a pickle imports, and what the scanner calls dangerous; `error` if it is unreadable."""

    imports: tuple[str, ...]
    refused: tuple[str, ...]
    findings: tuple[str, ...]
    error: str | None


def scan_pickle(path: Path) -> Scan:
    """What is in the file, by its opcodes; no code of it runs."""
    from picklescan.scanner import SafetyLevel, scan_pickle_bytes

    try:
        with path.open("rb") as file:
            found = scan_pickle_bytes(file, path.name)
    except Exception as error:  # the scanner stumbles over what is no pickle at all
        return Scan((), (), (), f"it cannot be read as a pickle ({type(error).__name__})")
    names = sorted({(item.module, item.name) for item in found.globals})
    dangerous = sorted(
        f"imports {item.module}.{item.name}"
        for item in found.globals
        if item.safety == SafetyLevel.Dangerous
    )
    return Scan(
        imports=tuple(f"{module}.{name}" for module, name in names),
        refused=tuple(f"{module}.{name}" for module, name in names if not is_allowed(module, name)),
        findings=tuple(dict.fromkeys(dangerous)),
        error="it cannot be read as a pickle" if found.scan_err or not names else None,
    )


def require_loadable(scan: Scan, *, name: str, trusted: bool) -> None:
    """InputError for a pickle that imports what is not on the list, unless the user trusts it."""
    if trusted or not (scan.refused or scan.error):
        return
    refused = ", ".join(scan.refused[:SHOWN_IMPORTS])
    more = len(scan.refused) - SHOWN_IMPORTS
    raise InputError(
        f"{name} could run any code when it is loaded",
        got=scan.error or f"imports of {refused}{f' and {more} more' if more > 0 else ''}",
        allowed="a pickle of plain scikit-learn, LightGBM or XGBoost estimators",
        do=(
            "Save it with serialization_format='skops', or, if you know who made it, trust its "
            "source: --trust, or optimization.trusted_sources"
        ),
    )


class ListedUnpickler(pickle.Unpickler):
    """Looks up what is on the list of allowed imports, and nothing else."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        """The object; UnpicklingError if it is not on the list."""
        return resolve(module_name, global_name)


@dataclass(frozen=True)
class Loaded:
    """A model out of a file, and what its library warned of while it was loaded."""

    model: Any
    warnings: tuple[str, ...]


def load_pickle(path: Path, *, trusted: bool) -> Loaded:
    """The object in the file; InputError outside a confined child, or if it does not load."""
    if not is_confined():
        raise InputError(
            "this system cannot confine a process, so no pickle is loaded on it",
            got=path.name,
            allowed="Linux on x86-64 or ARM64 with seccomp",
            do="Run it there, or save the model with serialization_format='skops'",
        )
    kind = pickle.Unpickler if trusted else ListedUnpickler
    try:
        with path.open("rb") as file, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = kind(file).load()
    except MemoryError:
        raise
    except Exception as error:  # a broken pickle raises whatever its broken part makes it raise
        raise InputError(
            f"cannot load {path.name}",
            got=f"{type(error).__name__}: {error}",
            allowed="a pickle written with the library versions installed here",
            do="Save the model again with these versions, or with serialization_format='skops'",
        ) from error
    return Loaded(model, tuple(dict.fromkeys(str(item.message)[:200] for item in caught)))
