"""Check a manifest and all its images before a long training: every problem at once, with its row and what to do.

    python -m scripts.doctor /path/manifest.csv
    python -m scripts.doctor /path/manifest.csv --out report --strict

Prints tables and writes doctor.html (with small pictures), doctor.md and doctor.json. Eyes are named by their manifest
row, never by a patient's identifier or a file's name. Exit code: 0 without errors, 1 with errors (with --strict also
with warnings), 2 when the manifest cannot be read at all.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bundle.errors import InputError, run_main


def main(arguments: list[str] | None = None) -> int:
    """Examine, print, write; returns the exit code."""
    a = _parser().parse_args(arguments)
    if a.thumbnails < 0 or (a.workers is not None and a.workers < 1):
        raise InputError(f"--thumbnails, --workers: found {a.thumbnails}, {a.workers}, expected 0 or more, 1 or more")
    from bundle.doctor import examine, gather
    from bundle.doctor.report import write_report
    from bundle.doctor.text import terminal_text

    evidence = gather(a.manifest, "optional" if a.unlabelled else "required", a.workers)
    findings = examine(evidence)
    print(terminal_text(evidence, findings), flush=True)
    page = write_report(evidence, findings, a.out or Path("eval/doctor") / a.manifest.stem, a.thumbnails, a.workers)
    print(f"With pictures: {page}")
    failing = ("error", "warning") if a.strict else ("error",)
    return int(any(one.level in failing for one in findings))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.doctor", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", type=Path, help="the manifest CSV")
    parser.add_argument("--out", type=Path, metavar="DIR", help="(default: eval/doctor/ and the manifest's name)")
    parser.add_argument("--unlabelled", action="store_true", help="for prediction: md_db may be empty or absent")
    parser.add_argument("--strict", action="store_true", help="warnings too make the exit code 1")
    parser.add_argument("--thumbnails", type=int, default=200, metavar="N",
                        help="eyes with pictures, those with findings first (default: %(default)s)")  # fmt: skip
    parser.add_argument("--workers", type=int, metavar="N", help="threads that read images (default: one a core)")
    return parser


if __name__ == "__main__":
    run_main(main)
