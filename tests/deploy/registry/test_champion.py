"""A model takes the alias only from one that it is not worse than, on the same test eyes."""

import pytest

from bundle.deploy.registry.champion import refusal

HOLDER = {"test_mse": "9.0", "test_n_eyes": "6", "cohort_digest": "a" * 64, "test_eyes_digest": "b" * 64}


@pytest.mark.parametrize("mse", ["8.9", "9.0"])
def test_a_model_that_is_not_worse_is_let_through(mse: str) -> None:
    assert refusal(HOLDER | {"test_mse": mse}, HOLDER, "version 1") is None


def test_a_worse_one_is_refused_with_both_figures() -> None:
    reason = refusal(HOLDER | {"test_mse": "9.1"}, HOLDER, "version 1")
    assert reason is not None
    for part in ("9.1000 dB²", "9.0000 dB²", "version 1", "same 6 test eyes", "--force"):
        assert part in reason


def test_a_holder_that_was_registered_by_hand_is_not_replaced_unasked() -> None:
    assert "has no tag test_mse" in str(refusal(HOLDER, {}, "version 1"))


@pytest.mark.parametrize("tag", ["cohort_digest", "test_eyes_digest"])
def test_a_better_one_on_another_test_set_is_refused_too(tag: str) -> None:
    better = HOLDER | {"test_mse": "1.0"}
    for candidate, holder in ((better | {tag: "c" * 64}, HOLDER), (better, HOLDER | {tag: ""})):
        reason = refusal(candidate, holder, "version 1")
        assert reason is not None
        assert "another test set" in reason
        assert "--force" in reason
