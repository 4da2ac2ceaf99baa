"""Column after column: environment, tests, result; then the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.deploy.versions.columns import requirements
from bundle.deploy.versions.environment import prepare
from bundle.deploy.versions.table import hardware, markdown
from bundle.deploy.versions.tests_run import earlier, run_tests
from bundle.reporting.atomic import write_json_atomic, write_text_atomic


def run_matrix(
    columns: Mapping[str, Mapping[str, str]], folder: Path, arguments: Sequence[str] = (), fresh: bool = False
) -> dict[str, dict[str, Any]]:
    """Run every column and write matrix.md and matrix.json into `folder` after each.

    Args:
        columns: name -> pins.
        folder: one folder a column is made in it; what is finished there is used again.
        arguments: for pytest; none runs the fast tests.
        fresh: make environments and results anew.

    Returns:
        Column -> result, as `run_tests` returns it.

    Raises:
        InputError: versions that cannot be installed together.
    """
    results: dict[str, dict[str, Any]] = {}
    where = hardware()
    for number, (name, pins) in enumerate(columns.items(), start=1):
        lines, place = requirements(pins), folder / name
        place.mkdir(parents=True, exist_ok=True)
        print(f"[{number}/{len(columns)}] {name}: {', '.join(f'{k} {v}' for k, v in pins.items())}", flush=True)
        seconds = prepare(place, lines, fresh)
        print(f"  environment: {f'made in {seconds:.0f} s' if seconds else 'there already'}", flush=True)
        result = None if fresh else earlier(place, lines, arguments)
        if result is not None:
            print(f"  tests: passed already on {result['date']}", flush=True)
        results[name] = result or run_tests(place, lines, arguments)
        write_text_atomic(folder / "matrix.md", markdown(results, where))
        write_json_atomic(folder / "matrix.json", {"hardware": where, "columns": results})
    return results
