"""Train the classifier, and write what a model package brings along."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.contracts import Payload
from seatrial.examples.sentiment.data import TARGET, TEXT, Snippets

if TYPE_CHECKING:
    import pandas as pd

# What ONNX Runtime's Tokenizer splits exactly as scikit-learn does.
TOKEN = "[a-zA-Z0-9_]+"  # noqa: S105
BATCH_ROWS = 100


def classifier() -> Any:
    """Words weighed by how rare they are, and a logistic regression on them."""
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline

    words = TfidfVectorizer(token_pattern=TOKEN, min_df=2)
    columns = ColumnTransformer([("words", words, TEXT)])
    return Pipeline([("columns", columns), ("model", LogisticRegression(C=3.0, max_iter=300))])


def fit(rows: pd.DataFrame) -> Any:
    """The fitted classifier."""
    return classifier().fit(rows[[TEXT]], rows[TARGET])


def auc(model: Any, rows: pd.DataFrame) -> float:
    """How well it tells pleased from displeased."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(rows[TARGET], model.predict_proba(rows[[TEXT]])[:, 1]))


def save(model: Any, rows: pd.DataFrame, folder: Path) -> Path:
    """Write the MLflow model directory, with signature and input example.

    It takes the place of one that an earlier run has written there.
    """
    import mlflow
    import sklearn
    from mlflow.models import infer_signature

    example = rows[[TEXT]].head(3)
    if (folder / "MLmodel").exists():
        shutil.rmtree(folder)  # MLflow writes into no folder that has files
    mlflow.sklearn.save_model(
        model,
        folder,
        signature=infer_signature(example, model.predict_proba(example)),
        input_example=example,
        pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
        pyfunc_predict_fn="predict_proba",
        skops_trusted_types=["numpy.dtype"],
    )
    return folder


def write_inputs(snippets: Snippets, folder: Path) -> Path:
    """Write reference.parquet, validation.parquet and payloads.jsonl into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    snippets.training.to_parquet(folder / "reference.parquet", index=False)
    snippets.validation.to_parquet(folder / "validation.parquet", index=False)
    rows = snippets.validation
    payloads = [csv_payload("one", rows.head(1)), csv_payload("batch", rows.head(BATCH_ROWS))]
    lines = "".join(item.model_dump_json() + "\n" for item in payloads)
    (folder / "payloads.jsonl").write_text(lines, encoding="utf-8")
    return folder


def csv_payload(name: str, rows: pd.DataFrame) -> Payload:
    """A CSV request without a header; the sentences are quoted where they have to be."""
    body = rows[[TEXT]].to_csv(index=False, header=False)
    return Payload(name=name, content_type="text/csv", rows=len(rows), body=body)
