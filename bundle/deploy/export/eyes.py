"""Prepared eyes to compare exported files on, or to hand to a machine without torch."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.data import Cohort, EyeDataset
from bundle.data.phantom import make_phantom
from bundle.deploy.export.writers import Batch
from bundle.deploy.inputs import KEYS
from bundle.deploy.predictor import Predictor
from bundle.errors import InputError
from bundle.reporting.atomic import write_bytes_atomic


def complete_eyes(predictor: Predictor, n_eyes: int, manifest: str | Path | None = None) -> Batch:
    """Eyes with all that the model reads, as its own preprocessing makes them: (N, ...) float32 by tensor name.

    Args:
        predictor: with the model.
        n_eyes: at most so many, evenly spaced over the manifest.
        manifest: None for phantom eyes, the same ones every time.

    Raises:
        InputError: no such eye, or an image that cannot be used.
    """
    names = _names(predictor)
    with _manifest_or_phantom(manifest, n_eyes) as path:
        items = [item for item in Cohort(path, labels="optional").items("all") if set(names) <= item.keys()]
        if not items:
            raise InputError(f"{path}: found no eye with {' and '.join(names)}; give another manifest")
        chosen = np.unique(np.linspace(0, len(items) - 1, min(n_eyes, len(items))).round().astype(int))
        return _prepared(predictor, [items[i] for i in chosen])


def write_prepared(predictor: Predictor, manifest: str | Path, path: Path) -> None:
    """Write every eye of a manifest that the model can read into one .npz for predict_onnx.py.

    Keys: `image`, `fundus` (NaN rows: not taken), `row` (of the manifest), `eye` (OD or OS).

    Raises:
        InputError: no such eye, or an image that cannot be used.
    """
    names = _names(predictor)
    items = [item for item in Cohort(manifest, labels="optional").items("all") if set(names) & item.keys()]
    if not items:
        raise InputError(f"{manifest}: found no eye with {' or '.join(names)}; give another manifest")
    arrays: dict[str, NDArray[Any]] = dict(_prepared(predictor, items))
    arrays |= {key: np.array([item[key] for item in items]) for key in ("row", "eye")}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes_atomic(path, buffer.getvalue())


def _names(predictor: Predictor) -> list[str]:
    return [KEYS[name] for name in predictor.network.modalities]


def _prepared(predictor: Predictor, items: Sequence[dict[str, Any]]) -> Batch:
    names = _names(predictor)
    unread = set(KEYS.values()) - set(names)
    given: list[dict[Hashable, Any]] = [
        {key: value for key, value in item.items() if key not in unread} for item in items
    ]
    eyes = EyeDataset(given, deterministic=predictor.preprocessing)
    return {name: np.stack([eyes[i][name].numpy() for i in range(len(eyes))]) for name in names}


@contextmanager
def _manifest_or_phantom(manifest: str | Path | None, n_eyes: int) -> Iterator[str | Path]:
    if manifest is not None:
        yield manifest
        return
    with tempfile.TemporaryDirectory() as folder:  # every patient has at least one eye
        yield make_phantom(folder, "default", seed=0, n_patients=max(n_eyes, 2))
