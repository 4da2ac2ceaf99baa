"""The command without --run, and its mistakes."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.version_matrix", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_run_the_columns_are_listed_and_nothing_is_made(tmp_path: Path) -> None:
    done = command("--env-dir", str(tmp_path / "made"))
    assert done.returncode == 0
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["oldest", "newest"]
    assert "monai==" in done.stdout
    assert not (tmp_path / "made").exists()


def test_an_unknown_column_is_one_line() -> None:
    done = command("--only", "middle")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "oldest, newest" in done.stderr
