"""FairVision, its glaucoma part (2023): OCT disc cube and scanning-laser picture of 10,000 subjects, MD in some copies.

    Glaucoma/{Training,Validation,Test}/data_00001.npz      keys: `bundle.data.adapters.harvard_npz`
    Glaucoma/{Training,Validation,Test}/slo_00001.jpg       the picture before it was made square
    data_summary_glaucoma.csv                               filename, use, demographics, in some copies md

`md` is not among the documented keys: it is taken from the table, else from the file, and only where it is present. The
JPEG is used where there is one. In the file the picture counts as stored (W, H), as the authors' loader turns it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from bundle.data.adapters.assumed_eyes import Eyes
from bundle.data.adapters.harvard_npz import HarvardFile, Unusable
from bundle.data.adapters.layout import file_number, files_by_split, find_table, fingerprint, source_folder
from bundle.data.adapters.output import Output
from bundle.data.adapters.prepared import Cells, LeftOut, prepare
from bundle.data.adapters.tables import Row, by_id, read_rows

SUMMARY = "data_summary_glaucoma"


def make_manifest(
    source: str | Path | None,
    out_dir: str | Path,
    eyes: str | Path | None = None,
    oct_sidecar: Mapping[str, object] | None = None,
    slo_transposed: bool = True,
    progress: bool = True,
) -> str:
    """Prepare FairVision's glaucoma part in `out_dir`; returns the path of manifest.csv.

    source: the folder that holds Glaucoma, or that folder. The folders Training, Validation and Test are the split.
    slo_transposed: of files without a JPEG, whether the square picture is stored (W, H).
    The other arguments, the result and the errors are those of Harvard-GF.
    """
    root, known = source_folder(source, "Glaucoma/Training"), Eyes(eyes)
    base = root / "Glaucoma" if (root / "Glaucoma").is_dir() else root
    files = files_by_split(base, "data_*.npz")
    table = find_table([base, base / "ReadMe", root, root / "ReadMe", base.parent, base.parent / "ReadMe"], SUMMARY)
    summary = {} if table is None else by_id(read_rows(table, ("filename", "use")), "filename")
    md_known = fingerprint(table.parent, [table]) if table else None
    settings = {
        "dataset": "fairvision", "source": fingerprint(root, [path for _, path in files]), "table": md_known,
        "eyes": known.fingerprint, "oct_sidecar": oct_sidecar, "slo_transposed": slo_transposed,
    }  # fmt: skip
    makers = [partial(_eye, path, split, summary, known, oct_sidecar, slo_transposed) for split, path in files]
    return prepare(out_dir, settings, makers, known.notes, progress)


def _eye(
    path: Path, split: str, summary: Mapping[int, Row], known: Eyes, oct_sidecar: Mapping[str, object] | None,
    slo_transposed: bool, output: Output,
) -> Cells | LeftOut:  # fmt: skip
    number = file_number(path)
    row = summary.get(number)
    try:
        file = HarvardFile(path)
        md_db = (row.md_db("md") if row else "") or file.md_db()
        oct_path = file.link_volume(output, known.stated(number), oct_sidecar)
        jpeg = path.with_name(path.stem.replace("data", "slo") + ".jpg")
        fundus = output.fundus_file(jpeg.stem, jpeg) if jpeg.is_file() else file.write_slo(output, slo_transposed)
    except Unusable as error:
        return LeftOut(path.name, str(error))
    return {
        "patient_id": f"fairvision_{number}", "eye": known.entered(number), "oct": oct_path, "fundus": fundus,
        "md_db": md_db, "split": split,
    }  # fmt: skip
