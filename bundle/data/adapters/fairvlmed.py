"""FairVLMed (Harvard-FairVLMed, CVPR 2024): scanning-laser picture, MD and notes of 10,000 subjects; no OCT.

    {Training,Validation,Testing}/data_00001.npz        slo_fundus, md, tds, demographics, note

The numbers look like those of FairVision, but nothing says that they are the same subjects: the sets are not joined,
and `patient_id` carries the set's name. The notes are not read.
"""

from __future__ import annotations

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
    slo_transposed: bool = False,
    progress: bool = True,
) -> str:
    """Prepare FairVLMed in `out_dir`; returns the path of manifest.csv (see `bundle.data.adapters.prepared`).

    source: the folder that holds Training, Validation and Testing, which are the split.
    eyes: CSV with the columns id and eye, as the set does not state the eye; None enters all as OD.
    slo_transposed: whether square pictures are stored (W, H); of others the shape tells.
    Raises InputError when there is no such file, or none can be used.
    """
    root, known = source_folder(source, "Training, Validation and Testing"), Eyes(eyes)
    files = files_by_split(root, "data_*.npz")
    settings = {
        "dataset": "fairvlmed", "source": fingerprint(root, [path for _, path in files]),
        "eyes": known.fingerprint, "slo_transposed": slo_transposed,
    }  # fmt: skip
    makers = [partial(_eye, path, split, known, slo_transposed) for split, path in files]
    return prepare(out_dir, settings, makers, known.notes, progress)


def _eye(path: Path, split: str, known: Eyes, slo_transposed: bool, output: Output) -> Cells | LeftOut:
    number = file_number(path)
    try:
        file = HarvardFile(path)
        md_db = file.md_db()
        fundus = file.write_slo(output, slo_transposed)
        if not fundus:
            raise Unusable("no key slo_fundus, or it is empty")
    except Unusable as error:
        return LeftOut(path.name, str(error))
    return {
        "patient_id": f"fairvlmed_{number}", "eye": known.entered(number), "fundus": fundus, "md_db": md_db,
        "split": split,
    }  # fmt: skip
