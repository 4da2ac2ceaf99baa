"""Ingestion from end to end: find, describe, pair, copy, and say what became of everything."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bundle.errors import InputError
from bundle.ingest.describe import describe
from bundle.ingest.fields_table import read_fields_table
from bundle.ingest.key_file import default_key_file, load_key, sources_file
from bundle.ingest.manifest_rows import MANIFEST_FILE, manifest_rows, write_manifest
from bundle.ingest.output_folder import claim, clear
from bundle.ingest.pair_and_copy import images_of, pair_and_copy
from bundle.ingest.parallel import run_all
from bundle.ingest.people import people_of
from bundle.ingest.pseudonym import Pseudonyms
from bundle.ingest.records import Described, LeftOut, Source, Visit
from bundle.ingest.report import REPORT_FILE, write_report, write_sources
from bundle.ingest.series import join_series
from bundle.ingest.settings import Settings
from bundle.ingest.walk import walk

_HEADERS_A_CHUNK = 32


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """manifest and report: files that were written; sources: the private list; the rest as in the report."""

    manifest: Path
    report: Path
    sources: Path
    visits: list[Visit]
    left_out: list[LeftOut]


def ingest(settings: Settings) -> Ingested:
    """Walk, pair and copy; run again, it does only what is missing or whose source changed.

    Raises InputError for folders, a key or a table that cannot be used, and when no field has an image: the report is
    written all the same.
    """
    out, key_file = settings.out, settings.key or default_key_file(settings.out)
    sources, left_out, paths = walk(settings.source)
    fields = [] if settings.fields is None else read_fields_table(settings.fields, len(paths) + 1)
    names = Pseudonyms(load_key(key_file, out))
    claim(out, settings.source, names)
    described, unusable = _describe(sources, settings)
    described, torn, parts = join_series(described)
    described += fields
    visits, copied, unpaired = pair_and_copy(described, settings, names)
    left_out += unusable + torn + unpaired
    rows = manifest_rows(visits, copied, people_of(described), names)
    visits = [visit for visit, _ in rows]
    named = paths | {one.number: one.path for one in fields}
    listed = write_sources(sources_file(key_file, out), named, left_out)
    n_burned_in = sum(copied[image.number].burned_in for image in images_of(visits))
    report = write_report(out, visits, left_out, parts, n_burned_in, settings.in_words())
    if not rows:
        (out / MANIFEST_FILE).unlink(missing_ok=True)
        raise InputError(f"no visual field has an image of its eye: {out / REPORT_FILE} says why for every source")
    manifest = write_manifest(out, [cells for _, cells in rows])
    clear(out, {Path(one.file).stem for one in copied.values()})
    return Ingested(manifest=manifest, report=report, sources=listed, visits=visits, left_out=left_out)


def _describe(sources: list[Source], settings: Settings) -> tuple[list[Described], list[LeftOut]]:
    found = run_all(
        partial(describe, root=settings.source), sources,
        jobs=settings.jobs, label="reading headers", progress=settings.progress, chunk=_HEADERS_A_CHUNK,
    )  # fmt: skip
    unusable = [one for one in found if isinstance(one, LeftOut)]
    return [one for one in found if isinstance(one, Described)], unusable
