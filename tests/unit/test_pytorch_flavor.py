"""A PyTorch module is loaded for those who vouch for it, in a confined child, and nobody else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seatrial.errors import InputError
from seatrial.optimization.flavors import pytorch
from seatrial.optimization.mlflow_model import Column, MlflowModel
from seatrial.optimization.origin_child import write_converted
from seatrial.serving.model import Model

COLUMNS = tuple(Column(f"input_{index}", "float", True, "") for index in range(4))
EXAMPLE = ({column.name: 0.0 for column in COLUMNS},)


@pytest.mark.parametrize("trusted", [False, True])
def test_outside_a_confined_child_it_is_refused(trusted: bool, tmp_path: Path) -> None:
    model = MlflowModel(tmp_path, "pytorch", {"model_data": "data"}, COLUMNS, EXAMPLE)
    with pytest.raises(InputError, match=r"runs code when it is loaded.*torch\.onnx\.export"):
        pytorch.inspect(model, trusted=trusted)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch's own, while it exports
def test_a_module_predicts_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    monkeypatch.chdir(tmp_path)
    model = MlflowModel(tmp_path, "pytorch", {}, COLUMNS, EXAMPLE)
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Softmax(dim=1)).eval()
    found = pytorch.Module(net, model, "multiclass_classification")
    frame = pd.DataFrame(np.eye(4, dtype=np.float32), columns=[item.name for item in COLUMNS])
    wanted = found.predict(frame)
    (tmp_path / "out").mkdir()
    write_converted(found.convert(), tmp_path / "out")
    answer = Model.load(tmp_path / "out").predict({name: frame[name].to_numpy() for name in frame})
    scores = np.column_stack([answer[f"score_{index}"] for index in range(3)])
    assert np.allclose(scores, wanted.scores, atol=1e-6)
