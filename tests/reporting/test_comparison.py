import numpy as np
import pytest

from bundle.errors import InputError
from bundle.metrics import bootstrap_comparison
from bundle.reporting import Predictions, Run, Score, compare, comparison_markdown, comparison_text, scores_of

COHORT = "phantom"


def eyes(pred: np.ndarray, label: np.ndarray, subset: str = "oct+fundus") -> Predictions:
    n = label.size
    return Predictions(
        row=np.arange(n) + 2, eye=["OD"] * n, split=["test"] * n, patient=np.arange(n) // 2, label_db=label,
        pred_db={subset: pred},
    )  # fmt: skip


@pytest.fixture
def label() -> np.ndarray:
    return -np.random.default_rng(0).gamma(1.0, 6.0, 200)


@pytest.fixture
def runs(label) -> dict[Run, Predictions]:
    """Errors of the second method are exactly 0.8 times the reference's, so its MSE is 0.64 times."""
    found = {}
    for seed in range(3):
        error = np.random.default_rng(seed).normal(0, 3, 200)
        found[Run("OCT only", COHORT, seed)] = eyes(label + error, label, "oct")
        found[Run("Re-M3Dr", COHORT, seed)] = eyes(label + 0.8 * error, label)
        found[Run("plain fusion", COHORT, seed)] = eyes(label + 1.1 * np.roll(error, 1), label)
    return found


def table(runs, **options):
    scores = scores_of(runs, ["mse", "r2"])
    return compare(scores, runs, reference="OCT only", cohort=COHORT, n_resamples=200, **options)


def test_methods_are_sorted_best_first(runs) -> None:
    order = ["Re-M3Dr", "OCT only", "plain fusion"]
    assert [row.method for row in table(runs)] == order
    assert [row.method for row in table(runs, metric="r2", how="difference")] == order


def test_a_known_ratio_is_found_in_both_ways(runs) -> None:
    best = table(runs)[0]
    assert (best.versus.value, best.versus.low, best.versus.high) == pytest.approx((0.64,) * 3)
    assert (best.versus_seeds.mean, best.versus_seeds.n_seeds) == (pytest.approx(0.64), 3)
    assert best.versus_seeds.standard_error == pytest.approx(0.0, abs=1e-9)


def test_the_interval_is_the_paired_patient_bootstrap_of_stacked_seeds(runs, label) -> None:
    found = next(row for row in table(runs, how="difference") if row.method == "plain fusion").versus
    ours, theirs = (
        np.stack([runs[Run(m, COHORT, seed)].answer_db for seed in range(3)]) for m in ("plain fusion", "OCT only")
    )
    assert found == bootstrap_comparison("mse", ours, theirs, label, np.arange(200) // 2, n_resamples=200)
    assert found.low < found.value < found.high


def test_the_reference_is_not_compared_with_itself(runs) -> None:
    reference = next(row for row in table(runs) if row.method == "OCT only")
    assert (reference.versus, reference.versus_seeds) == (None, None)


def test_only_shared_seeds_are_paired(runs) -> None:
    for seed in (1, 2):
        del runs[Run("Re-M3Dr", COHORT, seed)]
    best = table(runs)[0]
    assert best.summaries["mse"].n_seeds == best.versus_seeds.n_seeds == 1
    assert best.versus.value == pytest.approx(0.64)


def test_scores_without_predictions_are_summarised_but_have_no_interval() -> None:
    scores = [
        Score(method, COHORT, seed, "mse", value) for method, value in (("a", 2.0), ("b", 1.0)) for seed in (0, 1)
    ]
    best = compare(scores, {}, reference="a", cohort=COHORT)[0]
    assert (best.method, best.versus, best.versus_seeds.mean) == ("b", None, 0.5)


def test_row_order_does_not_matter(runs) -> None:
    run = Run("Re-M3Dr", COHORT, 1)
    before = table(runs)
    runs[run] = runs[run].select(np.random.default_rng(0).permutation(200))
    assert table(runs)[0].versus == before[0].versus


def test_other_eyes_cannot_be_paired(runs, label) -> None:
    runs[Run("Re-M3Dr", COHORT, 1)] = eyes(label[:-1], label[:-1])
    with pytest.raises(ValueError, match=r"Re-M3Dr \(seed 1\) and OCT only \(seed 0\) answer for different eyes"):
        table(runs)


def test_unknown_names_are_refused(runs) -> None:
    scores = scores_of(runs, ["mse"])
    with pytest.raises(ValueError, match="reference 'OCT', found OCT only, Re-M3Dr, plain fusion"):
        compare(scores, runs, reference="OCT", cohort=COHORT)
    with pytest.raises(InputError, match="metric name: found 'msee'"):
        compare(scores, runs, reference="OCT only", cohort=COHORT, metric="msee")


def test_markdown_holds_every_method_with_both_uncertainties(runs) -> None:
    lines = comparison_markdown(table(runs, also=["r2"])).splitlines()
    assert lines[0] == "| Method | Seeds | MSE (dB²) | R² | MSE ÷ OCT only [95 % CI] | over seeds |"
    assert lines[2].startswith("| Re-M3Dr | 3 | ")
    assert lines[2].endswith("| 0.64 [0.64, 0.64] | 0.64 ± 0.00 |")
    assert "| reference | – |" in lines[3]


def test_the_terminal_table_names_the_cohort(runs) -> None:
    assert f"── {COHORT} ──" in comparison_text(table(runs))


def halved(runs, names):
    """Predictions with half the error, so a quarter of the MSE."""
    return {
        run: eyes(one.label_db + 0.5 * (one.answer_db - one.label_db), one.label_db)
        for run, one in runs.items() if run.method in names
    }  # fmt: skip


def test_recalibrated_answers_are_compared_with_the_reference_as_trained(runs) -> None:
    rows = {row.method: row for row in table(runs, recalibrated=halved(runs, ("Re-M3Dr", "OCT only")))}
    assert rows["plain fusion"].recalibrated is None
    assert rows["Re-M3Dr"].recalibrated.versus.value == pytest.approx(0.25 * 0.64)
    assert rows["OCT only"].recalibrated.versus.value == pytest.approx(0.25)
    assert rows["OCT only"].versus is None
    mse = rows["Re-M3Dr"].summaries["mse"].mean
    assert rows["Re-M3Dr"].recalibrated.summaries["mse"].mean == pytest.approx(0.25 * mse)


def test_recalibrated_interval_is_the_paired_patient_bootstrap(runs, label) -> None:
    new = halved(runs, ("plain fusion",))
    rows = {row.method: row for row in table(runs, how="difference", recalibrated=new)}
    ours = np.stack([new[Run("plain fusion", COHORT, seed)].answer_db for seed in range(3)])
    theirs = np.stack([runs[Run("OCT only", COHORT, seed)].answer_db for seed in range(3)])
    expected = bootstrap_comparison("mse", ours, theirs, label, np.arange(200) // 2, n_resamples=200)
    assert rows["plain fusion"].recalibrated.versus == expected


def test_recalibrated_answers_for_other_eyes_are_refused(runs, label) -> None:
    with pytest.raises(ValueError, match="answer for different eyes"):
        table(runs, recalibrated={Run("Re-M3Dr", COHORT, 0): eyes(label[:-1], label[:-1])})


def test_table_has_columns_with_recalibration_only_where_there_is_one(runs) -> None:
    assert "ecalibrated" not in comparison_markdown(table(runs))
    lines = comparison_markdown(table(runs, recalibrated=halved(runs, ("Re-M3Dr",)))).splitlines()
    assert lines[0].endswith("| over seeds | MSE, recalibrated | recalibrated ÷ OCT only [95 % CI] |")
    assert lines[2].endswith("| 0.16 [0.16, 0.16] |")
    assert lines[3].endswith("| – | – |")
    assert "ridge regression" in lines[-1]
