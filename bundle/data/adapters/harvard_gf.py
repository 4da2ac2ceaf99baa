"""Harvard-GF (Harvard Glaucoma Fairness, 2024): OCT disc cubes with MD of 3,300 subjects; no picture of the fundus.

    Training/data_0001.npz ..., Validation/, Test/      or all files in one folder, then dealt by a seed

Keys and traps: `bundle.data.adapters.harvard_npz`. The RNFL map is the device's result, no image: it is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from bundle.data.adapters.assumed_eyes import Eyes
from bundle.data.adapters.harvard_npz import HarvardFile, Unusable
from bundle.data.adapters.layout import file_number, files_by_split, fingerprint, source_folder
from bundle.data.adapters.output import Output
from bundle.data.adapters.prepared import Cells, LeftOut, prepare


def make_manifest(
    source: str | Path | None,
    out_dir: str | Path,
    eyes: str | Path | None = None,
    oct_sidecar: Mapping[str, object] | None = None,
    progress: bool = True,
) -> str:
    """Prepare Harvard-GF in `out_dir`; returns the path of manifest.csv (see `bundle.data.adapters.prepared`).

    source: the folder with the files `data_*.npz`, or with its folders Training, Validation and Test.
    eyes: CSV with the columns id and eye, as the set does not state the eye; None enters all as OD.
    oct_sidecar: keys of the volumes' sidecar to replace (docs/own_data.md), such as {"spacing_mm": [...]}.
    Raises InputError when there is no such file, or none can be used.
    """
    root, known = source_folder(source, "the files data_*.npz"), Eyes(eyes)
    files = files_by_split(root, "data_*.npz")
    settings = {
        "dataset": "harvard_gf", "source": fingerprint(root, [path for _, path in files]),
        "eyes": known.fingerprint, "oct_sidecar": oct_sidecar,
    }  # fmt: skip
    makers = [partial(_eye, path, split, known, oct_sidecar) for split, path in files]
    return prepare(out_dir, settings, makers, known.notes, progress)


def _eye(
    path: Path, split: str, known: Eyes, oct_sidecar: Mapping[str, object] | None, output: Output
) -> Cells | LeftOut:
    number = file_number(path)
    try:
        file = HarvardFile(path)
        md_db = file.md_db()
        oct_path = file.link_volume(output, known.stated(number), oct_sidecar)
    except Unusable as error:
        return LeftOut(path.name, str(error))
    return {
        "patient_id": f"harvard_gf_{number}", "eye": known.entered(number), "oct": oct_path, "md_db": md_db,
        "split": split,
    }  # fmt: skip
