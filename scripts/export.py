"""Export a trained model to TorchScript, torch.export and ONNX, and compare each file with the original."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bundle.errors import InputError, run_main

if TYPE_CHECKING:
    from bundle.deploy.export.export import Exported

FORMATS = ("torchscript", "torch_export", "onnx")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.export",
        description=__doc__,
        epilog="Example: python -m scripts.export --model eval/latest --out eval/export. Exit status 1: a file answers "
        "otherwise than the model. See docs/export.md.",
    )
    parser.add_argument("--model", required=True, metavar="DIR", help="folder of a model, for example eval/latest")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to make")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS, help="default: all three")
    parser.add_argument("--manifest", metavar="CSV", help="compare on these eyes (default: phantom eyes)")
    parser.add_argument("--eyes", type=int, default=100, metavar="N", help="compare on so many (default: %(default)s)")
    parser.add_argument(
        "--tolerance", type=float, default=1e-4, metavar="DB", help="largest difference allowed (default: %(default)s)"
    )
    parser.add_argument("--prepare", metavar="CSV", help="write the prepared eyes of a manifest to DIR/eyes.npz, too")
    parser.add_argument("--force", action="store_true", help="replace an earlier export")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    if arguments.eyes < 1:
        raise InputError(f"--eyes: found {arguments.eyes}, expected 1 or more")
    from bundle.deploy.export.export import agrees, eager_ms, export_model
    from bundle.deploy.export.eyes import complete_eyes, write_prepared
    from bundle.deploy.predictor import Predictor

    predictor = Predictor(arguments.model)
    eyes = complete_eyes(predictor, arguments.eyes, arguments.manifest)
    done = export_model(predictor, arguments.out, eyes, arguments.formats, arguments.tolerance, arguments.force)
    print_table(done, arguments.tolerance)
    print(f"eager: {eager_ms(predictor, eyes):.1f} ms an eye")
    if not agrees(done, arguments.tolerance):
        print(f"{arguments.out}: not written, since a file answers otherwise than the model")
        return 1
    if arguments.prepare:
        write_prepared(predictor, arguments.prepare, arguments.out / "eyes.npz")
    return 0


def print_table(done: Sequence[Exported], tolerance_db: float) -> None:
    """One line a format, subset and batch size."""
    from bundle.reporting.grid import to_text

    rows = []
    for one in done:
        for line in one.compared:
            verdict = "ok" if line.difference_db <= tolerance_db else "FAIL"
            figures = [line.batch_size, line.eyes, f"{line.difference_db:.1e}", f"{one.bytes / 1e6:.1f}"]
            rows.append([one.format, line.subset, *map(str, figures), f"{one.ms:.1f}", verdict])
    header = ("format", "present", "batch", "eyes", "largest difference, dB", "MB", "ms an eye", "")
    print(to_text(header, [("", rows)], left=2))


if __name__ == "__main__":
    run_main(main)
