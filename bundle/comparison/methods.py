"""The methods that can be compared: the overlays in configs/methods, one a file."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from bundle.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
TRAIN_CONFIG = ROOT / "configs" / "train.yaml"
MEAN_PREDICTOR = "mean predictor"  # answers the train split's mean MD for every eye


def known_methods(folder: Path = ROOT / "configs" / "methods") -> dict[str, Path]:
    """Overlay of each method by its name, the file's stem, in alphabetical order."""
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def headline(overlay: Path) -> str:
    """First line of an overlay's head comment, up to its first full stop; empty without a comment."""
    first = overlay.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip().partition(". ")[0].rstrip(".") if first.startswith("#") else ""


def check_methods(names: Sequence[str]) -> None:
    """Refuse what cannot be compared.

    Raises:
        InputError: no method, one given twice, or one without an overlay; the message lists the known ones.
    """
    known = known_methods()
    listing = f"known methods: {', '.join(known)}"
    if not names:
        raise InputError(f"--methods: found none, expected one or more; {listing}")
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            advice = f"did you mean '{near[0]}'? " if near else ""
            raise InputError(f"--methods: no overlay configs/methods/{name}.yaml; {advice}{listing}")
        if list(names).count(name) > 1:
            raise InputError(f"--methods: found '{name}' twice, expected each method once")
