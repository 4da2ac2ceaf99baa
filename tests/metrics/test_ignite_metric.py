import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from ignite.exceptions import NotComputableError
from monai.data import decollate_batch
from monai.handlers import from_engine
from sklearn.metrics import r2_score

from bundle.errors import InputError
from bundle.metrics import METRICS
from bundle.metrics.ignite_metric import RegressionMetric

RANKS = """
import sys
import ignite.distributed as idist
import torch
from bundle.metrics.ignite_metric import RegressionMetric

def work(rank):
    metric = RegressionMetric("r2")
    if rank == 0:
        metric.update((torch.tensor([-1.0, -5.0, -9.0]), torch.tensor([-2.0, -5.0, -11.0])))
    metric.update((torch.tensor([-20.0 - rank]), torch.tensor([-18.0])))
    print("rank", rank, metric.compute(), flush=True)

if __name__ == "__main__":
    with idist.Parallel(backend="gloo", nproc_per_node=2, init_method="file://" + sys.argv[1]) as parallel:
        parallel.run(work)
"""


def run_engine(batches, name: str = "mse", **options) -> float:
    engine = Engine(lambda _, batch: batch)
    RegressionMetric(name, **options).attach(engine, "metric")
    return engine.run(batches).metrics["metric"]


@pytest.fixture
def eyes() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    label = -10 * torch.rand(10, 1, generator=generator)
    return label + torch.randn(10, 1, generator=generator), label


@pytest.mark.parametrize("name", list(METRICS))
def test_an_epoch_of_uneven_batches_equals_the_metric_of_all_eyes(name, eyes) -> None:
    pred, label = eyes
    batches = [(pred[i : i + 4], label[i : i + 4]) for i in range(0, 10, 4)]
    expected = METRICS[name](pred.flatten().numpy(), label.flatten().numpy())
    assert run_engine(batches, name) == pytest.approx(expected, rel=1e-12)


def test_decollated_monai_output(eyes) -> None:
    pred, label = eyes
    batches = [
        decollate_batch({"pred": pred[:7], "label": label[:7]}),
        decollate_batch({"pred": pred[7:], "label": label[7:]}),
    ]
    found = run_engine(batches, "r2", output_transform=from_engine(["pred", "label"]))
    assert found == pytest.approx(r2_score(label.numpy(), pred.numpy()), rel=1e-6)


def test_lists_and_tensors_give_the_same(eyes) -> None:
    as_list, as_tensor = RegressionMetric(), RegressionMetric()
    as_tensor.update(eyes)
    as_list.update((list(eyes[0]), list(eyes[1])))
    assert as_list.compute() == as_tensor.compute()


def test_an_epoch_forgets_the_one_before() -> None:
    engine = Engine(lambda _, batch: batch)
    RegressionMetric("mae").attach(engine, "mae")
    engine.run([(torch.tensor([5.0]), torch.tensor([0.0]))])
    assert engine.run([(torch.tensor([1.0]), torch.tensor([0.0]))]).metrics["mae"] == 1.0


def test_eyes_without_a_label_are_left_out() -> None:
    assert run_engine([(torch.tensor([1.0, 9.0]), torch.tensor([0.0, torch.nan]))]) == 1.0


def test_a_nan_prediction_is_a_failure_unless_it_means_a_missing_modality() -> None:
    batches = [(torch.tensor([1.0, torch.nan]), torch.tensor([0.0, 0.0]))]
    with pytest.raises(ValueError, match="pred_db: 1 of 2"):
        run_engine(batches)
    assert run_engine(batches, skip_missing_pred=True) == 1.0


def test_no_label_at_all_cannot_be_computed() -> None:
    with pytest.raises(NotComputableError, match="none of 1 eyes"):
        run_engine([(torch.tensor([1.0]), torch.tensor([torch.nan]))])


def test_more_than_one_number_an_eye_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        RegressionMetric().update((torch.zeros(2, 3), torch.zeros(2, 3)))
    with pytest.raises(ValueError, match="2 predictions for 3 labels"):
        RegressionMetric().update((torch.zeros(2), torch.zeros(3)))


def test_an_unknown_name_is_refused_at_construction() -> None:
    with pytest.raises(InputError, match="did you mean 'rmse'"):
        RegressionMetric("rmsee")


def test_two_ranks_with_different_numbers_of_eyes_agree(tmp_path: Path) -> None:
    script = tmp_path / "ranks.py"
    script.write_text(RANKS)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "store")],
        capture_output=True, text=True, timeout=120, cwd=root, env={"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [float(line.split()[2]) for line in done.stdout.splitlines() if line.startswith("rank ")]
    pred, label = np.array([-1, -5, -9, -20, -21.0]), np.array([-2, -5, -11, -18, -18.0])
    assert found == pytest.approx([METRICS["r2"](pred, label)] * 2)


def test_importing_the_metrics_imports_neither_ignite_nor_torch() -> None:
    code = "import sys, bundle.metrics; sys.exit(bool({'ignite', 'torch', 'mlflow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
