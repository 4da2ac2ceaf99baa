"""Make a bundle for the MONAI Model Zoo: a clean, versioned folder and its zip archive."""

from __future__ import annotations

import argparse
from pathlib import Path

from bundle.deploy.zoo_rules import DEFAULT_NAME
from bundle.errors import run_main

ROOT = Path(__file__).resolve().parents[1]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.package_bundle",
        description=f"{__doc__} Without a model in --model, trains the default one first (configs/train.yaml on the "
        "simulated cohort, about 5 minutes on 2 CPU cores) and puts it there.",
        epilog="Example: python -m scripts.package_bundle --out dist --model eval/latest. Then: "
        "python -m scripts.verify_bundle dist/" + DEFAULT_NAME + ". See docs/model_zoo.md.",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write NAME and its zip in")
    parser.add_argument("--name", default=DEFAULT_NAME, help="of the bundle (default: %(default)s)")
    parser.add_argument(
        "--model", type=Path, metavar="DIR",
        help="folder with model.pt and model.json, such as eval/latest; the score is read from test/metrics.json and "
        "config.yaml in it (default: models, which `make promote` fills)",
    )  # fmt: skip
    parser.add_argument("--no-train", action="store_true", help="refuse, rather than train, when there is no model")
    parser.add_argument(
        "--weights-url", metavar="URL", help="where weight files above 25 MB will lie, for large_files.yml"
    )
    parser.add_argument("--force", action="store_true", help="replace an earlier package of that name")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    from bundle.deploy.package.build import build_package
    from bundle.deploy.package.default_model import ensure_model
    from bundle.deploy.zoo_rules import check_name
    from bundle.reporting.provenance import commit_of_code

    check_name(arguments.name)
    model = arguments.model or ROOT / "models"
    ensure_model(model, ROOT, train=arguments.model is None and not arguments.no_train)
    made = build_package(ROOT, model, arguments.out, arguments.name, url=arguments.weights_url, force=arguments.force)
    print(made.folder)
    print(made.archive)
    for path in made.aside:
        print(f"{path}: upload it to {arguments.weights_url}")
    commit = commit_of_code()
    if commit is not None and commit[1]:
        print(f"note: bundle/ or configs/ differ from commit {commit[0][:12]}; commit first, so that others can tell")
    if made.score is None:
        print("no score: the model's folder holds no test/metrics.json; the card says so")


if __name__ == "__main__":
    run_main(main)
