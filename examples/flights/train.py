"""Train the example's models, log them to MLflow, and write what a model package brings along."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.contracts import Payload
from seatrial.examples.flights.data import CATEGORIES, FEATURES, NUMBERS, TARGET

if TYPE_CHECKING:
    import pandas as pd

VALIDATION_SHARE = 0.2
NEIGHBOURS = 25
NEIGHBOUR_ROWS = 60_000
# skops asks for these by name: tree nodes whose indices it cannot check, and a column's type.
TRUSTED_TYPES = [
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "numpy.dtype",
]


@dataclass(frozen=True)
class Trained:
    """A fitted scikit-learn model and what is known of it."""

    name: str
    model: Any
    columns: tuple[str, ...]
    parameters: dict[str, Any]
    metrics: dict[str, float]


def split(flights: pd.DataFrame, *, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and validation rows, drawn evenly over the whole period."""
    import numpy as np

    chosen = np.random.default_rng(seed).random(len(flights)) < VALIDATION_SHARE
    return (
        flights[~chosen].reset_index(drop=True),
        flights[chosen].reset_index(drop=True),
    )


def boosted_trees() -> Any:
    """Gradient-boosted trees; they take missing weather as it is."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer(
        [("categories", encoder, list(CATEGORIES)), ("numbers", "passthrough", list(NUMBERS))]
    )
    model = HistGradientBoostingClassifier(max_iter=200, learning_rate=0.1, random_state=0)
    return Pipeline([("columns", columns), ("model", model)])


def logistic_regression() -> Any:
    """Logistic regression on one-hot categories and standardised numbers."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = Pipeline([("impute", SimpleImputer()), ("scale", StandardScaler())])
    columns = ColumnTransformer(
        [
            ("categories", OneHotEncoder(handle_unknown="ignore"), list(CATEGORIES)),
            ("numbers", numbers, list(NUMBERS)),
        ]
    )
    return Pipeline([("columns", columns), ("model", LogisticRegression(C=1.0, max_iter=300))])


def nearest_neighbours() -> Any:
    """k nearest neighbours: small on disk, its distance matrix (rows × training rows) is not."""
    from sklearn.impute import SimpleImputer
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    model = KNeighborsClassifier(n_neighbors=NEIGHBOURS, algorithm="brute")
    return Pipeline([("impute", SimpleImputer()), ("scale", StandardScaler()), ("model", model)])


def fit(
    name: str, training: pd.DataFrame, validation: pd.DataFrame, *, max_rows: int | None = None
) -> Trained:
    """Fit `boosted-trees`, `logistic-regression` or `nearest-neighbours`, and score it."""
    from sklearn.metrics import accuracy_score, brier_score_loss, roc_auc_score

    makers = {
        "boosted-trees": (boosted_trees, FEATURES),
        "logistic-regression": (logistic_regression, FEATURES),
        "nearest-neighbours": (nearest_neighbours, NUMBERS),
    }
    make, columns = makers[name]
    rows = training if max_rows is None else training.iloc[:max_rows]
    model = make().fit(rows[list(columns)], rows[TARGET])
    score = model.predict_proba(validation[list(columns)])[:, 1]
    truth = validation[TARGET]
    metrics = {
        "auc": float(roc_auc_score(truth, score)),
        "accuracy": float(accuracy_score(truth, score > 0.5)),
        "brier": float(brier_score_loss(truth, score)),
    }
    final = model.steps[-1][1]
    parameters = {
        "rows": len(rows),
        **{k: v for k, v in final.get_params().items() if v is not None},
    }
    return Trained(name, model, columns, parameters, metrics)


def log_run(trained: Trained, training: pd.DataFrame, *, experiment: str) -> str:
    """Log the model with signature, input example, metrics and parameters; return the run's id."""
    import mlflow
    import sklearn
    from mlflow.models import infer_signature

    inputs = training[list(trained.columns)]  # all rows: a column with gaps is optional
    rows = inputs.dropna().head(3)
    mlflow.set_experiment(experiment)
    with mlflow.start_run(run_name=trained.name) as run:
        mlflow.log_params(trained.parameters)
        mlflow.log_metrics(trained.metrics)
        mlflow.set_tag("seatrial.target", TARGET)
        mlflow.sklearn.log_model(
            trained.model,
            name="model",
            signature=infer_signature(inputs, trained.model.predict_proba(rows)),
            input_example=rows,
            pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
            pyfunc_predict_fn="predict_proba",
            skops_trusted_types=TRUSTED_TYPES,
        )
        run_id: str = run.info.run_id
    return run_id


def payload(name: str, rows: pd.DataFrame, columns: tuple[str, ...]) -> Payload:
    """A CSV request without a header, as a batch client sends it."""
    body = rows[list(columns)].to_csv(index=False, header=False)
    return Payload(name=name, content_type="text/csv", rows=len(rows), body=body)


def json_payload(name: str, rows: pd.DataFrame, columns: tuple[str, ...]) -> Payload:
    """A JSON request in MLflow's `dataframe_split` form; missing values are null."""
    body = rows[list(columns)].to_json(orient="split", index=False)
    return Payload(
        name=name,
        content_type="application/json",
        rows=len(rows),
        body=json.dumps({"dataframe_split": json.loads(body)}),
    )


def write_inputs(
    folder: Path,
    training: pd.DataFrame,
    validation: pd.DataFrame,
    payloads: list[Payload],
) -> Path:
    """Write reference.parquet, validation.parquet and payloads.jsonl into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    training.to_parquet(folder / "reference.parquet", index=False)
    validation.to_parquet(folder / "validation.parquet", index=False)
    lines = "".join(item.model_dump_json() + "\n" for item in payloads)
    (folder / "payloads.jsonl").write_text(lines, encoding="utf-8")
    return folder
