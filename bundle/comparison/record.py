"""The folder of a study: it holds one study's cells and never a mixture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bundle.comparison.study import Study
from bundle.errors import InputError
from bundle.reporting.atomic import write_json_atomic

STUDY_FILE = "study.json"


def claim_folder(study: Study, cohort_digest: str) -> None:
    """Make `study.out` this study's, or find that it already is.

    More methods or seeds may join later: they change no finished cell. Whatever would change one (eyes, split,
    epochs, settings, the content of a config) must be as it was.

    Raises:
        InputError: the folder holds a study that differs; the message says in what.
    """
    record = study.out / STUDY_FILE
    asked: dict[str, Any] = {
        "cohort": cohort_digest,
        "complete_only": study.complete_only,
        "epochs": study.epochs,
        "folds": study.folds,
        "train_size": study.train_size,
        "split_seed": study.split_seed,
        "settings": dict(study.settings),
        "configs": {"/".join(p.parts[-2:]): content_hash(p) for m in study.methods for p in study.config_files(m)},
    }
    asked = json.loads(json.dumps(asked))
    if record.is_file():
        found = json.loads(record.read_text(encoding="utf-8"))
        different = _differences(found, asked)
        if different:
            raise InputError(
                f"{study.out}: holds another comparison ({'; '.join(different)}); choose another --out or delete it"
            )
        asked["configs"] = found["configs"] | asked["configs"]
    elif study.out.is_dir() and any(study.out.iterdir()):
        raise InputError(f"{study.out}: is not empty and holds no {STUDY_FILE}; choose a new folder for --out")
    write_json_atomic(record, asked)


def _differences(found: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """What differs between two records, in words."""
    told = []
    for key, value in asked.items():
        if key == "configs":
            told += [f"{name} has changed" for name, now in value.items() if found[key].get(name, now) != now]
        elif found.get(key) != value:
            told.append("other eyes or splits" if key == "cohort" else f"{key} was {found.get(key)!r}, now {value!r}")
    return told


def content_hash(config: Path) -> str:
    """Of a YAML file's values: a changed comment changes nothing."""
    values = yaml.safe_load(config.read_text(encoding="utf-8"))
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]
