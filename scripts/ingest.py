"""Makes a cohort from a clinic's folder: pairs OCT, photograph and visual field, and writes de-identified copies.

    python -m scripts.ingest SRC --out DIR
    python -m scripts.ingest SRC --out DIR --fields fields.csv --window-days 90 --jobs 8

SRC is only read. DIR gets copies, manifest and report without any identifier. Beside DIR lie the secret key and the
list of sources, which are not to be shared. The rules: docs/ingest.md.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from pathlib import Path

from bundle.errors import run_main
from bundle.ingest import Settings, ingest


def main(arguments: list[str] | None = None) -> None:
    """Run the command and print what was written, paired and left out; no name or path of a source is printed."""
    options = _parser().parse_args(arguments)
    result = ingest(Settings(**vars(options)))
    print(f"{len(result.visits)} examinations: {result.manifest}")
    for reason, count in Counter(one.reason for one in result.left_out).most_common():
        print(f"left out: {count}: {reason}")
    print(f"report: {result.report}")
    print(f"private, never to be shared: {result.sources} and the key beside it")


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m scripts.ingest", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("source", type=Path, metavar="SRC", help="folder with DICOM and vendor files, at any depth")
    p.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the cohort; new, or an earlier run's"
    )
    p.add_argument(
        "--key", type=Path, metavar="FILE", help="secret key, made where absent (default: DIR.key, beside DIR)"
    )
    p.add_argument("--fields", type=Path, metavar="CSV",
                   help="visual fields that are not in DICOM: patient_id, eye, date, md_db")  # fmt: skip
    p.add_argument("--window-days", type=int, default=180, metavar="N",
                   help="days that an image may lie before or after its field (default: %(default)s)")  # fmt: skip
    p.add_argument("--keep-burned-in", action="store_true",
                   help="keep images with burned-in text, flagged in the manifest (default: left out)")  # fmt: skip
    p.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
                   help="processes; each may hold a volume in memory (default: all cores)")  # fmt: skip
    p.add_argument("--quiet", dest="progress", action="store_false", help="no progress bar")
    return p


if __name__ == "__main__":
    run_main(main)
