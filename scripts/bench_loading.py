"""Time from an OCT volume in DICOM to a training sample, against reading it with plain pydicom and resampling it.

python -m scripts.bench_loading        noise of the size of a Cirrus optic disc cube: 200 x 1024 x 200 bytes

The reference does the least that gives an image of the network's size: pydicom's dcmread and pixel_array, float32, and
the mean over blocks (torch.nn.functional.interpolate, mode area). Ours is the whole deterministic part of
configs/train.yaml: it also checks the file, finds the order of the B-scans and the spacing, and standardizes.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import torch
from monai.bundle import ConfigParser
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from bundle.data import EyeDataset
from bundle.errors import run_main

_CONFIG = Path(__file__).resolve().parents[1] / "configs" / "train.yaml"
_FIELD_MM = (6.0, 2.0, 6.0)
_OPT = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
REFERENCE, OURS = "plain pydicom and resampling", "training sample"
MIRRORED, CACHED = "training sample, left eye", "training sample from cache_dir"


def write_cube(path: Path, shape: tuple[int, int, int]) -> Path:
    """Noise of (B-scan, depth, A-scan) bytes over 6 x 2 x 6 mm as one uncompressed Ophthalmic Tomography file."""
    voxels = np.random.default_rng(0).gamma(2.0, 30.0, shape).clip(0, 255).astype(np.uint8)
    bscan_mm, depth_mm, ascan_mm = (mm / n for mm, n in zip(_FIELD_MM, shape, strict=True))
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = _OPT, generate_uid(), "OPT"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = shape
    dataset.SamplesPerPixel, dataset.PixelRepresentation, dataset.PhotometricInterpretation = 1, 0, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    measures = _item(PixelSpacing=[round(depth_mm, 9), round(ascan_mm, 9)], SliceThickness=round(bscan_mm, 9))
    dataset.SharedFunctionalGroupsSequence = [_item(PixelMeasuresSequence=[measures])]
    dataset.PerFrameFunctionalGroupsSequence = [
        _item(
            FrameContentSequence=[_item(StackID="1", InStackPositionNumber=i + 1)],
            PlanePositionSequence=[_item(ImagePositionPatient=[-3.0, 0.0, round((shape[0] - 1 - i) * bscan_mm, 6)])],
            PlaneOrientationSequence=[_item(ImageOrientationPatient=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])],
        )
        for i in range(shape[0])
    ]
    dataset.PixelData = voxels.tobytes()
    dataset["PixelData"].VR = "OB"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    return path


def _item(**elements: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def ways(path: Path, cache_dir: Path) -> dict[str, Callable[[], Any]]:
    """The ways to a sample, by name; each reads the file, or the entry in `cache_dir`, once."""
    parser = ConfigParser()
    parser.read_config(_CONFIG)
    transforms = parser.get_parsed_content("train#deterministic_transforms")
    grid = tuple(parser.get_parsed_content("oct_grid"))

    def reference() -> torch.Tensor:
        voxels = pydicom.dcmread(path).pixel_array.astype(np.float32)
        return torch.nn.functional.interpolate(torch.from_numpy(voxels)[None, None], size=grid, mode="area")

    def ours(eye: str, **options: Any) -> Callable[[], Any]:
        raw: dict[Any, Any] = {"image": str(path), "eye": eye, "label": -3.0, "row": 2}
        data = EyeDataset([raw], transforms, cache=False, **options)
        return lambda: data[0]

    return {
        REFERENCE: reference,
        OURS: ours("OD"),
        MIRRORED: ours("OS"),
        CACHED: ours("OD", cache_dir=str(cache_dir)),
    }


def peak_mib(path: Path, cache_dir: Path, name: str) -> float:
    """Growth of a fresh process's memory at its peak, MiB, as one way is gone once; NaN where Linux does not tell."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_growth_mib, (path, cache_dir, name))


def _growth_mib(path: Path, cache_dir: Path, name: str) -> float:
    way = ways(path, cache_dir)[name]
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not reset.exists():
        return math.nan
    reset.write_text("5")  # the peak begins anew
    before = _kib(status, "VmRSS")
    way()
    return (_kib(status, "VmHWM") - before) / 2**10


def _kib(status: Path, field: str) -> int:
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(field))


def measure(path: Path, cache_dir: Path, repeats: int) -> dict[str, float]:
    """Median seconds of each way. They take turns, so that a busy moment of the machine falls on all."""
    all_ways = ways(path, cache_dir)
    seconds: dict[str, list[float]] = {name: [] for name in all_ways}
    for turn in range(repeats + 1):  # the first one warms up and fills the cache
        for name, way in all_ways.items():
            start = time.perf_counter()
            way()
            if turn > 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; prints a Markdown table."""
    p = argparse.ArgumentParser(prog="python -m scripts.bench_loading", description=(__doc__ or "").splitlines()[0])
    p.add_argument("--shape", type=int, nargs=3, default=(200, 1024, 200), help="B-scan, depth, A-scan")
    p.add_argument("--repeats", type=int, default=15, help="timed turns (default: %(default)s)")
    p.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch (default: %(default)s)")
    a = p.parse_args(arguments)
    torch.set_num_threads(a.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = write_cube(Path(folder) / "cube.dcm", tuple(a.shape))
        cache_dir = Path(folder) / "cache"
        seconds = measure(path, cache_dir, a.repeats)
        print(f"{a.threads} threads, median of {a.repeats} turns\n\n| way | ms | ratio | peak memory, MiB |")
        print("|---|---|---|---|")
        for name, value in seconds.items():
            ratio = value / seconds[REFERENCE]
            print(f"| {name} | {1000 * value:.1f} | {ratio:.2f} | {peak_mib(path, cache_dir, name):.0f} |")
    return 0


if __name__ == "__main__":
    run_main(main)
