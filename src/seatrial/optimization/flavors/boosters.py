"""What LightGBM and XGBoost models onnxmltools converts faithfully, and how it is asked to.

The lists are of what was compared with the library's own predictions (tests/unit/
test_booster_conversion.py). Beside them onnxmltools 1.16 converts without a word, and wrongly:
LightGBM's random forests, one-versus-all, linear trees and categories it has not seen; XGBoost's
dropout, parallel trees with several classes, and reg:logistic.
"""

from __future__ import annotations

import json
import re
from typing import Any

from seatrial.optimization.flavors.original import (
    STACKED_INPUT,
    cannot_convert,
    first_line,
)

LIGHTGBM_OBJECTIVES = frozenset(
    {"binary", "multiclass", "regression", "regression_l1", "huber", "quantile"}
    | {"poisson", "tweedie", "gamma"}
)
XGBOOST_OBJECTIVES = frozenset(
    {"binary:logistic", "multi:softprob", "multi:softmax", "reg:squarederror", "reg:tweedie"}
    | {"reg:absoluteerror", "reg:pseudohubererror", "reg:gamma", "count:poisson"}
)
LIGHTGBM = "LightGBM's boosted trees with constant leaves and numeric features"
XGBOOST = "XGBoost's boosted trees (gbtree) with numeric features"


def lightgbm_objective(booster: Any) -> str:
    """Its objective; InputError for a model that is not converted faithfully."""
    header = booster.model_to_string(num_iteration=1)
    whole = booster.model_to_string()
    found = re.search(r"^objective=(\S+)(.*)$", header, re.MULTILINE)
    objective, rest = (found[1], found[2]) if found else ("none", "")
    reason = None
    if objective not in LIGHTGBM_OBJECTIVES:
        reason = f"the objective {objective}"
    elif "sqrt" in rest or re.search(r"sigmoid:(?!1\b)", rest):
        reason = f"the objective {objective}{rest}"
    elif re.search(r"^average_output$", header, re.MULTILINE):
        reason = "a random forest (boosting=rf)"
    elif re.search(r"^is_linear=1$", whole, re.MULTILINE):
        reason = "linear trees"
    elif booster.pandas_categorical or re.search(r"^num_cat=[1-9]", whole, re.MULTILINE):
        reason = "categorical features"
    if reason is not None:
        raise cannot_convert(reason, LIGHTGBM)
    return objective


def xgboost_objective(booster: Any) -> str:
    """Its objective; InputError for a model that is not converted faithfully."""
    learner = json.loads(booster.save_config())["learner"]
    trees = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
    objective = str(learner["objective"]["name"])
    kind = learner["gradient_booster"]["name"]
    parallel = learner["gradient_booster"].get("gbtree_model_param", {}).get("num_parallel_tree")
    reason = None
    if kind != "gbtree":
        reason = f"booster={kind}"
    elif any(weight != 1 for weight in trees["model"].get("weight_drop", ())):
        reason = "trees with dropout (dart)"  # as XGBoost 3.4 has them, under the name gbtree
    elif objective not in XGBOOST_OBJECTIVES:
        reason = f"the objective {objective}"
    elif objective.startswith("multi:") and int(parallel or 1) != 1:
        reason = f"num_parallel_tree={parallel} with several classes"
    elif "c" in (booster.feature_types or ()):
        reason = "categorical features"
    elif int(learner["learner_model_param"].get("num_target", 1)) != 1:
        reason = "several targets"
    if reason is not None:
        raise cannot_convert(reason, XGBOOST)
    return objective


def convert_lightgbm(model: Any, width: int) -> Any:
    """The ONNX model of a Booster, or of a scikit-learn wrapper with its class names."""
    import onnxmltools

    return _converted(onnxmltools.convert_lightgbm, model, width, LIGHTGBM, zipmap=False)


def convert_xgboost(booster: Any, width: int) -> Any:
    """The ONNX model of a Booster, whose feature names are forgotten: onnxmltools wants f0, f1 …"""
    import onnxmltools

    booster.feature_names = None
    return _converted(onnxmltools.convert_xgboost, booster, width, XGBOOST)


def _converted(convert: Any, model: Any, width: int, allowed: str, **options: Any) -> Any:
    from onnxmltools.convert.common.data_types import FloatTensorType

    try:
        onnx = convert(
            model,
            initial_types=[(STACKED_INPUT, FloatTensorType([None, width]))],
            target_opset=15,
            **options,
        )
    except Exception as error:  # it raises RuntimeErrors, KeyErrors and ValueErrors
        raise cannot_convert(first_line(error), allowed) from error
    for output in onnx.graph.output:  # LightGBM's label says that it is of one row
        output.type.tensor_type.shape.dim[0].ClearField("value")
    return onnx


def register(estimator: Any) -> None:
    """Teach skl2onnx the library of `estimator`, if it is one of these."""
    kind = type(estimator)
    library = kind.__module__.partition(".")[0]
    if library == "lightgbm":
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import (
            convert_lightgbm as converter,
        )

        lightgbm_objective(estimator.booster_)
    elif library == "xgboost":
        from onnxmltools.convert.xgboost.operator_converters.XGBoost import (
            convert_xgboost as converter,
        )

        booster = estimator.get_booster()
        xgboost_objective(booster)
        booster.feature_names = None
    else:
        return
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator as shapes

    classifies = hasattr(estimator, "classes_")
    update_registered_converter(
        kind,
        f"{library}{kind.__name__}",
        shapes.calculate_linear_classifier_output_shapes
        if classifies
        else shapes.calculate_linear_regressor_output_shapes,
        converter,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]} if classifies else None,
    )
