"""The repository's own metadata, requirements and schema say the same."""

import copy
import json

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement

from bundle.deploy.verify.metadata import (
    EXACT,
    SCHEMA,
    disagreements,
    exact_pins,
    pins,
    read_requirements,
    schema,
    version,
)
from tests.deploy.packaged import ROOT

METADATA = json.loads((ROOT / "configs" / "metadata.json").read_text(encoding="utf-8"))


def test_pins_are_exact_and_in_step_with_the_requirements() -> None:
    found = pins(METADATA)
    assert all(EXACT.fullmatch(pin) for pin in found.values())
    assert disagreements(found, read_requirements(ROOT / "requirements.txt")) == []
    assert exact_pins(ROOT)


def test_disagreements_are_named() -> None:
    requirements = [Requirement("numpy>=2,<3"), Requirement("Pillow>=11"), Requirement("pytest>=8")]
    assert disagreements({"numpy": "2.4.6", "pillow": "12.3.0"}, requirements) == []
    assert disagreements({"numpy": "1.26.4", "fire": "0.7.1"}, requirements) == [
        "pillow has no pin", "fire is not in requirements.txt", "numpy 1.26.4 is not <3,>=2",
    ]  # fmt: skip


def test_version_is_the_one_of_the_training_config() -> None:
    assert version(ROOT) == yaml.safe_load((ROOT / "configs" / "train.yaml").read_text(encoding="utf-8"))["version"]


def test_the_repositorys_metadata_pass_the_schema() -> None:
    assert schema(ROOT) == ""


RULES = json.loads(SCHEMA.read_text(encoding="utf-8"))
TENSOR = RULES["$defs"]["tensor"]["required"]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(RULES)


@pytest.mark.parametrize("key", RULES["required"])
def test_every_key_that_the_schema_asks_for_is_missed(key: str) -> None:
    damaged = {name: value for name, value in METADATA.items() if name != key}
    assert not jsonschema.Draft202012Validator(RULES).is_valid(damaged)


@pytest.mark.parametrize("key", TENSOR)
def test_every_key_of_a_tensor_is_missed(key: str) -> None:
    damaged = copy.deepcopy(METADATA)
    del damaged["network_data_format"]["inputs"]["fundus"][key]
    assert not jsonschema.Draft202012Validator(RULES).is_valid(damaged)
