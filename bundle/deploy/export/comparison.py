"""Answers of an exported file beside those of the network that it came from, on the same eyes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from bundle.deploy.export.writers import Answer, Batch
from bundle.networks import MDRegressor

BATCH_SIZES = (32, 1)


@dataclass(frozen=True)
class Compared:
    """One line of the table.

    `difference_db` is the largest absolute one over the three answers of all eyes; infinite where one side has an
    answer and the other has none.
    """

    subset: str
    batch_size: int
    eyes: int
    difference_db: float


def compare(
    answer: Answer, network: MDRegressor, eyes: Batch, batch_sizes: Sequence[int] = BATCH_SIZES
) -> list[Compared]:
    """Each subset of modalities in each batch size.

    Args:
        answer: of the exported file, as its writer returns it.
        network: the original, in eval mode.
        eyes: complete and prepared, by tensor name.
        batch_sizes: eyes at a time; the last batch is smaller.
    """
    n_eyes, lines = _size(eyes), []
    for subset in subsets(eyes):
        shown = of_subset(eyes, subset)
        expected = eager_answers(network, eyes, subset)
        for size in batch_sizes:
            found = np.concatenate([answer(batch) for batch in _batches(shown, size)])
            lines.append(Compared(subset, size, n_eyes, largest_difference_db(found, expected)))
    return lines


def subsets(eyes: Batch) -> list[str]:
    """What can be present: both, either alone, or a batch in which each of these is every third eye."""
    if len(eyes) == 2:
        return ["both", "OCT alone", "fundus alone", "mixed"]
    return ["OCT alone" if "image" in eyes else "fundus alone"]


def of_subset(eyes: Batch, subset: str) -> dict[str, NDArray[np.float32]]:
    """The eyes with NaN in place of what the subset lacks."""
    third = np.arange(_size(eyes)) % 3
    result = {name: values.copy() for name, values in eyes.items()}
    for name, other, turn in (("image", "fundus alone", 2), ("fundus", "OCT alone", 1)):
        if subset == other and name in result:
            result[name][:] = np.nan
        elif subset == "mixed":
            result[name][third == turn] = np.nan
    return result


@torch.inference_mode()
def eager_answers(network: MDRegressor, eyes: Batch, subset: str) -> NDArray[np.float32]:
    """(N, 3) in dB from the original; a modality that the whole subset lacks is None there, not NaN."""
    names = {"OCT alone": ["image"], "fundus alone": ["fundus"]}.get(subset, list(eyes))
    batches = _batches(of_subset(eyes, subset), BATCH_SIZES[0])
    answers = [network.predict_subsets(**{name: torch.from_numpy(batch[name]) for name in names}) for batch in batches]
    return torch.cat(answers).numpy()


def largest_difference_db(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """The largest absolute difference; infinite for other shapes, or NaN on one side only."""
    if found.shape != expected.shape or not np.array_equal(np.isnan(found), np.isnan(expected)):
        return float("inf")
    here = ~np.isnan(expected)
    return float(np.abs(found[here].astype(np.float64) - expected[here]).max(initial=0.0))


def _batches(eyes: Batch, size: int) -> Iterator[dict[str, NDArray[np.float32]]]:
    for start in range(0, _size(eyes), size):
        yield {name: values[start : start + size] for name, values in eyes.items()}


def _size(eyes: Batch) -> int:
    return len(next(iter(eyes.values())))
