"""What a method says of itself: the block `about` and the head comment of its overlay."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.comparison.methods.overlays import parsed
from bundle.errors import InputError

UNKNOWN = "-"
FIELDS = ("paper", "oracle", "cost", "knob", "complete_eyes_only", "extends")
BACKWARD = re.compile(r"(\d+(?:\.\d+)?)\s*B\b")


@dataclass(frozen=True)
class Knob:
    """A method's main setting: a key of the config, and values to try."""

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class MethodCard:
    """A method on one card.

    Attributes:
        headline: first sentence of the overlay's head comment.
        paper: where it was published; "reference" for a plain reference, "this project" for ours.
        oracle: the test that would fail if the formula were wrong, `file::function`.
        cost: forward and backward passes of both encoders a step, such as "2F 2B".
        knob: what is tuned beside the learning rate, None for nothing.
        complete_eyes_only: it can neither train on nor answer for eyes that lack a modality.
        extends: the method on whose overlay this one goes, None for train.yaml itself.

    A text is "-" when the overlay does not say.
    """

    name: str
    overlay: Path
    headline: str = ""
    paper: str = UNKNOWN
    oracle: str = UNKNOWN
    cost: str = UNKNOWN
    knob: Knob | None = None
    complete_eyes_only: bool = False
    extends: str | None = None

    @property
    def backward_passes(self) -> float:
        """Backward passes a step, from `cost`; 1 when it does not say."""
        found = BACKWARD.search(self.cost)
        return float(found[1]) if found else 1.0


def read_card(overlay: Path) -> MethodCard:
    """The card of one overlay.

    Raises:
        InputError: a field that is unknown, or a knob without key and values.
    """
    about = parsed(overlay.read_text(encoding="utf-8")).get("about") or {}
    unknown = sorted(set(about) - set(FIELDS))
    if unknown:
        raise InputError(f"{overlay}: about: found '{unknown[0]}', expected some of {', '.join(FIELDS)}")
    given = {name: str(about[name]) for name in ("paper", "oracle", "cost", "extends") if about.get(name) is not None}
    return MethodCard(
        overlay.stem, overlay, headline(overlay), knob=_knob(overlay, about.get("knob")),
        complete_eyes_only=bool(about.get("complete_eyes_only", False)), **given,
    )  # fmt: skip


def headline(overlay: Path) -> str:
    """First line of an overlay's head comment, up to its first full stop; empty without a comment."""
    first = overlay.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip().partition(". ")[0].rstrip(".") if first.startswith("#") else ""


def _knob(overlay: Path, block: Any) -> Knob | None:
    if block is None:
        return None
    if not isinstance(block, Mapping) or not isinstance(block.get("values"), list) or "key" not in block:
        raise InputError(f"{overlay}: about: knob: found {block!r}, expected {{key: ..., values: [...]}}")
    return Knob(str(block["key"]).replace("::", "#"), tuple(block["values"]))
