"""Write a model as the one file that MONAI Deploy loads: TorchScript with the bundle's configuration inside."""

from __future__ import annotations

import argparse

from bundle.errors import run_main


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.export_monai_deploy",
        description=__doc__,
        epilog="Example: python -m scripts.export_monai_deploy --model eval/latest --out model.ts",
    )
    parser.add_argument("--model", required=True, metavar="DIR", help="folder of a model, for example eval/latest")
    parser.add_argument("--out", required=True, metavar="FILE", help="file to write; its name ends in .ts")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    from bundle.deploy.monai_deploy.model_file import write_model_file

    print(write_model_file(arguments.model, arguments.out, arguments.force))


if __name__ == "__main__":
    run_main(main)
