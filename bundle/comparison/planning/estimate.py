"""What a comparison would train: the answer to `--dry-run`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bundle.comparison.methods.catalogue import card_of
from bundle.comparison.planning.grid import Planned
from bundle.comparison.planning.plan import Cell
from bundle.reporting.grid import to_text

HEADER = ("method", "cost", "trials", "trainings", "finished", "gradient evaluations")


def estimate_text(planned: Sequence[Planned]) -> str:
    """A table a study: trainings, trials and gradient evaluations of each method, if no training stops early."""
    blocks, total = [], 0
    for one in planned:
        rows = []
        for method in one.study.trained_methods:
            cells = [cell for cell in [*one.undecided, *one.finals()] if cell.method == method]
            left = [cell for cell in cells if not cell.done]
            evaluations = sum(gradient_evaluations(one, cell) for cell in left)
            total += evaluations
            n_trials = sum(cell.trial is not None for cell in cells)
            rows.append([method, card_of(method).cost, str(n_trials), str(len(cells) - n_trials),
                         str(len(cells) - len(left)), f"{evaluations:,}"])  # fmt: skip
        eyes = len(one.cohorts[0].cohort.items("train"))
        blocks.append((f"{one.study.label}: {eyes} training eyes, at most {one.study.max_epochs} epochs", rows))
    text = to_text(HEADER, blocks, left=2)
    return f"{text}{total:,} gradient evaluations (batches, forward and backward) are to do\n"


def gradient_evaluations(planned: Planned, cell: Cell) -> int:
    """Steps times backward passes of the method's card, without early stopping."""
    study = planned.study
    cohort = next(one for one in planned.cohorts if one.fold == cell.fold).cohort
    batch_size = int(cell.overrides.get("batch_size", study.value_of(cell.method, "batch_size")))
    eyes = len(cohort.items("train"))
    steps = eyes // batch_size if eyes >= 2 * batch_size else math.ceil(eyes / batch_size)  # train.yaml's drop_last
    epochs = int(cell.overrides.get("max_epochs", study.max_epochs))
    return round(steps * epochs * card_of(cell.method).backward_passes)
