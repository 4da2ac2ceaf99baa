"""Run the fast tests with the oldest and the newest supported versions, each in an environment of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from bundle.errors import run_main


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.version_matrix",
        description=__doc__ + " Without --run it lists the columns.",
        epilog='Example: python -m scripts.version_matrix --run --only oldest --tests "tests/handlers tests/engines"',
    )
    parser.add_argument("--run", action="store_true", help="install and test; about 3 GB and 20 minutes a column")
    parser.add_argument("--only", action="append", metavar="NAME", help="this column; may be given several times")
    parser.add_argument(
        "--env-dir", default="eval/versions", metavar="DIR", help="environments, logs and results (eval/versions)"
    )
    parser.add_argument("--tests", default="", metavar="ARGS", help="arguments of pytest, such as folders of tests")
    parser.add_argument("--fresh", action="store_true", help="do anew what an earlier run has finished")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    import shlex

    from bundle.deploy.versions.columns import chosen
    from bundle.deploy.versions.matrix import run_matrix

    columns = chosen(arguments.only)
    if not arguments.run:
        for name, pins in columns.items():
            print(f"{name}: {', '.join(f'{package}=={version}' for package, version in pins.items())}")
        return 0
    folder = Path(arguments.env_dir).resolve()
    results = run_matrix(columns, folder, shlex.split(arguments.tests), arguments.fresh)
    print((folder / "matrix.md").read_text(encoding="utf-8"), end="")
    return 0 if all(result["passed_all"] for result in results.values()) else 1


if __name__ == "__main__":
    run_main(main)
