"""The model card of the package: docs/README.md with the score of its weights in "Performance"."""

from __future__ import annotations

import re
from typing import Any

from bundle.deploy.package.score import SUBSETS, Score
from bundle.errors import InputError
from bundle.reporting.grid import to_markdown

_SECTION = re.compile(r"(?m)^## Performance\n.*?(?=^#)", re.DOTALL)
NO_SCORE = "The weights came without a report: their score is not known. Evaluate them on your own eyes before any use."
HEADER = ("shown", "eyes", "MSE, dB² [95 % CI]", "MAE, dB [95 % CI]", "R²")


def with_performance(card: str, score: Score | None) -> str:
    """The card with its section "Performance" replaced by the score of the weights.

    Raises:
        InputError: the card has no such section.
    """
    if not _SECTION.search(card):
        raise InputError("docs/README.md: no section '## Performance'; the Zoo's template has one")
    text = NO_SCORE if score is None else _text(score)
    return _SECTION.sub(lambda _: f"## Performance\n{text}\n\n", card, count=1)


def _text(score: Score) -> str:
    rows = [
        [SUBSETS.get(name, name), str(row["n_eyes"]), _interval(row, "mse"), _interval(row, "mae"), _r2(row)]
        for name, row in score.answers.items()
    ]
    return (
        f"Test split: {score.n_eyes} eyes of {score.n_patients} patients. Intervals: bootstrap of patients.\n\n"
        + to_markdown(HEADER, rows, left=1).rstrip()
        + f"\n\nTrained {score.date}, seed {score.seed}, cohort digest `{score.cohort_digest[:12]}`, by\n"
        + f"```\n{score.command}\n```"
    )


def _r2(row: dict[str, Any]) -> str:
    return "–" if row["r2"] is None else f"{row['r2']:.2f}"


def _interval(row: dict[str, Any], name: str) -> str:
    low, high = row["ci95"][name]
    return f"{row[name]:.2f} [{low:.2f}, {high:.2f}]"
