"""Files that hold Python objects: skops, which names its types, and pickles."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from seatrial.errors import InputError
from seatrial.optimization.allowed_imports import is_allowed
from seatrial.optimization.flavors.original import Inspection
from seatrial.optimization.pickles import Loaded, load_pickle, require_loadable, scan_pickle


def inspect_object(path: Path, *, trusted: bool) -> Inspection:
    """InputError if it imports what is not on the list of allowed imports and nobody vouches."""
    if path.suffix == ".skops":
        types, refused = _types_of_skops(path)
        if refused and not trusted:
            raise InputError(
                "the model asks to load types of packages that are not trusted",
                got=", ".join(refused),
                allowed="estimators of scikit-learn, LightGBM and XGBoost, and their parts",
                do="Build the model from these, or trust its source: --trust, or "
                "optimization.trusted_sources",
            )
        findings = tuple(f"not on the allow list: {name}" for name in refused)
        if refused:
            return Inspection("skops", "user", findings)
        return Inspection("skops", "allow list" if types else None)
    scan = scan_pickle(path)
    require_loadable(scan, name=path.name, trusted=trusted)
    questionable = bool(scan.refused or scan.error)
    return Inspection(
        "pickle",
        "user" if questionable else "allow list",
        (*scan.findings, *(f"not on the allow list: {name}" for name in scan.refused)),
    )


def load_object(path: Path, *, trusted: bool) -> Loaded:
    """The object in an inspected file. Of a trusted pickle any import is followed."""
    if path.suffix != ".skops":
        return load_pickle(path, trusted=trusted)
    import skops.io

    types, _ = _types_of_skops(path)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model: Any = skops.io.load(path, trusted=list(types))
    except MemoryError:
        raise
    except Exception as error:  # skops raises whatever the broken part of the file makes it raise
        raise _not_loaded(error) from error
    return Loaded(model, tuple(dict.fromkeys(str(item.message)[:200] for item in caught)))


def _types_of_skops(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The types beyond those that skops itself trusts, and those of them not on our list."""
    import skops.io

    try:
        types = tuple(skops.io.get_untrusted_types(file=path))
    except Exception as error:  # see load_object
        raise _not_loaded(error) from error
    refused = tuple(name for name in types if not is_allowed(*name.rpartition(".")[::2]))
    return types, refused


def _not_loaded(error: Exception) -> InputError:
    return InputError(
        "cannot load the scikit-learn model",
        got=f"{type(error).__name__}: {error}",
        allowed="a file written by skops with the library versions installed here",
        do="Save the model again and register it again",
    )
