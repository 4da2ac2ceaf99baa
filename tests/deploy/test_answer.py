"""What is written of an eye."""

import math

import pytest

from bundle.deploy.answer import answer
from bundle.errors import InputError

NAN = math.nan


def test_both_images_give_three_figures() -> None:
    assert answer([-7.12345, -9.01234, -2.56789], "OD", "1", {}) == {
        "md_db": -7.123, "interval_db": None, "interval_level": None, "stage": "moderate", "eye": "OD",
        "modalities": ["oct", "fundus"],
        "md_oct_db": -9.012, "md_fundus_db": -2.568, "model_version": "1",
    }  # fmt: skip


@pytest.mark.parametrize(("subsets_db", "used"), [([-1.0, -1.0, NAN], ["oct"]), ([-1.0, NAN, -1.0], ["fundus"])])
def test_one_image_gives_one_figure(subsets_db: list[float], used: list[str]) -> None:
    found = answer(subsets_db, "OS", "1", {})
    assert found["modalities"] == used
    assert "md_oct_db" not in found


def test_an_eye_of_which_the_model_reads_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="reads none"):
        answer([NAN, NAN, NAN], "OS", "1", {})
