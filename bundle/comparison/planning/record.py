"""The folder of a study: it holds one study's cells and never a mixture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundle.comparison.methods.catalogue import card_of
from bundle.comparison.methods.overlays import read_values
from bundle.comparison.planning.study import Study
from bundle.errors import InputError
from bundle.reporting.atomic import write_json_atomic

STUDY_FILE = "study.json"
GROWING = ("configs", "knobs")  # entries by name; methods that join add theirs


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
        "overlays": ["/".join(path.parts[-2:]) for path in study.overlays],
        "configs": {"/".join(p.parts[-2:]): content_hash(p) for m in study.trained_methods
                    for p in study.config_files(m)},
    }  # fmt: skip
    if study.trials > 1:
        asked |= {"tuning": tuning_settings(study), "knobs": {m: knob_settings(m) for m in study.trained_methods}}
    else:
        asked |= {"tuning": None, "knobs": {}}
    asked = json.loads(json.dumps(asked))
    if record.is_file():
        found = json.loads(record.read_text(encoding="utf-8"))
        different = _differences(found, asked)
        if different:
            raise InputError(
                f"{study.out}: holds another comparison ({'; '.join(different)}); choose another --out or delete it"
            )
        asked |= {name: found.get(name, {}) | asked[name] for name in GROWING}
    elif study.out.is_dir() and any(study.out.iterdir()):
        raise InputError(f"{study.out}: is not empty and holds no {STUDY_FILE}; choose a new folder for --out")
    write_json_atomic(record, asked)


def _differences(found: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """What differs between two records, in words."""
    told = []
    for key, value in asked.items():
        if key in GROWING:
            before = found.get(key, {})
            what = "has changed" if key == "configs" else "has other values of its knob"
            told += [f"{name} {what}" for name, now in value.items() if before.get(name, now) != now]
        elif found.get(key) != value:
            told.append("other eyes or splits" if key == "cohort" else f"{key} was {found.get(key)!r}, now {value!r}")
    return told


def tuning_settings(study: Study) -> dict[str, Any]:
    """What decides which trials a method gets."""
    return {
        "trials": study.trials, "epochs": study.trial_epochs, "seed": study.trial_seed,
        "lr_factors": list(study.lr_factors),
    }  # fmt: skip


def knob_settings(method: str) -> dict[str, Any]:
    """A method's knob, empty for none."""
    knob = card_of(method).knob
    return {} if knob is None else {"key": knob.key, "values": list(knob.values)}


def content_hash(config: Path) -> str:
    """Of a YAML file's values: a changed comment, or what a method says `about` itself, changes nothing."""
    text = json.dumps(read_values(config), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
