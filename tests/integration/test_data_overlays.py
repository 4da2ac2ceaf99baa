"""Every overlay of configs/data, from the published layout to the eyes of a real config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from monai.bundle import ConfigParser

from bundle.errors import InputError, find_input_error
from tests.data.adapters import layouts
from tests.data.adapters.grape_folder import small_grape

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"
NAMES = sorted(path.stem for path in (CONFIGS / "data").glob("*.yaml"))
# what writes the published layout, and the number of eyes with and without an MD
MD_DB = tuple(-1.5 * n for n in range(1, 13))
SETS: dict[str, tuple[Any, int]] = {
    "stage2": (lambda p: layouts.write_stage(p, "stage2", range(1, 13), MD_DB, eyes=("OD", "OS") * 6), 12),
    "stage": (lambda p: layouts.write_stage(p, "stage", range(1, 13), MD_DB, eyes=("OD", "OS") * 6), 12),
    "harvard_gf": (lambda p: layouts.write_harvard_gf(p, MD_DB, "."), 12),
    "fairvision": (lambda p: layouts.write_fairvision(p, each=4, md_db=MD_DB), 12),
    "fairvlmed": (lambda p: layouts.write_fairvlmed(p, each=4), 12),
    "gamma": (layouts.write_gamma, 3),
    "papila": (lambda p: layouts.write_papila(p, MD_DB), 24),
    "grape": (lambda p: small_grape(p, 6), 12),
}


def parser(config: str, name: str, source: Path | None, out: Path) -> ConfigParser:
    """A real config with the overlay, `--source` given, and only the keys that matter here run."""
    read = ConfigParser()
    read.read_config([str(CONFIGS / f"{config}.yaml"), str(CONFIGS / "data" / f"{name}.yaml")])
    read["bundle_root"] = str(ROOT)
    read["source"] = None if source is None else str(source)
    read["output_dir"] = str(out / "run")
    read["manifest"]["out_dir"] = str(out / "cohort")
    if name == "grape":
        read["manifest"]["oct_shape"] = [8, 32, 16]
    return read


def test_every_overlay_has_a_layout_here_and_the_other_way_round() -> None:
    assert sorted(SETS) == NAMES


@pytest.mark.parametrize("name", sorted(set(SETS) - {"gamma"}))
def test_training_config_gets_the_labelled_eyes(name: str, tmp_path: Path) -> None:
    write, count = SETS[name]
    read = parser("train", name, write(tmp_path / "source"), tmp_path)
    read["checks"] = [{"_target_": "bundle.config.check_keys", "known": str(CONFIGS / "train.yaml")}]
    read.config["about"] = "@checks"  # so that the key counts as known
    read.get_parsed_content("checks")  # no key of the overlay is unknown
    cohort = read.get_parsed_content("cohort")
    assert len(cohort.items("all")) == count
    assert cohort.items("train")
    assert all(one.labelled for one in cohort.rows)


@pytest.mark.parametrize("name", NAMES)
def test_prediction_config_takes_the_same_overlay(name: str, tmp_path: Path) -> None:
    write, count = SETS[name]
    read = parser("inference", name, write(tmp_path / "source"), tmp_path)
    read["checks"] = [{"_target_": "bundle.config.check_keys", "known": str(CONFIGS / "inference.yaml")}]
    read.config["handlers"] = ["@checks"]
    read.get_parsed_content("checks")
    assert len(read.get_parsed_content("cohort").items("all")) == count


def test_eyes_without_an_md_can_be_predicted(tmp_path: Path) -> None:
    read = parser("inference", "stage2", SETS["stage2"][0](tmp_path / "source"), tmp_path)
    manifest = Path(read.get_parsed_content("manifest"))
    again = parser("inference", "stage2", None, tmp_path)
    again.config["manifest"] = str(manifest.with_name("unlabelled.csv"))
    assert len(again.get_parsed_content("cohort").items("all")) == 1


def test_items_go_through_the_real_transforms(tmp_path: Path) -> None:
    read = parser("inference", "stage2", SETS["stage2"][0](tmp_path / "source"), tmp_path)
    item = read.get_parsed_content("dataset")[1]  # a left eye
    assert item["image"].shape == (1, *read["oct_grid"])
    assert item["fundus"].shape == (3, read["fundus_size"], read["fundus_size"])
    assert bool(item["image"].isfinite().all())


def test_grades_are_refused_for_training(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as caught:
        parser("train", "gamma", SETS["gamma"][0](tmp_path / "source"), tmp_path).get_parsed_content("cohort")
    assert "md_db" in str(find_input_error(caught.value))


@pytest.mark.parametrize("name", NAMES)
def test_source_that_was_not_given_is_asked_for(name: str, tmp_path: Path) -> None:
    with pytest.raises((RuntimeError, InputError)) as caught:
        parser("train", name, None, tmp_path).get_parsed_content("manifest")
    assert "add --source" in str(find_input_error(caught.value))


@pytest.mark.parametrize("name", NAMES)
def test_overlay_names_every_option_of_its_adapter(name: str) -> None:
    """`--manifest#option` works for what is written there."""
    import inspect
    import pydoc

    manifest = yaml.safe_load((CONFIGS / "data" / f"{name}.yaml").read_text())["manifest"]
    accepted = set(inspect.signature(pydoc.locate(manifest["_target_"])).parameters)  # type: ignore[arg-type]
    assert set(manifest) - {"_target_"} == accepted - {"progress", "oct_shape"}
