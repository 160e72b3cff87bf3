"""One library, one model, in this fresh process: how it starts, predicts, and what it takes.

    python optimize_child.py LIBRARY MODEL COLUMNS.npz CALLS ANSWER.npz

Every library gets the same columns and gives the same score column. Reading the columns is outside
of the clock; making of them what the library wants (a data frame, a tensor) is inside of a call, as
in a server. A thread each. Peak memory is the kernel's high-water mark of this process (VmHWM).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Predict = Callable[[Mapping[str, Any]], Any]
Imported = Callable[[], None]  # to be called between importing and loading


def ours(model: Path, imported: Imported) -> Predict:
    """The server's own code on what optimize wrote."""
    from seatrial.serving.model import Model

    imported()
    served = Model.load(model, threads=1)
    score = served.signature.outputs[-1].name
    return lambda columns: served.answer(
        {name: values.tolist() for name, values in columns.items()}
    )[score]


def onnxruntime(model: Path, imported: Imported) -> Predict:
    """ONNX Runtime as its documentation shows it, on the graph as it was exported."""
    import numpy as np
    import onnxruntime as ort

    imported()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        str(model / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    inputs = session.get_inputs()
    kinds = {
        "tensor(float)": np.float32,
        "tensor(string)": object,
        "tensor(int64)": np.int64,
    }
    output = session.get_outputs()[-1].name

    def predict(columns: Mapping[str, Any]) -> Any:
        if len(inputs) > 1:
            feed = {
                item.name: columns[item.name].astype(kinds[item.type]).reshape(-1, 1)
                for item in inputs
            }
        else:
            stacked = np.array(list(columns.values())).T.astype(kinds[inputs[0].type])
            shape = [size for size in inputs[0].shape[1:] if isinstance(size, int)]
            feed = {inputs[0].name: stacked.reshape(len(stacked), *shape)}
        return session.run([output], feed)[0][:, 1]

    return predict


def sklearn(model: Path, imported: Imported) -> Predict:
    """A pickled pipeline on a data frame; unpickling imports what it needs of scikit-learn."""
    import pickle

    import pandas as pd

    imported()
    fitted = pickle.loads((model / "model.pkl").read_bytes())  # noqa: S301 - made by this benchmark
    return lambda columns: fitted.predict_proba(pd.DataFrame(columns))[:, 1]


def mlflow(model: Path, imported: Imported) -> Predict:
    """The same as MLflow's own scoring server loads it."""
    import mlflow.pyfunc
    import pandas as pd

    imported()
    loaded = mlflow.pyfunc.load_model(str(model / "mlflow"))
    return lambda columns: loaded.predict(pd.DataFrame(columns))[:, 1]


def xgboost(model: Path, imported: Imported) -> Predict:
    """A booster on a matrix of numbers."""
    import numpy as np
    import xgboost as xgb

    imported()
    booster = xgb.Booster()
    booster.load_model(str(model / "model.ubj"))
    booster.set_param({"nthread": 1})
    return lambda columns: booster.inplace_predict(np.array(list(columns.values())).T)


def lightgbm(model: Path, imported: Imported) -> Predict:
    """As XGBoost."""
    import lightgbm as lgb
    import numpy as np

    imported()
    booster = lgb.Booster(model_file=str(model / "model.txt"))
    return lambda columns: booster.predict(np.array(list(columns.values())).T, num_threads=1)


LIBRARIES: dict[str, Callable[[Path, Imported], Predict]] = {
    item.__name__: item for item in (ours, onnxruntime, sklearn, mlflow, xgboost, lightgbm)
}


def main(arguments: list[str]) -> None:
    """Measure, and say so in JSON on stdout; the scores go to the answer's file."""
    library, model, columns_path, calls, answer = arguments
    laps: list[float] = []
    predict = LIBRARIES[library](Path(model), lambda: laps.append(time.process_time()))
    loaded_s = time.process_time()

    import numpy as np

    with np.load(columns_path, allow_pickle=False) as stored:
        columns = {str(name): stored[name] for name in stored["names"]}
    columns = {
        name: values.astype(object) if values.dtype.kind == "U" else values
        for name, values in columns.items()
    }
    row = {name: values[:1] for name, values in columns.items()}
    before_s = time.process_time()
    predict(row)
    first_s = time.process_time() - before_s
    found = {
        "cold_cpu_ms": 1000 * (loaded_s + first_s),
        "load_cpu_ms": 1000 * (loaded_s - laps[0]),
        "one_row": timed(predict, row, int(calls)),
        "many_rows": timed(predict, columns, max(3, int(calls) // 50)),
        "peak_mb": peak_mb(),
    }
    np.savez(answer, score=np.asarray(predict(columns), dtype=np.float64))
    sys.stdout.write(json.dumps(found))


def timed(predict: Predict, columns: Mapping[str, Any], calls: int) -> dict[str, float]:
    """Wall p50 and p99 and CPU time of a call, after two that warm up."""
    from statistics import median  # 6 ms of CPU that are no library's

    for _ in range(2):
        predict(columns)
    walls, cpu_s = [], time.process_time()
    for _ in range(calls):
        started = time.perf_counter()
        predict(columns)
        walls.append(1000 * (time.perf_counter() - started))
    cpu_ms = 1000 * (time.process_time() - cpu_s) / calls
    ordered = sorted(walls)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return {"p50_ms": median(walls), "p99_ms": p99, "cpu_ms": cpu_ms}


def peak_mb() -> float:
    """VmHWM."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmHWM in /proc/self/status")


if __name__ == "__main__":
    main(sys.argv[1:])
