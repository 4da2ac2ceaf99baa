"""Writes Heidelberg .vol and .xml exports byte by byte as their layout is published, with a patient planted in them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from PIL import Image

PATIENT = "CANARY-4711"
ASCAN_MM, BSCAN_MM, DEPTH_MM = 0.0116, 0.12, 0.0039
INVALID = np.finfo(np.float32).max


def raster_lines(n_bscans: int, *, inferior_first: bool = True) -> np.ndarray:
    """(B-scan, start or end, x or y) in mm of horizontal lines of an infrared image, whose y grows downwards."""
    y = 2.0 + BSCAN_MM * np.arange(n_bscans)
    lines = np.zeros((n_bscans, 2, 2))
    lines[:, 0, 0], lines[:, 1, 0] = 1.5, 7.5
    lines[:, :, 1] = (y[::-1] if inferior_first else y)[:, None]
    return lines


def radial_lines(n_bscans: int) -> np.ndarray:
    angle = np.pi * np.arange(n_bscans) / n_bscans
    arm = 3 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.stack([4.5 - arm, 4.5 + arm], axis=1)


def circle_lines(n_bscans: int) -> np.ndarray:
    """Start on the circle, end in its centre, as circle scans state them."""
    start = [[4.5 + radius, 4.5] for radius in np.linspace(1.7, 2.4, n_bscans)]
    return np.stack([np.array(start), np.full((n_bscans, 2), 4.5)], axis=1)


def vol_bytes(
    pixels: np.ndarray,
    lines_mm: np.ndarray | None = None,
    *,
    eye: str = "OD",
    pattern: int = 3,
    bscan_mm: float = BSCAN_MM,
    slo_shape: tuple[int, int] = (9, 7),
) -> bytes:
    """pixels: (B-scan, depth, A-scan) reflectivity in the file's order."""
    n_bscans, n_depth, n_ascans = pixels.shape
    lines_mm = raster_lines(n_bscans) if lines_mm is None else lines_mm
    n_header_bytes = 256 + 2 * 4 * n_ascans + 100  # two layers and padding
    head = bytearray(2048)
    head[:12] = b"HSF-OCT-103\0"
    struct.pack_into("<3I3d2I2d", head, 12, n_ascans, n_bscans, n_depth, ASCAN_MM, bscan_mm, DEPTH_MM,
                     slo_shape[1], slo_shape[0], 0.01, 0.01)  # fmt: skip
    head[84:86] = eye.encode()
    struct.pack_into("<2i", head, 96, pattern, n_header_bytes)
    for offset in (104, 120, 140, 176, 224):  # scan, reference, patient, visit, progression
        head[offset : offset + len(PATIENT)] = PATIENT.encode()
    struct.pack_into("<d", head, 164, 18_000.0)  # birth date
    parts = [bytes(head), bytes(range(slo_shape[0] * slo_shape[1]))]
    for bscan, line in zip(pixels, lines_mm, strict=True):
        header = bytearray(n_header_bytes)
        header[:12] = b"HSF-BS-103\0\0"
        struct.pack_into("<I4d2If", header, 12, n_header_bytes, *line.ravel(), 2, 256, 27.5)
        parts += [bytes(header), bscan.astype("<f4").tobytes()]
    return b"".join(parts)


def write_xml(
    folder: Path,
    bscans: np.ndarray,
    lines_mm: np.ndarray | None = None,
    *,
    eye: str = "R",
    kind: str = "Volume",
    n_series: int = 1,
    promised: tuple[int, int] | None = None,
    prolog: str = "",
    url: str = "file:///\\\\server\\export\\{name}",
) -> Path:
    """bscans: (B-scan, depth, A-scan) uint8; promised: height and width that the document states."""
    folder.mkdir(exist_ok=True)
    lines_mm = raster_lines(len(bscans)) if lines_mm is None else lines_mm
    height, width = promised or bscans.shape[1:]
    images = ["<Image><ImageType><Type>LOCALIZER</Type></ImageType></Image>"]
    for index, (bscan, line) in enumerate(zip(bscans, lines_mm, strict=True)):
        name = f"{index:04d}.tif"
        Image.fromarray(bscan).save(folder / name)
        points = [f"<Coord><X>{x:.3f}</X><Y>{y:.3f}</Y></Coord>" for x, y in line]
        images.append(
            f"<Image><Laterality>{eye}</Laterality><ImageType><Type>OCT</Type></ImageType>"
            f"<OphthalmicAcquisitionContext><Width>{width}</Width><Height>{height}</Height><ScaleX>{ASCAN_MM}</ScaleX>"
            f"<ScaleY>{DEPTH_MM}</ScaleY><Start>{points[0]}</Start><End>{points[1]}</End>"
            f"</OphthalmicAcquisitionContext><ImageData><ExamURL>{url.format(name=name)}</ExamURL></ImageData></Image>"
        )
    series = (
        f"<Series><ID>1</ID><Type>{kind}</Type><Laterality>{eye}</Laterality><ReferenceSeries><ID>7</ID>"
        f"</ReferenceSeries><GeneralEquipment><ManufacturerModelName>Spectralis</ManufacturerModelName>"
        f"</GeneralEquipment>{''.join(images)}</Series>"
    )
    patient = f"<PatientID>{PATIENT}</PatientID><LastName>{PATIENT} Müller</LastName>"
    text = f"{prolog}<HEDX><BODY><Patient>{patient}<Study>{series * n_series}</Study></Patient></BODY></HEDX>"
    path = folder / "export.xml"
    path.write_text(text, encoding="utf-8")
    return path
