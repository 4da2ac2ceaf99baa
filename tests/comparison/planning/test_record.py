"""A study's folder refuses what would mix two studies, and says what differs."""

from __future__ import annotations

import pytest

from bundle.comparison import claim_folder
from bundle.comparison.methods.catalogue import ROOT
from bundle.comparison.planning.record import content_hash
from bundle.errors import InputError


def test_folder_is_claimed_once_and_again_by_the_same_study(study):
    claim_folder(study(), "digest")
    claim_folder(study(), "digest")


def test_more_methods_and_seeds_may_join(study):
    claim_folder(study(), "digest")
    claim_folder(study(methods=("concat", "multi_loss"), seeds=(0, 1)), "digest")
    claim_folder(study(), "digest")


@pytest.mark.parametrize(
    ("changed", "digest", "message"),
    [
        ({"epochs": 7}, "digest", "epochs was None, now 7"),
        ({"settings": {"lr": 0.5}}, "digest", r"settings was \{\}, now \{'lr': 0.5\}"),
        ({"folds": 3}, "digest", "folds was None, now 3"),
        ({"train_size": 3}, "digest", "train_size was None, now 3"),
        ({"complete_only": False}, "digest", "complete_only was True, now False"),
        ({"trials": 2}, "digest", "tuning was None, now {'trials': 2"),
        ({"overlays": (ROOT / "configs/networks/small.yaml",)}, "digest", "overlays was"),
        ({}, "another", "other eyes or splits"),
    ],
)
def test_other_configuration_in_the_same_folder_is_refused_with_what_differs(study, changed, digest, message):
    claim_folder(study(), "digest")
    with pytest.raises(InputError, match=message):
        claim_folder(study(**changed), digest)


def test_changed_overlay_is_refused_and_a_changed_comment_is_not(study, tmp_path):
    overlay = tmp_path / "small.yaml"
    overlay.write_text("lr: 0.1\n")
    claim_folder(study(overlays=(overlay,)), "digest")
    overlay.write_text("# smaller\nlr: 0.1   # now\n")
    claim_folder(study(overlays=(overlay,)), "digest")
    overlay.write_text("lr: 0.2\n")
    with pytest.raises(InputError, match=r"small\.yaml has changed"):
        claim_folder(study(overlays=(overlay,)), "digest")


@pytest.mark.parametrize(
    "changed", [{"trials": 4}, {"trial_epochs": 9}, {"trial_seed": 5}, {"lr_factors": (1.0, 3.0, 9.0)}]
)
def test_other_tuning_is_refused(study, changed):
    tuned = {"trials": 3, "trial_epochs": 2}
    claim_folder(study(**tuned), "digest")
    claim_folder(study(**tuned, seeds=(0, 1)), "digest")
    with pytest.raises(InputError, match="tuning was"):
        claim_folder(study(**{**tuned, **changed}), "digest")


def test_other_knob_is_refused_where_it_was_tuned_and_about_changes_nothing_else(study, methods_folder, tmp_path):
    overlay = methods_folder / "new.yaml"
    for trials, out in ((1, "plain"), (2, "tuned")):
        overlay.write_text("about: {cost: 1F 1B, knob: {key: rho, values: [0.0, 0.1]}}\nrho: 0.0\n")
        one = study(methods=("new",), trials=trials, out=tmp_path / out, reference="mean")
        claim_folder(one, "digest")
        overlay.write_text("about: {cost: 2F 2B, knob: {key: rho, values: [0.0, 0.2]}}\nrho: 0.0\n")
        if trials == 1:
            claim_folder(one, "digest")
        else:
            with pytest.raises(InputError, match="new has other values of its knob"):
                claim_folder(one, "digest")


def test_folder_with_something_else_in_it_is_refused(study):
    one = study()
    one.out.mkdir()
    (one.out / "thesis.docx").write_text("years")
    with pytest.raises(InputError, match="is not empty"):
        claim_folder(one, "digest")


def test_content_hash_sees_values_only(tmp_path):
    a, b, c = (tmp_path / name for name in "abc")
    a.write_text("x: 1\ny: 2\n")
    b.write_text("# head\ny: 2\nx: 1\n")
    c.write_text("x: 1\ny: 3\n")
    assert content_hash(a) == content_hash(b) != content_hash(c)
