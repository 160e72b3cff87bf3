"""Boosted trees on the flights example, in three libraries, as MLflow directories and natively."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import infer_signature

from seatrial.examples.flights.data import (
    CATEGORIES,
    FEATURES,
    TARGET,
    load_flights,
    training_flights,
)
from seatrial.examples.flights.train import TRUSTED_TYPES, boosted_trees, split

ROUNDS, LEAVES = 200, 31  # of HistGradientBoosting in the example


@dataclass(frozen=True)
class Trees:
    """A fitted model in `folder`: natively, and for MLflow in `folder`/mlflow."""

    library: str
    folder: Path
    validation: pd.DataFrame

    @property
    def columns(self) -> dict[str, Any]:
        """The validation rows' input columns."""
        return {name: self.validation[name].to_numpy() for name in FEATURES}


def flights(*, short: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and validation rows of the example."""
    training, validation = split(training_flights(load_flights()), seed=0)
    return (training.iloc[:20_000], validation.iloc[:2000]) if short else (training, validation)


def scikit_learn(folder: Path, training: pd.DataFrame, validation: pd.DataFrame) -> Trees:
    """The example's pipeline: it takes the categories as text."""
    import mlflow.sklearn

    fitted = boosted_trees().fit(training[list(FEATURES)], training[TARGET])
    folder.mkdir(parents=True)
    (folder / "model.pkl").write_bytes(pickle.dumps(fitted))
    mlflow.sklearn.save_model(
        fitted,
        str(folder / "mlflow"),
        skops_trusted_types=TRUSTED_TYPES,
        pyfunc_predict_fn="predict_proba",
        **_described(fitted, training),
    )
    return Trees("sklearn", folder, validation)


def xgboost(folder: Path, training: pd.DataFrame, validation: pd.DataFrame) -> Trees:
    """The same rows with the categories as numbers."""
    import mlflow.xgboost
    from xgboost import XGBClassifier

    training, validation = numbered(training, validation)
    fitted = XGBClassifier(
        n_estimators=ROUNDS, max_leaves=LEAVES, max_depth=0, grow_policy="lossguide", random_state=0
    ).fit(training[list(FEATURES)], training[TARGET])
    folder.mkdir(parents=True)
    fitted.get_booster().save_model(str(folder / "model.ubj"))
    mlflow.xgboost.save_model(fitted, str(folder / "mlflow"), **_described(fitted, training))
    return Trees("xgboost", folder, validation)


def lightgbm(folder: Path, training: pd.DataFrame, validation: pd.DataFrame) -> Trees:
    """As XGBoost."""
    import mlflow.lightgbm
    from lightgbm import LGBMClassifier

    training, validation = numbered(training, validation)
    fitted = LGBMClassifier(n_estimators=ROUNDS, num_leaves=LEAVES, random_state=0, verbosity=-1)
    fitted.fit(training[list(FEATURES)], training[TARGET])
    folder.mkdir(parents=True)
    fitted.booster_.save_model(str(folder / "model.txt"))
    mlflow.lightgbm.save_model(fitted, str(folder / "mlflow"), **_described(fitted, training))
    return Trees("lightgbm", folder, validation)


def numbered(*frames: pd.DataFrame) -> list[pd.DataFrame]:
    """The frames with each category's number in the order of the first one's."""
    known = {name: sorted(frames[0][name].unique()) for name in CATEGORIES}
    return [
        frame.assign(
            **{
                name: pd.Categorical(frame[name], values).codes.astype("float64")
                for name, values in known.items()
            }
        )
        for frame in frames
    ]


def _described(fitted: Any, training: pd.DataFrame) -> dict[str, Any]:
    inputs = training[list(FEATURES)]
    rows = inputs.dropna().head(3)
    return {
        "signature": infer_signature(inputs, fitted.predict_proba(rows)),
        "input_example": rows,
        "pip_requirements": ["scikit-learn"],
    }
