"""Serve a registered model over HTTP as `mlflow models serve` does, with a limit on a request's body."""

from __future__ import annotations

import argparse

from bundle.errors import InputError, run_main


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.serve_model",
        description=__doc__,
        epilog="Example: python -m scripts.serve_model models:/oct_fundus_md_regression@champion --port 5001. There is "
        "no access control: keep it on 127.0.0.1, or behind a proxy that has one. See docs/registry.md.",
    )
    parser.add_argument("model", metavar="MODEL", help="models:/NAME@ALIAS, models:/NAME/VERSION, or a model's folder")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=5001, help="default: 5001")
    parser.add_argument("--max-mb", type=float, default=64.0, help="largest body, in 1e6 bytes (default: 64)")
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow store (default: MLFLOW_TRACKING_URI, else sqlite:///eval/mlflow.db)",
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if not arguments.max_mb > 0:
        raise InputError(f"--max-mb: found {arguments.max_mb}; expected a number above 0")
    import uvicorn
    from mlflow.pyfunc import load_model

    from bundle.deploy.registry.server import scoring_app
    from bundle.deploy.registry.store import mlflow_store

    if arguments.model.startswith("models:/"):
        with mlflow_store(arguments.tracking_uri):
            model = load_model(arguments.model)
    else:
        model = load_model(arguments.model)
    uvicorn.run(scoring_app(model, int(arguments.max_mb * 1e6)), host=arguments.host, port=arguments.port)


if __name__ == "__main__":
    run_main(main)
