"""A method that cannot run is refused with a reason, by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle.comparison import plan_studies
from bundle.comparison.methods.catalogue import ROOT
from bundle.comparison.methods.refusals import refused_methods
from bundle.errors import InputError

NETWORKS = ROOT / "configs" / "networks"


def overlay(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_unknown_method_is_refused_and_the_known_ones_are_not():
    refused = refused_methods(["concat", "conact", "mean"])
    assert set(refused) == {"conact"}
    assert "did you mean 'concat'" in refused["conact"]


def test_clash_with_an_overlay_names_the_key_and_both_files(tmp_path):
    path = overlay(tmp_path, "rho: 0.05\n")
    refused = refused_methods(["concat", "re_m3dr", "sam"], [path])
    assert "'rho'" in refused["concat"]
    assert str(path) in refused["concat"]
    assert "configs/methods/concat.yaml" in refused["concat"]


def test_clash_with_what_a_method_extends_counts_unless_it_sets_the_key_itself(methods_folder, tmp_path):
    (methods_folder / "base.yaml").write_text("rho: 0.1\nlr: 0.1\n")
    (methods_folder / "more.yaml").write_text("about: {extends: base}\nlr: 0.2\n")
    assert "base.yaml" in refused_methods(["more"], [overlay(tmp_path, "rho: 0.05\n")])["more"]
    assert refused_methods(["more"], [overlay(tmp_path, "lr: 0.2\n")]) == {}


@pytest.mark.parametrize("backbone", ["small", "resnet"])
def test_backbone_overlays_suit_methods_with_one_encoder(backbone):
    assert refused_methods(["oct_only", "fundus_only", "concat", "multi_loss"], [NETWORKS / f"{backbone}.yaml"]) == {}


def test_two_overlays_that_contradict_each_other_are_refused(study):
    with pytest.raises(InputError, match=r"resnet\.yaml and .*vit\.yaml give '.*' different values"):
        study(overlays=(NETWORKS / "resnet.yaml", NETWORKS / "vit.yaml"))


@pytest.fixture
def careful(methods_folder):
    (methods_folder / "plain.yaml").write_text("rho: 0.0\n")
    (methods_folder / "careful.yaml").write_text("about: {complete_eyes_only: true}\nrho: 0.0\n")
    return ("careful", "plain")


@pytest.mark.parametrize("folds", [None, 3])
def test_method_for_complete_eyes_is_refused_where_a_training_eye_lacks_a_modality(study, careful, folds, tmp_path):
    given = {"methods": careful, "reference": "plain", "folds": folds}
    (one,) = plan_studies([study(**given, out=tmp_path / "complete")])
    assert one.study.refused == {}
    (one,) = plan_studies([study(**given, complete_only=False, split_seed=0)])
    assert set(one.study.refused) == {"careful"}
    assert "manifest row 2" in one.study.refused["careful"]
    assert {cell.method for cell in one.finals()} == {"plain"}


def test_nothing_left_is_an_error_that_repeats_the_reasons(study, careful, tmp_path):
    with pytest.raises(InputError, match=r"no method is left.*careful: it has no answer"):
        plan_studies([study(methods=("careful",), reference="mean", complete_only=False)])
    assert not (tmp_path / "out").exists()
