"""De-identified copies: pixels and spacing alone, written anew, so that nothing of a header can survive."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from bundle.data.readers import FundusImage, OctVolume, read_fundus, read_oct
from bundle.errors import InputError
from bundle.ingest.burned_in import shows_text
from bundle.ingest.records import LeftOut
from bundle.ingest.series import by_itself
from bundle.reporting.atomic import write_bytes_atomic, write_json_atomic

OTHER_EYE = "the image's own laterality is the other eye than its name or header says"
UNREADABLE = "cannot be read as an image: see its detail in the private list of sources"
TEXT = "text is burned into the picture; --keep-burned-in keeps it"
SUFFIXES = {"oct": ".npz", "fundus": ".png"}
RECORDS = "records"


@dataclass(frozen=True, kw_only=True)
class CopyTask:
    """One image to copy.

    path, members: as in `Described`; name: the copy's name without suffix; signature: changes when the source or the
        key does.
    """

    number: int
    kind: str
    eye: str
    path: Path = field(repr=False)
    members: tuple[Path, ...] = field(repr=False)
    name: str
    signature: str
    out: Path = field(repr=False)
    burned_in: bool = False
    keep_burned_in: bool = False


@dataclass(frozen=True, kw_only=True)
class Copied:
    """A copy that is there. file: relative to the output folder; pixels: SHA-256 of the decoded pixels."""

    number: int
    file: str
    signature: str
    n_bytes: int
    sha256: str
    pixels: str
    burned_in: bool


def copy_image(task: CopyTask) -> Copied | LeftOut:
    """Write the copy, unless it is there already for the same source; tells why not where it cannot be written."""
    if task.burned_in and not task.keep_burned_in:
        return _left_out(task, TEXT)
    done = _done(task) or _copy(task)
    if isinstance(done, Copied) and done.burned_in and not task.keep_burned_in:
        return _left_out(task, TEXT)
    return done


def record_file(out: Path, name: str) -> Path:
    """What is kept of a copy that is done, so that it is not made again."""
    return out / RECORDS / f"{name}.json"


def _done(task: CopyTask) -> Copied | None:
    try:
        content = json.loads(record_file(task.out, task.name).read_text(encoding="utf-8"))
        copied = Copied(**(content | {"number": task.number}))
        there = (task.out / copied.file).stat().st_size == copied.n_bytes
    except (OSError, ValueError, TypeError):
        return None
    return copied if there and copied.signature == task.signature else None


def _copy(task: CopyTask) -> Copied | LeftOut:
    try:
        with by_itself(task.path, task.members) as path:
            image = read_oct(path) if task.kind == "oct" else read_fundus(path)
    except InputError as error:
        return _left_out(task, UNREADABLE, str(error))
    if image.laterality not in (None, task.eye):
        return _left_out(task, OTHER_EYE)
    if isinstance(image, OctVolume):
        pixels, content, burned_in = image.voxels, oct_bytes(image, task.eye), task.burned_in
    else:
        pixels, content = image.pixels, fundus_bytes(image)
        burned_in = task.burned_in or shows_text(pixels)
    file = f"{task.kind}/{task.name}{SUFFIXES[task.kind]}"
    copied = Copied(
        number=task.number, file=file, signature=task.signature, n_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(), pixels=hashlib.sha256(pixels.tobytes()).hexdigest(),
        burned_in=burned_in,
    )  # fmt: skip
    if not burned_in or task.keep_burned_in:
        write_bytes_atomic(task.out / file, content)
        write_json_atomic(record_file(task.out, task.name), {k: v for k, v in asdict(copied).items() if k != "number"})
    return copied


def oct_bytes(volume: OctVolume, eye: str) -> bytes:
    """An NPZ with voxels, spacing_mm and laterality."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, voxels=volume.voxels, spacing_mm=np.asarray(volume.spacing_mm, np.float64), laterality=np.array(eye)
    )
    return buffer.getvalue()


def fundus_bytes(image: FundusImage) -> bytes:
    """A PNG of the decoded pixels, without any further chunk."""
    buffer = io.BytesIO()
    Image.fromarray(image.pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def _left_out(task: CopyTask, reason: str, detail: str = "") -> LeftOut:
    return LeftOut(number=task.number, kind=task.kind, reason=reason, detail=detail)
