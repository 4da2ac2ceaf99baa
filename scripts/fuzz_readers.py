"""Damage valid files at random and read them: each must give a usable record or one line that says what is wrong.

    python -m scripts.fuzz_readers
    python -m scripts.fuzz_readers --files 100000 --seed 1 --jobs 8
    python -m scripts.fuzz_readers --only 4711

Any other exception, a crash, more than --seconds-each or more than --memory-mb for a file is a failure. Each number is
one file, whatever --files and --jobs are, so --only repeats it. Topcon and .E2E files are among them, and all numbers
others, where panimg is installed (requirements-vendor.txt). Exit code: 0 without failures, 1 with them.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import resource
import shutil
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from multiprocessing.connection import Connection, wait
from pathlib import Path

from tqdm import tqdm

from bundle.data.readers import FundusImage, OctVolume, VisualField, read_fundus, read_oct, read_visual_field
from bundle.errors import InputError, run_main
from scripts.fuzz_damage import case, write_case
from scripts.fuzz_seed import PATIENT

_READERS: dict[str, tuple[Callable[[Path], object], type]] = {
    "oct": (read_oct, OctVolume),
    "fundus": (read_fundus, FundusImage),
    "field": (read_visual_field, VisualField),
}
_LOADED_LATE = ("panimg.image_builders.oct", "SimpleITK")  # by the readers with the first file that needs it
_START_S = 60.0  # a new process imports the readers
_UNTOUCHED_MB = 4096  # pydicom asks for as much as a lying length of 32 bits says; what no byte is read into costs none


@dataclass(frozen=True)
class Outcome:
    """What became of one file. verdict: "read", "refused" or "failed"; peak_mib: growth of the process's memory."""

    number: int
    format: str
    verdict: str
    detail: str = ""
    seconds: float = 0.0
    peak_mib: float = 0.0


def judge(seed: int, number: int, folder: Path) -> Outcome:
    """Write the file of a number into `folder`, which is new and goes again, and read it here, without limits."""
    name, origin, files = case(seed, number)
    path = write_case(folder, origin, files)
    read, kind = _READERS[origin.reader]
    before, start = _peak_mib(reset=True), time.perf_counter()
    try:
        record = read(path)
        verdict, detail = ("read", "") if isinstance(record, kind) else ("failed", f"returned {type(record).__name__}")
    except InputError as error:
        fault = _fault(str(error), path)
        verdict, detail = ("failed", fault) if fault else ("refused", str(error))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        verdict, detail = "failed", f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}"
    seconds, peak_mib = time.perf_counter() - start, _peak_mib() - before
    shutil.rmtree(folder)
    return Outcome(number, name, verdict, detail, seconds, peak_mib)


def _fault(message: str, path: Path) -> str | None:
    """What is wrong with a refusal; None when it is one line with the path and nothing of a patient."""
    if not message.startswith(f"{path}: ") or "\n" in message:
        return f"a message that is not one line after the path: {message[:200]!r}"
    if PATIENT in message:
        return "a message that quotes the patient"
    return "ran out of memory" if "MemoryError" in message else None


def _peak_mib(*, reset: bool = False) -> float:
    """The highest memory of this process so far; on Linux since the last reset."""
    forget = Path("/proc/self/clear_refs")
    if reset and forget.exists():
        forget.write_text("5")
    if forget.exists():
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _serve(pipe: Connection, folder: Path, seed: int, memory_mb: int) -> None:
    """A process of its own: answers each number with its outcome. Codecs in C write to stderr, which is closed here."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    warnings.simplefilter("ignore")
    logging.disable()
    case(seed, 0)  # makes all seeds
    for name in _LOADED_LATE if find_spec("panimg") else ():
        import_module(name)
    statm = Path("/proc/self/statm")
    if statm.exists():
        now = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + (memory_mb + _UNTOUCHED_MB) * 2**20, resource.RLIM_INFINITY))
    pipe.send(None)
    while (number := pipe.recv()) is not None:
        outcome = judge(seed, number, folder / str(number))
        if outcome.peak_mib > memory_mb:
            outcome = Outcome(number, outcome.format, "failed", "too much memory", outcome.seconds, outcome.peak_mib)
        pipe.send(outcome)


class _Worker:
    """A process that is replaced when it hangs or dies, and the number that it has."""

    def __init__(self, folder: Path, seed: int, memory_mb: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, folder, seed, memory_mb), daemon=True)
        self.process.start()
        theirs.close()
        self.number: int | None = None
        self.until = time.monotonic() + _START_S

    def give(self, number: int | None, limit_s: float) -> None:
        self.number, self.until = number, time.monotonic() + limit_s
        self.pipe.send(number)


def run(numbers: Iterable[int], seed: int, jobs: int, limit_s: float, memory_mb: int) -> Iterator[Outcome]:
    """The outcome of every number, in the order in which they end."""
    todo = iter(numbers)
    with tempfile.TemporaryDirectory() as folder:
        workers = [_Worker(Path(folder), seed, memory_mb) for _ in range(jobs)]
        try:
            while workers:
                ready = wait([one.pipe for one in workers], timeout=0.5)
                for worker in list(workers):
                    late = time.monotonic() > worker.until
                    if worker.pipe not in ready and not late:
                        continue
                    outcome = _answer(worker, seed, limit_s, waiting=worker.pipe in ready)
                    if outcome is not None:
                        yield outcome
                    if not worker.process.is_alive():
                        workers.remove(worker)
                        worker = _Worker(Path(folder), seed, memory_mb)
                        workers.append(worker)
                        continue
                    number = next(todo, None)
                    worker.give(number, limit_s)
                    if number is None:
                        workers.remove(worker)
                        worker.process.join()
        finally:
            for worker in workers:
                worker.process.kill()


def _answer(worker: _Worker, seed: int, limit_s: float, *, waiting: bool) -> Outcome | None:
    """What a worker sent (None: it is ready); when it hangs or died, a failure, and the process is gone."""
    reason = f"no end after {limit_s:g} s"
    if waiting:
        try:
            return worker.pipe.recv()
        except EOFError:
            worker.process.join()
            reason = f"the process died (exit code {worker.process.exitcode})"
    worker.process.kill()
    worker.process.join()
    if worker.number is None:
        raise InputError(f"fuzz: a process did not start: {reason}; run again with fewer --jobs")
    return Outcome(worker.number, case(seed, worker.number)[0], "failed", reason, limit_s)


def table(outcomes: list[Outcome]) -> str:
    """Markdown, a row a format."""
    lines = ["| format | files | read | refused | failed | slowest, s | peak, MiB |", "|---|---|---|---|---|---|---|"]
    for name in [*dict.fromkeys(one.format for one in sorted(outcomes, key=lambda one: one.number)), "all"]:
        mine = [one for one in outcomes if name in (one.format, "all")]
        counts = [sum(one.verdict == verdict for one in mine) for verdict in ("read", "refused", "failed")]
        slowest, peak = max(one.seconds for one in mine), max(one.peak_mib for one in mine)
        lines.append(f"| {name} | {len(mine)} | {' | '.join(map(str, counts))} | {slowest:.2f} | {peak:.0f} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; prints the table and every failure."""
    p = argparse.ArgumentParser(
        prog="python -m scripts.fuzz_readers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--files", type=int, default=10_000, metavar="N", help="(default: %(default)s)")
    p.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    p.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (default: all cores)")
    p.add_argument("--seconds-each", type=float, default=5.0, metavar="S", help="(default: %(default)s)")
    p.add_argument("--memory-mb", type=int, default=1024, metavar="MIB", help="(default: %(default)s)")
    p.add_argument("--only", type=int, metavar="NUMBER", help="read this one file and tell what was said")
    a = p.parse_args(arguments)
    if a.seed < 0 or min(a.files, a.jobs, a.memory_mb) < 1 or a.seconds_each <= 0 or (a.only or 0) < 0:
        raise InputError("fuzz: found a number that is too small, expected positive ones: see --help")
    numbers = range(a.files) if a.only is None else [a.only]
    jobs = min(a.jobs, len(numbers))
    bar = tqdm(run(numbers, a.seed, jobs, a.seconds_each, a.memory_mb), total=len(numbers), unit="file", disable=None)
    outcomes = list(bar)
    print(table(outcomes))
    shown = outcomes if a.only is not None else [one for one in outcomes if one.verdict == "failed"]
    for one in sorted(shown, key=lambda one: one.number):
        print(f"{one.number} ({one.format}): {one.verdict}: {one.detail}")
    return int(any(one.verdict == "failed" for one in outcomes))


if __name__ == "__main__":
    run_main(main)
