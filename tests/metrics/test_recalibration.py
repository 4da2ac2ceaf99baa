from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from bundle.metrics import Recalibration, fit_recalibration

MEAN_DB, SD_DB, N = -6.0, 5.0, 120
Answers = dict[str, np.ndarray]


@pytest.fixture
def label() -> np.ndarray:
    return MEAN_DB + SD_DB * np.random.default_rng(0).normal(size=N)


@pytest.fixture
def answers(label) -> Answers:
    generator = np.random.default_rng(1)
    oct_db = MEAN_DB + 0.5 * (label - MEAN_DB) + generator.normal(0, 1.5, N)
    fundus_db = MEAN_DB + 0.3 * (label - MEAN_DB) + generator.normal(0, 1.5, N)
    return {"oct+fundus": 0.5 * (oct_db + fundus_db) + 0.7, "oct": oct_db, "fundus": fundus_db}


def fit(answers, label, **options) -> Recalibration:
    return fit_recalibration(answers, label, MEAN_DB, SD_DB, **options)


def standardised(answers) -> Answers:
    return {name: (values - MEAN_DB) / SD_DB for name, values in answers.items()}


def design(answers, name: str) -> np.ndarray:
    """The features without the intercept, (n, 3) for the fused answer and (n, 1) for one modality."""
    s = standardised(answers)
    return np.stack([s["oct"], s["fundus"], s["oct"] * s["fundus"]], 1) if name == "oct+fundus" else s[name][:, None]


def coefficients(found: Recalibration, name: str) -> tuple[float, ...]:
    return {"oct+fundus": found.fused, "oct": found.oct, "fundus": found.fundus}[name]


@pytest.mark.parametrize("name", ["oct+fundus", "oct", "fundus"])
@pytest.mark.parametrize("penalty", [0.1, 10.0, 1e3])
def test_equals_scikit_learns_ridge_on_the_residual(answers, label, name, penalty) -> None:
    x, residual = design(answers, name), (label - answers[name]) / SD_DB
    oracle = Ridge(alpha=penalty).fit(x, residual)
    found = fit(answers, label, penalty=penalty)
    np.testing.assert_allclose(coefficients(found, name), [oracle.intercept_, *oracle.coef_], rtol=1e-8, atol=1e-10)
    expected = answers[name] + SD_DB * oracle.predict(x)
    np.testing.assert_allclose(found.apply(answers)[name], expected, rtol=1e-10)


@pytest.mark.parametrize("name", ["oct+fundus", "oct", "fundus"])
def test_without_penalty_it_is_ordinary_least_squares(answers, label, name) -> None:
    x = np.column_stack([np.ones(N), design(answers, name)])
    expected = np.linalg.lstsq(x, (label - answers[name]) / SD_DB, rcond=None)[0]
    np.testing.assert_allclose(coefficients(fit(answers, label, penalty=0.0), name), expected, rtol=1e-8)


@pytest.mark.parametrize("penalty", [1e9, 1e20, 1e100])
def test_huge_penalty_removes_the_mean_error_alone(answers, label, penalty) -> None:
    new = fit(answers, label, penalty=penalty).apply(answers)
    for name, values in answers.items():
        np.testing.assert_allclose(new[name], values + np.mean(label - values), rtol=1e-6)


def test_fewer_eyes_than_the_limit_change_no_bit(answers, label) -> None:
    few = {name: values[:74] for name, values in answers.items()}
    found = fit(few, label[:74])
    assert found == Recalibration(MEAN_DB, SD_DB)
    for name, values in found.apply(answers).items():
        np.testing.assert_array_equal(values, answers[name])
    assert fit({name: values[:75] for name, values in answers.items()}, label[:75]) != found


def test_each_answer_counts_its_own_complete_eyes(answers, label) -> None:
    """A fundus photograph is there for 74 eyes only, an OCT for all."""
    for name in ("oct+fundus", "fundus"):
        answers[name][74:] = np.nan
    found = fit(answers, label)
    assert (found.fused, found.fundus) == ((0.0,) * 4, (0.0,) * 2)
    assert found.oct != (0.0, 0.0)


def test_rows_with_nan_are_left_out(answers, label) -> None:
    holes = {name: values.copy() for name, values in answers.items()}
    for name in ("oct+fundus", "fundus"):
        holes[name][:10] = np.nan
    labels = label.copy()
    labels[10:20] = np.nan
    expected = fit({name: values[20:] for name, values in answers.items()}, label[20:])
    found = fit(holes, labels)
    np.testing.assert_allclose(found.fused, expected.fused, rtol=1e-12)
    np.testing.assert_allclose(found.fundus, expected.fundus, rtol=1e-12)
    assert np.isnan(found.apply(holes)["fundus"]).tolist() == [True] * 10 + [False] * (N - 10)


@pytest.mark.parametrize("name", ["oct", "fundus"])
def test_one_modality_alone_is_an_affine_map(answers, label, name) -> None:
    found = fit({name: answers[name]}, label)
    a, b = coefficients(found, name)
    s = standardised(answers)[name]
    np.testing.assert_allclose(
        found.apply({name: answers[name]})[name], MEAN_DB + SD_DB * (a + (1 + b) * s), rtol=1e-12
    )
    assert found.fused == (0.0,) * 4


def test_fused_answer_without_one_of_its_parts_stays(answers, label) -> None:
    found = fit(answers, label)
    parts = {**answers, "fundus": np.full(N, np.nan)}
    np.testing.assert_array_equal(found.apply(parts)["oct+fundus"], answers["oct+fundus"])


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("penalty", [0.0, 10.0, 1e4])
def test_the_fitting_eyes_never_get_a_larger_mse(seed, penalty) -> None:
    generator = np.random.default_rng(seed)
    label = generator.normal(MEAN_DB, SD_DB, N)
    answers = {name: generator.normal(MEAN_DB, SD_DB, N) for name in ("oct+fundus", "oct", "fundus")}
    new = fit(answers, label, penalty=penalty).apply(answers)
    for name, values in answers.items():
        assert np.mean((new[name] - label) ** 2) <= np.mean((values - label) ** 2) * (1 + 1e-12)


def test_shrunken_answers_get_weights_that_add_up_to_more_than_one() -> None:
    """y = u + v, and each modality's own best answer knows one half: 0.5 u and 0.5 v need the weight 2 each."""
    generator = np.random.default_rng(0)
    u, v = generator.normal(size=(2, 4000)) * SD_DB
    label = MEAN_DB + u + v
    answers = {"oct": MEAN_DB + 0.5 * u, "fundus": MEAN_DB + 0.5 * v}
    answers["oct+fundus"] = 0.5 * (answers["oct"] + answers["fundus"])
    found = fit(answers, label)
    weights = [0.5 + found.fused[1], 0.5 + found.fused[2]]
    np.testing.assert_allclose(weights, [2.0, 2.0], rtol=0.02)
    fused = found.apply(answers)["oct+fundus"]
    assert np.mean((fused - label) ** 2) < 1e-3 * np.mean((answers["oct+fundus"] - label) ** 2)


def test_an_interaction_of_the_modalities_is_found(answers, label) -> None:
    s = standardised(answers)
    answers["oct+fundus"] = label - SD_DB * (0.2 + 0.6 * s["oct"] * s["fundus"])
    np.testing.assert_allclose(fit(answers, label, penalty=0.0).fused, [0.2, 0.0, 0.0, 0.6], atol=1e-10)


def test_equal_answers_are_no_obstacle(label) -> None:
    constant = dict.fromkeys(("oct+fundus", "oct", "fundus"), np.full(N, MEAN_DB + 1.0))
    new = fit(constant, label, penalty=0.0).apply(constant)
    np.testing.assert_allclose(new["oct+fundus"], label.mean())


def test_without_penalty_and_product_it_is_the_least_squares_stack_of_both(answers, label) -> None:
    answers["oct+fundus"] = 0.5 * (answers["oct"] + answers["fundus"])
    s = standardised(answers)
    x = np.stack([np.ones(N), s["oct"], s["fundus"]], 1)
    stack = x @ np.linalg.lstsq(x, (label - MEAN_DB) / SD_DB, rcond=None)[0]
    found = fit(answers, label, penalty=0.0, product=False)
    assert found.fused[3] == 0.0
    np.testing.assert_allclose(found.apply(answers)["oct+fundus"], MEAN_DB + SD_DB * stack, rtol=1e-10)


def test_without_lines_the_answers_of_one_modality_stay(answers, label) -> None:
    new = fit(answers, label, lines=False).apply(answers)
    for name in ("oct", "fundus"):
        np.testing.assert_array_equal(new[name], answers[name])
    assert not np.array_equal(new["oct+fundus"], answers["oct+fundus"])
