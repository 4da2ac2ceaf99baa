"""What a client is told: the answer for one eye, and the reason why there is none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bundle.deploy.monailabel.convention import is_conventional
from bundle.deploy.monailabel.inside import opened_with
from bundle.deploy.monailabel.study import MODALITIES, Study

MODEL = "oct_fundus_md"
_COMMAND_LINE = ("give --eye OD or --eye OS", "write _OD or _OS into the study's name, or the eye into the manifest")
_SHORTEST_NAME = 3  # a shorter one, such as B-scan `7`, names nobody, and taking it out would garble the text


def answer(prediction: dict[str, Any]) -> dict[str, Any]:
    """The JSON object of one eye; the same keys whichever images there are.

    prediction: of `Predictor.predict`.

    `md_db`, `interval_db`, `interval_level`, `stage`, `eye`, `modalities` and `model_version` are the prediction's.
    `md_oct_db` and `md_fundus_db` are the estimates from one image alone, None where it is missing. `quality_flags` is
    None: not computed by this version, which is not the same as "no flag was raised".
    """
    alone = {f"md_{name}_db": prediction.get(f"md_{name}_db") for name in MODALITIES}
    if len(prediction["modalities"]) == 1:
        alone[f"md_{prediction['modalities'][0]}_db"] = prediction["md_db"]
    return {
        "model": MODEL,
        "model_version": prediction["model_version"],
        "md_db": prediction["md_db"],
        "interval_db": prediction["interval_db"],
        "interval_level": prediction["interval_level"],
        "stage": prediction["stage"],
        "eye": prediction["eye"],
        "modalities": prediction["modalities"],
        **alone,
        "quality_flags": None,
    }


def reason(error: Exception, study_id: str, study: Study, root: Path) -> str:
    """The message of an `InputError` without any path, file name or id of the study, for a client to read."""
    text = str(error).replace(*_COMMAND_LINE)
    names = {study_id}
    for modality in MODALITIES:
        for image in getattr(study, modality):
            text = text.replace(str(image), modality)
            for path in opened_with(image):
                names |= {str(path), path.name}
    return _without(text.replace(str(root), "studies"), {name for name in names if not is_conventional(name)})


def _without(text: str, names: set[str]) -> str:
    """The text with "(name)" for each of the names, the longest first, where it stands as a word of its own."""
    for name in sorted(names, key=len, reverse=True):
        if len(name) >= _SHORTEST_NAME:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "(name)", text)
    return text
