"""Ridge, principal components and cross-validation against scikit-learn, and what must not leak."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from bundle.baselines import (
    MeanPredictor,
    PrincipalComponents,
    RidgeBaseline,
    Standardise,
    StandardiseWithSquares,
    cross_validated_predictions,
    photograph_pixels,
)
from bundle.baselines.ridge import PENALTIES

RNG = np.random.default_rng(7)
X = RNG.normal(size=(40, 6)) * [1, 10, 3, 1, 1, 1] + 5
Y = X @ [1.0, 0.2, 0, 0, -0.5, 0] + RNG.normal(size=40)
NEW = RNG.normal(size=(9, 6)) + 5


def test_ridge_and_its_penalty_equal_scikit_learns_leave_one_out():
    ours = RidgeBaseline({"x": Standardise}).fit({"x": X}, Y)
    scaler = StandardScaler().fit(X)
    # scikit-learn centres once, before leaving out; the free intercept's share 1/n of the leverage is ours alone
    reference = RidgeCV(alphas=[ours.penalty]).fit(scaler.transform(X), Y)
    np.testing.assert_allclose(ours.predict({"x": NEW}), reference.predict(scaler.transform(NEW)), rtol=1e-9)


def test_penalty_minimises_the_error_of_models_that_are_refitted_without_each_eye():
    class Identity(Standardise):
        def fit(self, x):
            return self

        def transform(self, x):
            return x

    def refitted(penalty: float) -> float:
        errors = []
        for i in range(len(Y)):
            kept = np.arange(len(Y)) != i
            one = RidgeBaseline({"x": Identity}, np.array([penalty])).fit({"x": X[kept]}, Y[kept])
            errors.append(float(one.predict({"x": X[[i]]})[0] - Y[i]) ** 2)
        return float(np.mean(errors))

    chosen = RidgeBaseline({"x": Identity}).fit({"x": X}, Y).penalty
    best = min(PENALTIES, key=refitted)
    assert chosen == best


def test_a_huge_penalty_gives_the_mean():
    ridge = RidgeBaseline({"x": Standardise}, np.array([1e12])).fit({"x": X}, Y)
    np.testing.assert_allclose(ridge.predict({"x": NEW}), Y.mean(), atol=1e-6)


def test_principal_components_equal_scikit_learns_up_to_sign_and_scale():
    encoder = PrincipalComponents(3).fit(X)
    reference = PCA(3).fit(X)
    scores = reference.transform(NEW) / reference.transform(X)[:, 0].std()
    np.testing.assert_allclose(np.abs(encoder.transform(NEW)), np.abs(scores), rtol=1e-8)


def test_squares_let_a_ridge_follow_a_bend():
    bend = {"x": X[:, :1]}
    y = (X[:, 0] - 5) ** 2
    straight = RidgeBaseline({"x": Standardise}).fit(bend, y).predict(bend)
    bent = RidgeBaseline({"x": StandardiseWithSquares}).fit(bend, y).predict(bend)
    assert np.corrcoef(straight, y)[0, 1] < 0.8
    np.testing.assert_allclose(bent, y, atol=0.02)


def test_more_components_than_eyes_are_cut_to_what_there_is():
    assert PrincipalComponents(40).fit(X[:4]).transform(NEW).shape == (9, 3)


def test_identical_photographs_have_no_components_and_predict_the_mean():
    same = np.ones((10, 12))
    ridge = RidgeBaseline({"x": lambda: PrincipalComponents(5)}).fit({"x": same}, Y[:10])
    np.testing.assert_allclose(ridge.predict({"x": same}), Y[:10].mean())


def test_constant_column_is_ignored():
    constant = np.hstack([X, np.full((40, 1), 3.0)])
    ours = RidgeBaseline({"x": Standardise}).fit({"x": constant}, Y).predict({"x": constant})
    np.testing.assert_allclose(ours, RidgeBaseline({"x": Standardise}).fit({"x": X}, Y).predict({"x": X}))


def test_concatenation_uses_both_features():
    halves = {"a": X[:, :3], "b": X[:, 3:]}
    both = RidgeBaseline({"a": Standardise, "b": Standardise}).fit(halves, Y).predict(halves)
    np.testing.assert_allclose(both, RidgeBaseline({"x": Standardise}).fit({"x": X}, Y).predict({"x": X}))


def test_mean_predictor_predicts_the_training_mean():
    assert MeanPredictor().fit({"x": X}, Y).predict({"x": NEW}).tolist() == [Y.mean()] * 9


FOLDS = [(list(range(20, 40)), list(range(20))), (list(range(20)), list(range(20, 40)))]


def test_each_eye_is_predicted_by_the_fold_that_did_not_see_it():
    predicted, fold = cross_validated_predictions(MeanPredictor, {"x": X}, Y, FOLDS)
    assert predicted[:20].tolist() == [Y[20:].mean()] * 20
    assert fold.tolist() == [0] * 20 + [1] * 20


def test_scaling_and_components_are_fitted_on_the_training_fold_alone():
    def first_fold(x: np.ndarray) -> np.ndarray:
        make = lambda: RidgeBaseline({"x": lambda: PrincipalComponents(3)})  # noqa: E731
        return cross_validated_predictions(make, {"x": x}, Y, FOLDS)[0][:1]

    changed = X.copy()
    changed[1:20] *= 100  # other test eyes of the same fold
    np.testing.assert_array_equal(first_fold(X), first_fold(changed))


def test_labels_of_the_test_fold_have_no_influence():
    def predictions(y: np.ndarray) -> np.ndarray:
        return cross_validated_predictions(lambda: RidgeBaseline({"x": Standardise}), {"x": X}, y, FOLDS)[0][:20]

    changed = Y.copy()
    changed[:20] += 1000
    np.testing.assert_array_equal(predictions(Y), predictions(changed))


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        ([(list(range(20)), list(range(20, 39)))], "exactly one test part"),
        ([(list(range(40)), list(range(40)))], "trains on eyes that it tests"),
    ],
)
def test_folds_that_leak_or_miss_eyes_are_refused(folds, message):
    with pytest.raises(ValueError, match=message):
        cross_validated_predictions(MeanPredictor, {"x": X}, Y, folds)


def test_left_eye_is_flipped_to_right_eye_orientation(tmp_path):
    pixels = RNG.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "right.png")
    Image.fromarray(pixels[:, ::-1]).save(tmp_path / "left.png")
    right, left = photograph_pixels(tmp_path / "right.png", "OD", 8), photograph_pixels(tmp_path / "left.png", "OS", 8)
    np.testing.assert_array_equal(right, left)
    np.testing.assert_allclose(right.reshape(8, 8, 3), pixels / 255)


def test_exif_orientation_is_honoured(tmp_path):
    pixels = RNG.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[274] = 3  # stored upside down
    Image.fromarray(pixels[::-1, ::-1]).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_allclose(photograph_pixels(tmp_path / "turned.png", "OD", 8).reshape(8, 8, 3), pixels / 255)


def test_photographs_of_any_size_give_the_same_number_of_pixels(tmp_path):
    Image.new("RGB", (453, 432), (255, 0, 0)).save(tmp_path / "one.png")
    pixels = photograph_pixels(tmp_path / "one.png", "OD", 16).reshape(16, 16, 3)
    assert pixels[..., 0].min() == 1.0
    assert pixels[..., 1:].max() == 0.0
