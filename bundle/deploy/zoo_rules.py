"""What the MONAI Model Zoo asks of a bundle's folder: names, sizes, files."""

from __future__ import annotations

import re

from bundle.errors import InputError

DEFAULT_NAME = "oct_fundus_md_regression"
# words joined by underscores, what it reads before what it does; the Zoo cuts archive names at "_v"
NAME = re.compile(r"(?!.*_v)[A-Za-z0-9]+(_[A-Za-z0-9]+)+")
MOST_BYTES = 25_000_000  # of one file; larger ones are listed in large_files.yml and lie elsewhere
LARGE_FILES = "large_files.yml"
METADATA = "configs/metadata.json"
WEIGHTS = "models/model.pt"
CARD = "docs/README.md"
REQUIRED = ("LICENSE", METADATA, WEIGHTS, CARD)
SAMPLE_MANIFEST = "sample_data/manifest.csv"


def check_name(name: str) -> None:
    """Refuse a bundle name that the Zoo could not file.

    Raises:
        InputError: not words joined by underscores, or with "_v" in it.
    """
    if not NAME.fullmatch(name):
        raise InputError(
            f"name: found {name!r}; expected words joined by underscores without '_v', for example {DEFAULT_NAME}"
        )
