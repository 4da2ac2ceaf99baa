"""The table of methods that `--list` prints."""

from __future__ import annotations

import ast

from bundle.comparison.methods.cards import UNKNOWN, MethodCard
from bundle.comparison.methods.catalogue import ROOT, card_of, known_methods, method_files
from bundle.reporting.grid import to_text

# where the limits, invariants and pitfalls of docs/method.md are held
LIMITS = (
    "tests/losses/test_contrastive_limits.py", "tests/losses/test_contrastive_invariants.py",
    "tests/modulation/test_ascent.py", "tests/modulation/test_sharpness_aware_steps.py",
    "tests/modulation/test_look_ahead.py", "tests/modulation/test_combiner.py", "tests/modulation/test_modulator.py",
    "tests/engines/test_limiting_cases.py", "tests/engines/test_sharpness_variants.py",
    "tests/engines/test_pitfalls.py",
)  # fmt: skip


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
    lines += ["cost: F forward, B backward passes of both encoders a step", "", *limiting_cases()]
    return "\n".join(lines) + "\n"


def limiting_cases() -> list[str]:
    """The tests of this project's own formulas in their limits, by file; none where the bundle has no tests."""
    found = []
    for name in LIMITS:
        if (ROOT / name).is_file():
            body = ast.parse((ROOT / name).read_text(encoding="utf-8")).body
            tests = [one.name for one in body if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")]
            found += [name, *(f"    {test}" for test in tests)]
    return ["limiting cases, invariants and pitfalls of Re-M3Dr (docs/method.md says which is which)", *found]


def _place(card: MethodCard) -> tuple[int, str]:
    group = {"reference": 0, UNKNOWN: 3}.get(card.paper, 2 if card.paper.startswith("this project") else 1)
    chain = "/".join(path.stem for path in method_files(card.name))
    return group, chain
