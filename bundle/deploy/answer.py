"""What is said of one eye, on the command line, over HTTP and in a hospital's application."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bundle.deploy.intervals import Intervals, interval_answer
from bundle.errors import InputError
from bundle.metrics import stage_of


def answer(subsets_db: Sequence[float], eye: str, model_version: str, intervals: Intervals) -> dict[str, Any]:
    """`md_db`, `interval_db`, `interval_level`, `stage`, `eye`, `modalities` used, `model_version`.

    Where there are two modalities, also each one's own estimate. dB are rounded to 0.001; the interval is None where
    the model has none for these modalities.

    Args:
        subsets_db: (3,) MD in dB from all that is present, from OCT alone, from the photograph alone; NaN where the
            eye lacks the image or the network does not read it.
        eye: "OD" or "OS".
        model_version: see `bundle.deploy.model_folder.version_of`.
        intervals: see `bundle.deploy.intervals.intervals_of`.

    Raises:
        InputError: the network reads none of the images that the eye has.
    """
    md_db, *alone_db = (float(value) for value in subsets_db)
    if not math.isfinite(md_db):
        raise InputError(f"{eye}: the model reads none of this eye's images; give it the other kind of image")
    alone = {name: value for name, value in zip(("oct", "fundus"), alone_db, strict=True) if math.isfinite(value)}
    result = {"md_db": round(md_db, 3), **interval_answer(md_db, list(alone), intervals)}
    result |= {"stage": stage_of(md_db), "eye": eye, "modalities": list(alone)}
    if len(alone) == 2:
        result |= {f"md_{name}_db": round(value, 3) for name, value in alone.items()}
    return result | {"model_version": model_version}
