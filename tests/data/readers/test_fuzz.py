"""Damaged files of every format: a usable record or one line, here without the limits that `scripts.fuzz_readers` sets.

What would end the whole process is known by number and is read in a process of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from scripts.fuzz_damage import case, write_case
from scripts.fuzz_readers import _READERS, Outcome, _answer, _Worker, judge, main, run, table
from scripts.fuzz_seeds import seeds

ROOT = Path(__file__).resolve().parents[3]
N_FILES = 300
# With these numbers of seed 0, GDCM ends the process, which is why pydicom is told to use other decoders.
ABORTED = (613, 1438, 6563, 9243)


@pytest.mark.parametrize("name", seeds())
def test_seed_is_valid(name: str, tmp_path: Path) -> None:
    """Else nothing would be tested but the first refusal."""
    seed = seeds()[name]
    files = {key: seed.pack(content) if seed.pack else content for key, content in seed.files.items()}
    read, kind = _READERS[seed.reader]
    assert isinstance(read(write_case(tmp_path / "new", seed, files)), kind)


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_give_a_record_or_one_line(tmp_path: Path) -> None:
    outcomes = [judge(1, number, tmp_path / "case") for number in range(N_FILES)]
    assert [one for one in outcomes if one.verdict == "failed"] == []
    assert {one.format for one in outcomes} == set(seeds())
    n_read = sum(one.verdict == "read" for one in outcomes)
    assert N_FILES / 10 < n_read < N_FILES / 2  # neither everything is refused at once, nor is the damage harmless
    assert max(one.seconds for one in outcomes) < 5.0
    assert list(tmp_path.iterdir()) == []


def test_number_is_always_the_same_file() -> None:
    assert case(3, 17)[2] == case(3, 17)[2]
    assert case(3, 17)[2] != case(4, 17)[2]


@pytest.mark.parametrize("message", ["no path", "{path}: two\nlines", "{path}: CANARY4711", "{path}: (MemoryError)"])
def test_oracle_refuses_a_poor_refusal(message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bundle.errors import InputError

    def poor(path: Path) -> object:
        raise InputError(message.format(path=path))

    monkeypatch.setitem(_READERS, "oct", (poor, object))
    assert judge(0, 0, tmp_path / "case").verdict == "failed"


@pytest.mark.parametrize(("record", "word"), [(KeyError("x"), "KeyError at test_fuzz.py"), (None, "returned NoneType")])
def test_oracle_refuses_other_errors_and_records(record: object, word: str, tmp_path: Path, monkeypatch) -> None:
    def wrong(path: Path) -> object:
        if isinstance(record, Exception):
            raise record
        return record

    monkeypatch.setitem(_READERS, "oct", (wrong, str))
    assert word in judge(0, 0, tmp_path / "case").detail


def test_process_that_hangs_is_a_failure_and_the_others_go_on() -> None:
    pool = run(range(3), 0, jobs=1, limit_s=1.0, memory_mb=1024)
    outcomes = [next(pool)]
    (child,) = multiprocessing.active_children()
    assert child.pid is not None
    os.kill(child.pid, signal.SIGSTOP)
    outcomes += pool
    assert [(one.number, one.verdict == "failed") for one in outcomes] == [(0, False), (1, True), (2, False)]
    assert outcomes[1].detail == "no end after 1 s"
    assert not multiprocessing.active_children()


def test_process_that_dies_is_a_failure(tmp_path: Path) -> None:
    worker = _Worker(tmp_path, 0, memory_mb=1024)
    assert worker.pipe.recv() is None
    worker.number = 7
    worker.process.kill()
    assert _answer(worker, 0, 1.0, waiting=True).detail == "the process died (exit code -9)"


def test_command_repeats_one_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "0"]) == 0
    assert "0 (NIfTI): re" in capsys.readouterr().out


def test_table_counts_by_format() -> None:
    outcomes = [Outcome(0, "A", "read"), Outcome(1, "B", "failed", "x", 5.0, 7.0), Outcome(2, "A", "refused")]
    lines = table(outcomes).splitlines()
    assert lines[2:] == [
        "| A | 2 | 1 | 1 | 0 | 0.00 | 0 |",
        "| B | 1 | 0 | 0 | 1 | 5.00 | 7 |",
        "| all | 3 | 1 | 1 | 1 | 5.00 | 7 |",
    ]


@pytest.mark.skipif(find_spec("panimg") is not None, reason="with the formats that panimg reads, numbers are others")
def test_damage_that_ended_the_process_is_refused() -> None:
    code = (
        "import pathlib, sys, tempfile, scripts.fuzz_readers as f\n"
        "new = pathlib.Path(tempfile.mkdtemp())\n"
        f"print(*[f.judge(0, n, new / 'case').verdict for n in {ABORTED}])\nnew.rmdir()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    assert set(done.stdout.split()) <= {"read", "refused"}
