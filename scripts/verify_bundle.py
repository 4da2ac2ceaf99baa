"""Check a packaged bundle as the Model Zoo would, offline: files, metadata, pins, network, and its commands."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from bundle.errors import InputError, run_main


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.verify_bundle",
        description=f"{__doc__} One line a check: ok, FAIL with the fix, or skip with the reason; all are made. "
        "Exit status 1 when one fails. The last checks make an environment with the package's pins (some minutes and "
        "2.4 GB, once) and run one epoch, evaluation and inference in a copy. They run the package's code.",
        epilog="Example: python -m scripts.verify_bundle dist/oct_fundus_md_regression. See docs/model_zoo.md.",
    )
    parser.add_argument("bundle", type=Path, metavar="DIR", help="folder of the package")
    parser.add_argument(
        "--env", type=Path, metavar="DIR", help="where the environment lies (default: the user's cache)"
    )
    parser.add_argument(
        "--python", metavar="PATH", help="an interpreter that has the requirements, instead of a new one"
    )
    parser.add_argument("--quick", "--no-env", action="store_true", help="leave out what needs the fresh environment")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    from bundle.deploy.verify.environment import Environment
    from bundle.deploy.verify.verify import verify

    if arguments.quick and (arguments.env or arguments.python):
        raise InputError("verify: found --quick together with --env or --python; give one or the other")
    environment = None if arguments.quick else Environment(arguments.bundle, arguments.env, arguments.python)
    count: Counter[str] = Counter()
    for outcome in verify(arguments.bundle, environment):
        count[outcome.status] += 1
        print(outcome.line(), flush=True)
    print(f"{count['ok']} ok, {count['FAIL']} failed, {count['skip']} skipped")
    return 1 if count["FAIL"] else 0


if __name__ == "__main__":
    run_main(main)
