"""Makes the package: sources, weights, card, metadata, sample eyes, checksums, and the archive of all of it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from bundle.deploy.checksums import bundle_files, write_sums
from bundle.deploy.package.archive import write_zip
from bundle.deploy.package.card import with_performance
from bundle.deploy.package.contents import source_files
from bundle.deploy.package.large_files import large_weights, set_aside
from bundle.deploy.package.links import without_dead_links
from bundle.deploy.package.sample import write_sample_eyes
from bundle.deploy.package.score import Score, read_score
from bundle.deploy.package.weights import copy_model
from bundle.deploy.zoo_rules import CARD, METADATA, MOST_BYTES, check_name
from bundle.errors import InputError
from bundle.reporting.atomic import write_json_atomic, write_text_atomic


@dataclass(frozen=True)
class Package:
    """What was made: the bundle's folder, its archive, weights set aside for uploading, the score of the weights."""

    folder: Path
    archive: Path
    aside: list[Path]
    score: Score | None


def build_package(
    root: Path, model: Path, out: Path, name: str, url: str | None = None, force: bool = False,
    most_bytes: int = MOST_BYTES,
) -> Package:  # fmt: skip
    """Write out/name, and out/name_vVERSION.zip. The folder appears whole or not at all.

    Args:
        root: of the repository.
        model: folder with model.pt and model.json; its score is read from test/metrics.json and config.yaml there.
        out: folder to write in, made when missing.
        name: of the bundle, as the Zoo's pattern asks.
        url: where weights above `most_bytes` will lie.
        force: replace an earlier package of that name.
        most_bytes: limit of one file in the folder.

    Raises:
        InputError: a bad name, no model, a model that the configs cannot load, a package that is there already.
    """
    check_name(name)
    version = json.loads((root / METADATA).read_text(encoding="utf-8"))["version"]
    folder, archive, staging = out / name, out / f"{name}_v{version}.zip", out / f".{name}.{os.getpid()}"
    _check_free(folder, archive, force)
    try:
        _copy_sources(root, staging)
        score = _add_model(model, staging)
        write_sample_eyes(staging)
        write_sums(staging)
        large = large_weights(staging, url, most_bytes)
        write_zip(archive, {f"{name}/{file}": staging / file for file in bundle_files(staging)})
        aside = set_aside(staging, large, out / f"{name}_large_files", url or "")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Package(folder, archive, aside, score)


def _check_free(folder: Path, archive: Path, force: bool) -> None:
    for path in (folder, archive):
        if path.exists() and not force:
            raise InputError(f"{path}: exists already; give --force to replace it, or another --out")
    if folder.exists() and not (folder / METADATA).is_file():
        raise InputError(f"{folder}: holds something else than a package; give another --out")


def _copy_sources(root: Path, staging: Path) -> None:
    names = source_files(root)
    for name in tqdm(names, desc="sources", unit="file", leave=False):
        (staging / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".md"):
            write_text_atomic(staging / name, without_dead_links((root / name).read_text("utf-8"), name, _all(names)))
        else:
            shutil.copyfile(root / name, staging / name)


def _all(names: Iterable[str]) -> set[str]:
    """The files and the folders above them: a link may lead to either."""
    return {str(place) for name in names for place in (Path(name), *Path(name).parents)}


def _add_model(model: Path, staging: Path) -> Score | None:
    description = copy_model(model, staging / "models", staging / "configs" / "inference.yaml")
    score = read_score(model, description, staging / "configs" / "train.yaml")
    metadata = json.loads((staging / METADATA).read_text(encoding="utf-8"))
    metadata["eval_metrics"] = {} if score is None else score.to_metadata()
    write_json_atomic(staging / METADATA, metadata)
    write_text_atomic(staging / CARD, with_performance((staging / CARD).read_text(encoding="utf-8"), score))
    return score
