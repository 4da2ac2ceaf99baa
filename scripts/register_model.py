"""Register a finished training in MLflow's model registry, unless it is worse than the model that holds the alias."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bundle.errors import run_main


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.register_model",
        description=__doc__,
        epilog="Example: python -m scripts.register_model eval/latest --alias champion. Exit status: 0 registered, or "
        "the alias has these weights already; 1 refused, nothing registered; 2 wrong input. See docs/registry.md.",
    )
    parser.add_argument("run", metavar="RUN", help="folder of a finished training (eval/latest), or its MLflow run id")
    parser.add_argument("--alias", required=True, help="the alias it gets, for example champion")
    parser.add_argument("--name", help="of the registered model (default: oct_fundus_md_regression)")
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow store (default: MLFLOW_TRACKING_URI, else sqlite:///eval/mlflow.db, which training writes)",
    )
    parser.add_argument("--force", action="store_true", help="promote even if worse, or judged on another test set")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    from bundle.deploy.registry.registration import NAME, register
    from bundle.deploy.registry.store import mlflow_store

    with mlflow_store(arguments.tracking_uri, create=Path(arguments.run).is_dir()) as client:
        outcome = register(arguments.run, client, arguments.alias, arguments.name or NAME, arguments.force)
    if outcome.version is None:
        print(outcome.message, file=sys.stderr)
        return 1
    print(outcome.message)
    return 0


if __name__ == "__main__":
    run_main(main)
