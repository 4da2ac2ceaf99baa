import pytest

from bundle.errors import InputError
from bundle.metrics import METRIC_TITLES, METRIC_UNITS, METRICS, badness, named_metric
from bundle.metrics.weighted import WEIGHTED_METRICS


def test_every_metric_has_a_title_a_unit_and_a_weighted_form() -> None:
    assert set(METRICS) == set(METRIC_TITLES) == set(METRIC_UNITS) == set(WEIGHTED_METRICS)


def test_a_misspelt_name_gets_the_nearest_one() -> None:
    with pytest.raises(InputError, match="'pearsn', did you mean 'pearson'"):
        named_metric("pearsn")
    with pytest.raises(InputError, match="expected one of mse, rmse"):
        named_metric("zzz")


@pytest.mark.parametrize(("name", "better", "worse"), [("mse", 1, 2), ("r2", 0.9, 0.1), ("bias", 0.1, -0.5)])
def test_badness_sorts_the_better_value_first(name, better, worse) -> None:
    assert badness(name, better) < badness(name, worse)
