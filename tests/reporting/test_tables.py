import numpy as np

from bundle.reporting import Predictions, evaluate, metrics_markdown, metrics_text
from bundle.reporting.grid import to_markdown, to_text


def test_the_terminal_table_fits_100_columns_even_with_large_figures() -> None:
    n = 12_000
    label = np.tile([-1.0, -4.0, -8.0, -30.0], n // 4)
    pred = label + np.random.default_rng(0).normal(15, 15, n)
    eyes = Predictions(
        row=np.arange(n) + 2, eye=["OD"] * n, split=["test"] * n, patient=np.arange(n), label_db=label,
        pred_db={"oct+fundus": pred, "oct": pred, "fundus": pred},
    )  # fmt: skip
    lines = metrics_text(evaluate(eyes, train_mean_db=-10.0, n_resamples=20)).splitlines()
    assert max(map(len, lines)) <= 100
    assert any("12000" in line for line in lines)


def test_figures_of_the_table_are_those_of_the_evaluation(predictions) -> None:
    evaluation = evaluate(predictions, train_mean_db=-5.0, n_resamples=50)
    row = next(f for f in evaluation.figures if (f.answer, f.group) == ("oct", "all"))
    expected = f"| **OCT** | all | 59 | {row.intervals['mse'].format()} | {row.intervals['mae'].format()} |"
    assert expected in metrics_markdown(evaluation)
    assert "── OCT ──" in metrics_text(evaluation)
    assert "train mean" in metrics_markdown(evaluation)


def test_a_stage_without_eyes_shows_dashes(predictions) -> None:
    mild = predictions.select(predictions.stage == "near-normal")
    assert "| severe | 0 | – | – | – | – |" in metrics_markdown(evaluate(mild, n_resamples=20))


def test_markdown_escapes_its_own_delimiter() -> None:
    assert to_markdown(["a", "b"], [["x|y", "1"]]) == "| a | b |\n| :-- | --: |\n| x\\|y | 1 |\n"


def test_text_aligns_names_left_and_figures_right() -> None:
    assert to_text(["name", "n"], [("t", [["a", "10"], ["bcd", "5"]])]) == "name   n\n── t ───\na     10\nbcd    5\n"
