"""Methods that cannot run, each with its reason: the others go on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bundle.comparison.methods.catalogue import MEAN_PREDICTOR, ROOT, card_of, method_files, unknown_method
from bundle.comparison.methods.overlays import clashing_key, read_values
from bundle.data import Cohort
from bundle.errors import InputError


def refused_methods(names: Sequence[str], overlays: Sequence[Path] = ()) -> dict[str, str]:
    """{method: reason} for those that cannot run: unknown, or in contradiction to one of the `--overlay` files."""
    refused = {}
    for name in names:
        reason = unknown_method(name)
        if reason is None and name != MEAN_PREDICTOR:
            reason = next((found for overlay in overlays if (found := _clash(name, overlay))), None)
        if reason:
            refused[name] = reason
    return refused


def check_overlays(overlays: Sequence[Path]) -> None:
    """Refuse files that are missing or that contradict each other.

    Raises:
        InputError: it names the file, or the key and both files.
    """
    for number, overlay in enumerate(overlays):
        if not overlay.is_file():
            raise InputError(f"--overlay: no file {overlay}; expected a YAML such as configs/networks/resnet.yaml")
        for other in overlays[:number]:
            key = clashing_key(read_values(other), read_values(overlay))
            if key:
                raise InputError(f"--overlay: {other} and {overlay} give '{key}' different values; leave out one")


def _clash(name: str, overlay: Path) -> str | None:
    merged: dict[str, object] = {}
    source: dict[str, Path] = {}
    for path in method_files(name):
        merged |= read_values(path)
        source |= dict.fromkeys(read_values(path), path)
    key = clashing_key(read_values(overlay), merged)
    if key is None:
        return None
    own = source.get(key) or next(path for one, path in source.items() if key.startswith(f"{one}#"))
    return f"{overlay} and {_shown(own)} give '{key}' different values; leave out one of them"


def _shown(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def need_complete_eyes(names: Sequence[str], cohort: Cohort) -> dict[str, str]:
    """{method: reason} for those that have no answer for an eye without both images, where there is such an eye."""
    items = cohort.items("all")
    lacking = [item["row"] for item in items if not {"image", "fundus"} <= set(item)]
    if not lacking:
        return {}
    reason = (
        f"it has no answer for an eye that lacks OCT or photograph ({len(lacking)} of {len(items)}, the first in "
        f"manifest row {lacking[0]}); use --eyes complete"
    )
    return {name: reason for name in names if card_of(name).complete_eyes_only}
