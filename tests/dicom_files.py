"""Writes DICOM files for tests with pydicom: OCT volumes in one file, and series of one B-scan a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from tests.dicom_header import add_opt_modules, code, header, item
from tests.dicom_pixels import Change, save, set_pixels

OPT = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)  # A-scans to the patient's left, depth to the back


def canonical(shape: tuple[int, int, int] = (12, 96, 64), dtype: str = "u1", seed: int = 0) -> np.ndarray:
    """A volume (B-scan, depth, A-scan) that no flip or exchange of axes leaves as it was."""
    highest = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, highest, shape, dtype=dtype, endpoint=True)


def write_opt(
    path: Path,
    voxels: np.ndarray,
    spacing_mm: tuple[float, float, float],
    laterality: str | None = "R",
    *,
    measures: str | None = "shared",
    between: Sequence[str] = ("SpacingBetweenSlices", "SliceThickness"),
    orientation: Sequence[float] | None = UPRIGHT,
    starts_mm: np.ndarray | None = None,
    stored: Sequence[int] | None = None,
    numbers: Sequence[int] | None = None,
    lines: np.ndarray | None = None,
    monochrome1: bool = False,
    syntax: str = ExplicitVRLittleEndian,
    change: Change | None = None,
) -> Path:
    """Write voxels (B-scan, depth, A-scan) as one Ophthalmic Tomography file.

    measures: where the spacing stands: "shared", "frame" (functional groups), "top" level, or None for nowhere.
    between: attributes that state the spacing between B-scans.
    orientation: ImageOrientationPatient, None for a file without positions. starts_mm: (B-scan, 3) positions; the first
        B-scan is the superior one if not given.
    stored: order in which the B-scans are stored. numbers: InStackPositionNumber by B-scan, 1, 2, ... if not given.
    lines: (B-scan, n) ReferenceCoordinates on a fundus image. change: edits the dataset before it is written.
    """
    n, _, columns = voxels.shape
    bscan_mm, depth_mm, ascan_mm = spacing_mm
    pixel_measures = item(PixelSpacing=[depth_mm, ascan_mm], **dict.fromkeys(between, bscan_mm))
    if starts_mm is None:
        starts_mm = np.array([[-columns * ascan_mm / 2, 0.0, (n - 1 - i) * bscan_mm] for i in range(n)])
    frames = []
    for i in range(n):
        number = i + 1 if numbers is None else numbers[i]
        content = item(
            FrameAcquisitionNumber=i + 1, StackID="1", InStackPositionNumber=number, DimensionIndexValues=[1, number]
        )
        content.FrameReferenceDateTime = content.FrameAcquisitionDateTime = "20260102030405"
        content.FrameAcquisitionDuration = 10.0
        frame = item(FrameContentSequence=[content])
        if laterality is not None:
            region = code("81745001", "SCT", "Eye")
            frame.FrameAnatomySequence = [item(AnatomicRegionSequence=region, FrameLaterality=laterality)]
        if measures == "frame":
            frame.PixelMeasuresSequence = [pixel_measures]
        if orientation is not None:
            frame.PlanePositionSequence = [item(ImagePositionPatient=[round(float(mm), 6) for mm in starts_mm[i]])]
            frame.PlaneOrientationSequence = [item(ImageOrientationPatient=list(orientation))]
        if lines is not None:
            frame.OphthalmicFrameLocationSequence = [location(lines[i])]
        frames.append(frame)
    dataset = header(OPT, laterality)
    shared = {"PixelMeasuresSequence": [pixel_measures]} if measures == "shared" else {}
    dataset.SharedFunctionalGroupsSequence = [item(**shared)]
    if measures == "top":
        dataset.update(pixel_measures)
    order = list(range(n)) if stored is None else list(stored)
    dataset.PerFrameFunctionalGroupsSequence = [frames[i] for i in order]
    dataset.OphthalmicVolumetricPropertiesFlag = "NO" if orientation is None else "YES"
    if orientation is not None:
        dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = generate_uid(), ""
    dataset.NumberOfFrames = n
    add_opt_modules(dataset)
    set_pixels(dataset, voxels[order], syntax, monochrome1)
    return save(dataset, path, syntax, change)


def location(coordinates: Sequence[float], pattern: str = "LINEAR", image: str = "1.2.3") -> Dataset:
    """Where a B-scan lies on a fundus image: row 1, column 1, row 2, column 2 (more for a curve)."""
    purpose = code("121311", "DCM", "Localizer")
    return item(
        ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.5.1",
        ReferencedSOPInstanceUID=image,
        ReferenceCoordinates=[float(one) for one in coordinates],
        DepthOfTransverseImage=None,
        OphthalmicImageOrientation=pattern,
        PurposeOfReferenceCodeSequence=purpose,
    )


def write_series(
    folder: Path,
    voxels: np.ndarray,
    spacing_mm: tuple[float, float, float],
    laterality: str | None = "R",
    *,
    sop_class: str = SECONDARY_CAPTURE,
    modality: str = "OPT",
    orientation: Sequence[float] | None = UPRIGHT,
    between: Sequence[str] = ("SpacingBetweenSlices",),
    numbers: Sequence[int] | None = None,
    series: str | None = None,
    syntax: str = ExplicitVRLittleEndian,
    change: Callable[[int, Dataset], None] | None = None,
) -> Path:
    """Write each B-scan of voxels (B-scan, depth, A-scan) as a file of its own; file names are in random order."""
    folder.mkdir(exist_ok=True)
    bscan_mm, depth_mm, ascan_mm = spacing_mm
    n, series = len(voxels), series or generate_uid()
    for i, name in enumerate(np.random.default_rng(n).permutation(n)):
        dataset = header(sop_class, laterality)
        dataset.Modality, dataset.SeriesInstanceUID = modality, series
        dataset.InstanceNumber = i + 1 if numbers is None else numbers[i]
        dataset.update(item(PixelSpacing=[depth_mm, ascan_mm], **dict.fromkeys(between, bscan_mm)))
        if orientation is not None:
            dataset.ImagePositionPatient = [0.0, 0.0, round((n - 1 - i) * bscan_mm, 6)]
            dataset.ImageOrientationPatient = list(orientation)
        set_pixels(dataset, voxels[i : i + 1], syntax, monochrome1=False)
        save(dataset, folder / f"{series[-6:]}_{name:04d}", syntax, None if change is None else _at(i, change))
    return folder


def _at(index: int, change: Callable[[int, Dataset], None]) -> Change:
    return lambda dataset: change(index, dataset)
