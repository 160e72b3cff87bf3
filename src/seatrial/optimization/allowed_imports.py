"""What a pickle or a skops file may import without anyone vouching for it.

A pickle is a program that imports and calls. On this list is what fitted estimators are made of:
classes that keep what they are given, and functions that make empty ones. What is not here is
refused, however harmless it looks: `getattr`, for example, reaches everything from anything, and
so does numpy's `_ufunc_reconstruct`. Class constructors that open files (numpy.memmap,
NpzFile, pandas.HDFStore) are not here either.
"""

from __future__ import annotations

import importlib
import pickle
import re
from typing import Any

_SCALARS = (
    *("bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("intc", "uintc", "longlong", "ulonglong", "float16", "float32", "float64", "longdouble"),
    *("complex64", "complex128", "str_", "bytes_", "datetime64", "timedelta64"),
)
_DTYPES = (
    *("Bool", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"),
    *("Float16", "Float32", "Float64", "Str", "Bytes", "Object", "DateTime64", "TimeDelta64"),
)
_SPARSE = ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")

NAMES: dict[str, frozenset[str]] = {
    module: frozenset(names)
    for module, names in {
        "builtins": (
            *("object", "bool", "int", "float", "complex", "str", "bytes", "bytearray"),
            *("tuple", "list", "dict", "set", "frozenset", "slice", "range"),
        ),
        "collections": ("OrderedDict", "defaultdict", "deque"),
        "copyreg": ("_reconstructor", "__newobj__", "__newobj_ex__"),
        "numpy": ("ndarray", "dtype", *_SCALARS),
        "numpy.dtypes": tuple(f"{name}DType" for name in _DTYPES),
        "numpy._core.multiarray": ("_reconstruct", "scalar"),
        "numpy.core.multiarray": ("_reconstruct", "scalar"),
        "numpy._core.numeric": ("_frombuffer",),
        "numpy.core.numeric": ("_frombuffer",),
        "numpy.ma": ("MaskedArray",),
        "numpy.ma.core": ("MaskedArray", "_mareconstruct"),
        "numpy.random._pickle": ("__randomstate_ctor", "__generator_ctor", "__bit_generator_ctor"),
        "numpy.random.bit_generator": ("SeedSequence", "__pyx_unpickle_SeedSequence"),
        "numpy.random._mt19937": ("MT19937",),
        "numpy.random._pcg64": ("PCG64",),
        "scipy.interpolate._interpolate": ("interp1d",),
        "scipy.interpolate._bsplines": ("BSpline",),
        "pandas.core.frame": ("DataFrame",),
        "pandas.core.series": ("Series",),
        "pandas.core.internals.managers": ("BlockManager", "SingleBlockManager"),
        "pandas._libs.internals": ("_unpickle_block",),
        "pandas.core.indexes.base": ("Index", "_new_Index"),
        "pandas.core.indexes.range": ("RangeIndex",),
        "pandas.core.dtypes.dtypes": ("CategoricalDtype",),
        "sklearn.compose._column_transformer": ("make_column_selector", "_RemainderColsList"),
        "sklearn.feature_selection._univariate_selection": ("f_classif", "f_regression", "chi2"),
        "sklearn.feature_selection._mutual_info": ("mutual_info_classif", "mutual_info_regression"),
        "sklearn.neighbors._kd_tree": ("newObj",),
        "sklearn.neighbors._ball_tree": ("newObj",),
        "sklearn.metrics._dist_metrics": ("newObj",),
        "lightgbm.basic": ("Booster",),
        "xgboost.core": ("Booster",),
        **{f"scipy.sparse._{kind}": (f"{kind}_matrix", f"{kind}_array") for kind in _SPARSE},
    }.items()
}

ESTIMATOR_MODULE = re.compile(r"(sklearn(\.\w+)+|lightgbm\.sklearn|xgboost\.sklearn)")
CLASS_NAME = re.compile(r"_?[A-Z]\w*")
# Test helpers that run code, downloads, and packages that belong to others.
STRANGE_PARTS = frozenset({"tests", "_testing", "conftest", "datasets", "externals", "__main__"})
# Classes that are parts of estimators and no estimators themselves.
PART_MODULES = frozenset(
    {
        "sklearn._loss._loss",
        "sklearn._loss.link",
        "sklearn._loss.loss",
        "sklearn.calibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor",
        "sklearn.gaussian_process.kernels",
        "sklearn.linear_model._sgd_fast",
        "sklearn.metrics._dist_metrics",
        "sklearn.metrics._scorer",
        "sklearn.model_selection._split",
        "sklearn.neighbors._ball_tree",
        "sklearn.neighbors._kd_tree",
        "sklearn.neural_network._stochastic_optimizers",
        "sklearn.tree._tree",
        "sklearn.utils._bunch",
        "sklearn.utils._metadata_requests",
    }
)
# As pickles of protocol 2 and below call them.
OLD_MODULES = {"copy_reg": "copyreg", "__builtin__": "builtins"}


def is_allowed(module: str, name: str) -> bool:
    """Whether the name is on the list, told from the names alone; nothing is imported."""
    module = OLD_MODULES.get(module, module)
    if "." in name:  # protocol 4 would follow the dots to attributes of attributes
        return False
    if name in NAMES.get(module, ()):
        return True
    if not ESTIMATOR_MODULE.fullmatch(module) or STRANGE_PARTS & set(module.split(".")):
        return False
    if name.startswith("__pyx_unpickle_"):  # Cython's way to make an empty object of a class
        return module in PART_MODULES
    return CLASS_NAME.fullmatch(name) is not None


def resolve(module: str, name: str) -> Any:
    """The object of that name; UnpicklingError for one that is not on the list.

    Of the classes that only look like estimators by their name, those pass that are.
    """
    module = OLD_MODULES.get(module, module)
    if not is_allowed(module, name):
        raise pickle.UnpicklingError(f"{module}.{name} is not on the list of allowed imports")
    found = getattr(importlib.import_module(module), name)
    if name in NAMES.get(module, ()) or module in PART_MODULES or _is_estimator(found):
        return found
    raise pickle.UnpicklingError(f"{module}.{name} is not an estimator")


def _is_estimator(found: Any) -> bool:
    from sklearn.base import BaseEstimator

    return isinstance(found, type) and issubclass(found, BaseEstimator)
