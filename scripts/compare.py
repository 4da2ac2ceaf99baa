"""Compare methods on the same eyes over several seeds; resumable, one process a core.

    python -m scripts.compare --list
    python -m scripts.compare --preset smoke
    python -m scripts.compare --phantom default long_tail --epochs 30 60 --out eval/compare/first
    python -m scripts.compare --manifest my/manifest.csv --folds 5 --methods oct_only concat re_m3dr

The same command again completes what is not finished. See comparison.md in --out.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.errors import run_main

if TYPE_CHECKING:
    from bundle.comparison import Planned


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 1 when a training failed or a method was refused."""
    from bundle.comparison.planning.options import apply_preset, parser

    a = parser(__doc__).parse_args(arguments)
    if a.list:
        from bundle.comparison.methods.listing import methods_table

        print(methods_table(a.verbose), end="")
        return 0
    apply_preset(a)
    from bundle.comparison import estimate_text, plan_studies, publish, run_studies
    from bundle.comparison.planning.asked import output_folder, read_studies
    from bundle.reporting.provenance import cores

    studies = read_studies(a)
    if a.dry_run:
        with tempfile.TemporaryDirectory() as draft:
            planned = plan_studies(studies, Path(draft))
            tell_refused(planned)
            print(estimate_text(planned), end="")
        return 0
    planned = plan_studies(studies)
    tell_refused(planned)
    for one in planned:
        cells = [*one.undecided, *one.finals()]
        done = sum(cell.done for cell in cells)
        print(f"{len(cells)} trainings, {done} of them finished: {one.study.out}", flush=True)
    ended = run_studies(planned, a.jobs or cores())
    command = shlex.join(["python", "-m", "scripts.compare", *(sys.argv[1:] if arguments is None else arguments)])
    print(f"\n{publish(ended, output_folder(a), command)}")
    failed = sum(one.failed for one in ended)
    if failed:
        total = sum(len(one.cells) for one in ended)
        print(f"{failed} of {total} trainings failed; the same command tries them again", file=sys.stderr)
    return 1 if failed or any(one.study.refused for one in planned) else 0


def tell_refused(planned: Sequence[Planned]) -> None:
    """A line for each method that cannot run; once when no cohort differs in it."""
    lines = {f"refused: {name}: {reason}" for one in planned for name, reason in one.study.refused.items()}
    for line in sorted(lines):
        print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    run_main(main)
