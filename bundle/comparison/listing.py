"""The table of methods that `--list` prints."""

from __future__ import annotations

from bundle.comparison.cards import UNKNOWN, MethodCard
from bundle.comparison.methods import card_of, known_methods, method_files
from bundle.reporting.grid import to_text


def methods_table(verbose: bool = False) -> str:
    """Every method with its cost and its paper, under it its oracle test; `verbose` adds what it is.

    References come first, then published methods, then this project's, each extension after what it extends.
    """
    cards = sorted((card_of(name) for name in known_methods()), key=_place)
    table = to_text(("method", "cost", "paper"), [("", [[card.name, card.cost, card.paper] for card in cards])], left=3)
    lines = table.splitlines()
    for card, line in zip(cards, lines[2:], strict=True):
        lines += [line, *([f"    {card.headline}"] if verbose else []), f"    oracle: {card.oracle}"]
    del lines[2 : 2 + len(cards)]
    return "\n".join(lines) + "\ncost: F forward, B backward passes of both encoders a step\n"


def _place(card: MethodCard) -> tuple[int, str]:
    group = {"reference": 0, UNKNOWN: 3}.get(card.paper, 2 if card.paper.startswith("this project") else 1)
    chain = "/".join(path.stem for path in method_files(card.name))
    return group, chain
