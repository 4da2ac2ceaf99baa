"""The methods that can be compared: the overlays in configs/methods, one a file."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from bundle.comparison.methods.cards import MethodCard, read_card
from bundle.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
TRAIN_CONFIG = ROOT / "configs" / "train.yaml"
METHODS_FOLDER = ROOT / "configs" / "methods"
MEAN_PREDICTOR = "mean"  # answers the train split's mean MD for every eye: known without a training


def known_methods(folder: Path | None = None) -> dict[str, Path]:
    """Overlay of each method by its name, the file's stem, in alphabetical order."""
    return {path.stem: path for path in sorted((folder or METHODS_FOLDER).glob("*.yaml"))}


def card_of(method: str) -> MethodCard:
    """A known method's card; the mean predictor has one even without an overlay."""
    overlay = METHODS_FOLDER / f"{method}.yaml"
    return read_card(overlay) if overlay.is_file() else MethodCard(method, overlay)


def method_files(method: str) -> tuple[Path, ...]:
    """A method's overlays: those that it goes on top of, farthest first, then its own.

    Raises:
        InputError: an overlay extends one that does not exist, or itself.
    """
    chain = [card_of(method)]
    while (parent := chain[0].extends) is not None:
        if parent not in known_methods() or parent in {card.name for card in chain}:
            raise InputError(f"{chain[0].overlay}: about: extends: found '{parent}', expected another method's name")
        chain.insert(0, card_of(parent))
    return tuple(card.overlay for card in chain)


def check_methods(names: Sequence[str]) -> None:
    """Refuse what cannot be compared.

    Raises:
        InputError: no method, one given twice, or one without an overlay.
    """
    if not names:
        raise InputError(f"--methods: found none, expected one or more; known methods: {', '.join(known_methods())}")
    for name in names:
        if list(names).count(name) > 1:
            raise InputError(f"--methods: found '{name}' twice, expected each method once")
        reason = unknown_method(name)
        if reason:
            raise InputError(f"--methods: {reason}")


def unknown_method(name: str) -> str | None:
    """Why a method cannot be found, None for a known one."""
    known = known_methods()
    if name in (*known, MEAN_PREDICTOR):
        return None
    near = get_close_matches(name, known, n=1)
    advice = f"did you mean '{near[0]}'?" if near else f"known methods: {', '.join(known)}"
    return f"no overlay configs/methods/{name}.yaml; {advice}"
