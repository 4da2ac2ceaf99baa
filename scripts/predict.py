"""Predict Mean Deviation for one eye, or for every eye of a manifest; one JSON object per eye on standard output."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from bundle.errors import InputError, run_main


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.predict",
        description=__doc__,
        epilog="MD in dB, about +2 (normal) to -33. For research; not for decisions about a patient.",
    )
    parser.add_argument("--model", required=True, metavar="DIR", help="folder of a model, for example eval/latest")
    parser.add_argument("--oct", metavar="FILE", help="OCT volume: NIfTI, NPZ or a folder of B-scans")
    parser.add_argument("--fundus", metavar="FILE", help="fundus photograph: PNG, JPEG or TIFF")
    parser.add_argument(
        "--eye", choices=("OD", "OS"), help="right or left; needed when neither header nor name of a file says"
    )
    parser.add_argument("--manifest", metavar="CSV", help="predict every row of a manifest instead")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, mps")
    parser.add_argument(
        "--server", metavar="URL", help="prepare here, ask a served model (docs/registry.md) for its MD"
    )
    return parser.parse_args()


def eyes(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Arguments of `Predictor.predict`, and the manifest row where there is one."""
    if arguments.manifest is None:
        yield {"oct": arguments.oct, "fundus": arguments.fundus, "eye": arguments.eye}
        return
    if arguments.oct or arguments.fundus:
        raise InputError("predict: found --manifest together with --oct or --fundus; give one or the other")
    from bundle.data import Cohort

    for item in Cohort(arguments.manifest, labels="optional").items("all"):
        yield {"oct": item.get("image"), "fundus": item.get("fundus"), "eye": item["eye"], "row": item["row"]}


def main() -> None:
    arguments = parse_arguments()
    if arguments.server:
        from bundle.deploy.registry.served_network import served_predictor

        predictor = served_predictor(arguments.model, arguments.server)
    else:
        from bundle.deploy.predictor import Predictor

        predictor = Predictor(arguments.model, arguments.device)
    for eye in eyes(arguments):
        row = {"row": eye.pop("row")} if "row" in eye else {}
        json.dump(row | predictor.predict(**eye), sys.stdout)
        print(flush=True)


if __name__ == "__main__":
    run_main(main)
