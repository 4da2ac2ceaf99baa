"""Predict Mean Deviation from model.onnx alone: needs numpy and onnxruntime, no torch and nothing else of the bundle.

python predict_onnx.py model.onnx eyes.npz

eyes.npz holds prepared float32 arrays, `image` (B, 1, B-scan, depth, A-scan) for the OCT and `fundus` (B, 3, H, W) for
the photograph, as `python -m scripts.export --prepare manifest.csv` writes them. One of the two may be missing, or a
row of it full of NaN. `row` and `eye`, one value an eye, are printed with the answers where they are there.

Prints one JSON object an eye: MD in dB, about +2 (normal) to -33. For research; not for decisions about a patient.
"""

from __future__ import annotations

import argparse
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

NAMES = {"image": "oct", "fundus": "fundus"}
LABELS = ("row", "eye")
BATCH = 32


class OnnxPredictor:
    """A model.onnx that `scripts.export` wrote."""

    def __init__(self, path: str) -> None:
        if not Path(path).is_file():
            raise ValueError(f"{path}: no such file; expected a model.onnx that scripts.export wrote")
        try:
            self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own kinds of errors share no base class
            raise ValueError(f"{path}: onnxruntime cannot read it; expected a model.onnx of scripts.export") from error
        about = self.session.get_modelmeta().custom_metadata_map
        if "stage_edges_db" not in about:
            raise ValueError(
                f"{path}: found no stages in its metadata; expected a model.onnx that scripts.export wrote"
            )
        self.version = json.loads(about["model_version"])
        self.stages, self.edges_db = json.loads(about["stages"]), json.loads(about["stage_edges_db"])
        self.interval = json.loads(about.get("prediction_interval", "null")) or {"answers": {}}
        self.shapes = {one.name: tuple(one.shape[1:]) for one in self.session.get_inputs()}

    def predict(self, eyes: dict[str, np.ndarray]) -> list[dict[str, Any]]:
        """One dict an eye, as `python -m scripts.predict` prints it, MD unrounded.

        eyes: by tensor name (B, ...); ValueError for another name, shape or type, and for an eye without any image.
        """
        batch = self._complete(eyes)
        present = {name: ~np.isnan(x).reshape(len(x), -1).all(axis=1) for name, x in batch.items()}
        nobody = np.flatnonzero(~np.any(list(present.values()), axis=0))
        if nobody.size:
            raise ValueError(f"eye {nobody[0]}: found neither image, expected {' or '.join(self.shapes)}")
        answers: list[dict[str, Any]] = []
        for start in range(0, len(next(iter(batch.values()))), BATCH):
            part = {name: x[start : start + BATCH] for name, x in batch.items()}
            md, md_oct, md_fundus = self.session.run(["md_db", "md_oct_db", "md_fundus_db"], part)
            for i in range(len(md)):
                used = [NAMES[name] for name in self.shapes if present[name][start + i]]
                answers.append(self._answer(float(md[i]), float(md_oct[i]), float(md_fundus[i]), used))
        return answers

    def _complete(self, eyes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        unknown = sorted(set(eyes) - set(self.shapes))
        if unknown or not eyes:
            found = ", ".join(unknown) or "no array"
            raise ValueError(f"eyes: found {found}, expected {' and '.join(self.shapes)}")
        size = len(next(iter(eyes.values()))) if next(iter(eyes.values())).ndim else 0
        for name, x in eyes.items():
            expected = (size, *self.shapes[name])
            if size == 0 or x.shape != expected or x.dtype != np.float32:
                shape = ("eyes", *self.shapes[name])
                raise ValueError(f"{name}: found {x.dtype} {x.shape}, expected float32 ({', '.join(map(str, shape))})")
        return {name: eyes.get(name, np.full((size, *s), np.nan, np.float32)) for name, s in self.shapes.items()}

    def _answer(self, md_db: float, md_oct_db: float, md_fundus_db: float, used: list[str]) -> dict[str, Any]:
        result: dict[str, Any] = {"md_db": md_db, **self._interval(md_db, used)}
        result |= {"stage": self._stage(md_db), "modalities": used}
        if len(used) == 2:
            result |= {"md_oct_db": md_oct_db, "md_fundus_db": md_fundus_db}
        return result | {"model_version": self.version}

    def _interval(self, md_db: float, used: list[str]) -> dict[str, Any]:
        found = self.interval["answers"].get("+".join(used))
        if found is None:
            return {"interval_db": None, "interval_level": None}
        spread, (low, high) = 1.0 + found["slope"] * max(0.0, -md_db), self.interval["range_db"]
        limits_db = (md_db - found["lower_db"] * spread, md_db + found["upper_db"] * spread)
        inside = [round(min(max(limit_db, low), high), 3) for limit_db in limits_db]
        return {"interval_db": inside, "interval_level": self.interval["level"]}

    def _stage(self, md_db: float) -> str:
        near, early, moderate = self.edges_db  # an MD on the last edge belongs to the better stage
        return str(self.stages[int(md_db <= near) + int(md_db <= early) + int(md_db < moderate)])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], epilog=(__doc__ or "").split("\n\n")[3]
    )
    parser.add_argument("model", help="model.onnx")
    parser.add_argument("eyes", help="prepared eyes, .npz")
    arguments = parser.parse_args()
    try:
        predictor = OnnxPredictor(arguments.model)
        try:
            with np.load(arguments.eyes, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        except (OSError, ValueError, AttributeError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{arguments.eyes}: cannot be read; expected an .npz of arrays") from error
        labels = {name: arrays.pop(name).tolist() for name in LABELS if name in arrays}
        for number, answer in enumerate(predictor.predict(arrays)):
            label = {name: values[number] for name, values in labels.items()}
            print(json.dumps(label | {k: round(v, 3) if isinstance(v, float) else v for k, v in answer.items()}))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
