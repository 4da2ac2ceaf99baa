"""Small valid files of vendors' formats for `scripts.fuzz_readers` to damage.

Topcon's and .E2E only where panimg is installed, which reads them. A Cirrus .img has no header and is always large.
"""

from __future__ import annotations

import io
import struct
from importlib.util import find_spec

import numpy as np
from imagecodecs import jpeg2k_encode
from PIL import Image

from scripts.fuzz_seed import PATIENT, Seed

_SIDECAR = {"scan.json": b'{"spacing_mm": [0.05, 0.002, 0.012], "laterality": "OD"}'}
_E2E_IMAGE, _E2E_EYE = 0x40000000, 11
_N_TOPCON = 40


def vendor_seeds(voxels: np.ndarray) -> dict[str, Seed]:
    """By name. voxels: (B-scan, depth, A-scan) uint8."""
    tiffs = {f"{i}.TIFF": _tiff(one) for i, one in enumerate(voxels)}
    cube = np.random.default_rng(2).bytes(2**16) * (200 * 1024 * 200 // 2**16)
    found = {
        "Heidelberg .vol": Seed("oct", {"scan": _vol(voxels)}),
        "Heidelberg .xml": Seed("oct", {"scan.xml": _xml(len(voxels))} | tiffs, "scan.xml"),
        "Cirrus .img": Seed("oct", {"scan.img": cube} | _SIDECAR, "scan.img"),
    }
    if find_spec("panimg"):
        found["Topcon .fda"] = Seed("oct", {"scan": _topcon(b"FDA", b"@IMG_JPEG", _fda_scan(voxels))})
        found["Topcon .fds"] = Seed("oct", {"scan": _topcon(b"FDS", b"@IMG_SCAN_03", _fds_scan(voxels))})
        found["Heidelberg .E2E"] = Seed("oct", {"scan": _e2e(voxels)} | _SIDECAR)
    return found


def _tiff(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "TIFF")
    return file.getvalue()


def _vol(voxels: np.ndarray) -> bytes:
    head, parts = bytearray(2048), []
    head[:11], head[84:86] = b"HSF-OCT-103", b"OD"
    n_bscans, n_depth, n_ascans = voxels.shape
    struct.pack_into("<3I3d2I", head, 12, n_ascans, n_bscans, n_depth, 0.012, 0.05, 0.002, 4, 4)
    struct.pack_into("<2i", head, 96, 3, 256)
    head[140:150] = PATIENT.encode()
    for i, bscan in enumerate(voxels):
        header = bytearray(256)
        struct.pack_into("<12sI4d", header, 0, b"HSF-BS-103", 256, 1.0, 2.0 + 0.05 * i, 4.0, 2.0 + 0.05 * i)
        parts += [bytes(header), (bscan / np.float32(255)).astype("<f4").tobytes()]
    return b"".join([bytes(head), bytes(16), *parts])


def _xml(n_bscans: int) -> bytes:
    images = "".join(
        f"<Image><ImageType><Type>OCT</Type></ImageType><Laterality>R</Laterality><OphthalmicAcquisitionContext>"
        f"<Width>32</Width><Height>40</Height><ScaleX>0.012</ScaleX><ScaleY>0.002</ScaleY><Start><Coord><X>1</X>"
        f"<Y>{2 + 0.05 * i}</Y></Coord></Start><End><Coord><X>4</X><Y>{2 + 0.05 * i}</Y></Coord></End>"
        f"</OphthalmicAcquisitionContext><ImageData><ExamURL>{i}.TIFF</ExamURL></ImageData></Image>"
        for i in range(n_bscans)
    )
    patient = f"<Patient><LastName>{PATIENT}</LastName><Series>{images}</Series></Patient>"
    return f"<HEDX><BODY>{patient}</BODY></HEDX>".encode()


def _topcon(kind: bytes, scan: bytes, content: bytes) -> bytes:
    """Chunks, each of the length of its name, the name, its own length and its content."""
    photo = jpeg2k_encode(np.zeros((16, 16, 3), np.uint8), level=0, codecformat="j2k")
    fundus = struct.pack("<4I4sI", 16, 16, 24, 1, b"", len(photo)) + photo
    observed = struct.pack("<4IcI", 2, 2, 24, 1, b"\0", 12) + bytes(12)
    size_mm = PATIENT.encode()[:4].ljust(12, b"\0") + struct.pack("<5dB", 6.0, 2.0, 2.0, 0, 0, 0)
    chunks = {b"@PARAM_SCAN_04": size_mm, scan: content, b"@IMG_FUNDUS": fundus, b"@IMG_OBS": observed}
    packed = [bytes([len(name)]) + name + struct.pack("<I", len(one)) + one for name, one in chunks.items()]
    return b"FOCT" + kind + struct.pack("<2I", 1, 1) + b"".join(packed) + b"\0"


def _fda_scan(voxels: np.ndarray) -> bytes:
    frames = [jpeg2k_encode(voxels[i % len(voxels)], level=0, codecformat="j2k") for i in range(_N_TOPCON)]
    header = struct.pack("<c6I", b"\2", 0, 0, voxels.shape[2], voxels.shape[1], _N_TOPCON, 0)
    return header + b"".join(struct.pack("<I", len(frame)) + frame for frame in frames)


def _fds_scan(voxels: np.ndarray) -> bytes:
    stack = np.resize(voxels, (_N_TOPCON, *voxels.shape[1:])).astype("<u2") * 257
    return struct.pack("<c4IcI", b"\0", *voxels.shape[:0:-1], 16, _N_TOPCON, b"\0", stack.nbytes) + stack.tobytes()


def _e2e(voxels: np.ndarray) -> bytes:
    """Image chunks: 12 bytes of magic, the chunk's header to byte 60, the image's to 80, then floats of 16 bits."""

    def chunk(kind: int, index: int, slice_id: int, content: bytes) -> bytes:
        return struct.pack("<12s8Ii2HII", b"MDbData", 0, 0, 0, 0, 0, 1, 2, 3, slice_id, index, 0, kind, 0) + content

    height, width = voxels.shape[1:]
    size = struct.pack("<5I", 0, 0, 0, height, width)
    floats = (voxels.astype("<u2") << 2) | (50 << 10)  # ten bits of mantissa, then the exponent
    scans = [chunk(_E2E_IMAGE, 1, 2 * i, size + one.tobytes()) for i, one in enumerate(floats)]
    eye = chunk(_E2E_EYE, 0, 0, bytes(14) + b"R" + bytes(5))
    infrared = chunk(_E2E_IMAGE, 0, 0, size + voxels[0].tobytes())
    return b"CMDb" + PATIENT.encode() + bytes(60) + eye + infrared + b"".join(scans)
