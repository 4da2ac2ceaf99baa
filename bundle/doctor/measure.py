"""Reads every image once and keeps a few numbers of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from bundle.data.examination import Examination
from bundle.data.manifest_row import Problem, checksum_problems
from bundle.data.readers import read_fundus, read_oct
from bundle.doctor.fundus_facts import FundusFacts, fundus_facts
from bundle.doctor.hidden_names import hide_names
from bundle.doctor.oct_facts import OctFacts, oct_facts
from bundle.errors import InputError

Facts = TypeVar("Facts", OctFacts, FundusFacts)


@dataclass(frozen=True)
class EyeFacts:
    """What one row's images are like; None for a modality that is missing or unreadable.

    unreadable: why a file cannot be used, without its name. checksums: columns sha256_* that do not agree.
    """

    row: int
    oct: OctFacts | None
    fundus: FundusFacts | None
    unreadable: tuple[Problem, ...]
    checksums: tuple[Problem, ...]


def measure(examinations: Sequence[Examination], workers: int) -> list[EyeFacts]:
    """Measure all eyes on `workers` threads, in the manifest's order; decoders, NumPy and hashes let each other run."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        results = pool.map(measure_eye, examinations)
        bar = tqdm(results, total=len(examinations), desc="reading", unit="eye", disable=None)  # None: only a terminal
        return list(bar)


def measure_eye(one: Examination) -> EyeFacts:
    """Measure one eye; a file that cannot be read is a problem of its row and raises nothing."""
    unreadable: list[Problem] = []
    checksums: list[Problem] = []

    def facts(modality: str, path: Path | None, read: Callable[[Path], Facts]) -> Facts | None:
        if path is None:
            return None
        try:
            checksums.extend(checksum_problems(one.row, modality, path, one.extra.get(f"sha256_{modality}", "")))
            return read(path)
        except InputError as error:
            text = hide_names(str(error), path)
        except (OSError, MemoryError) as error:
            text = f"cannot be read ({type(error).__name__}): check the disk and the memory"
        unreadable.append(Problem(one.row, modality, text))
        return None

    volume = facts("oct", one.oct, lambda path: oct_facts(read_oct(path)))
    photograph = facts("fundus", one.fundus, lambda path: fundus_facts(read_fundus(path)))
    return EyeFacts(one.row, volume, photograph, tuple(unreadable), tuple(checksums))
