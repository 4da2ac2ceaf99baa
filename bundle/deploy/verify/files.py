"""Which files there are, how large they are, and whether they are what was packaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bundle.deploy.checksums import SUMS, bundle_files, read_sums, sha256
from bundle.deploy.verify.outcome import Failed, Skipped
from bundle.deploy.zoo_rules import LARGE_FILES, MOST_BYTES, REQUIRED, check_name

AGAIN = "make the package again"


def large_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Entries of large_files.yml by path; empty without that file.

    Raises:
        Failed: not a list of entries with path and url.
    """
    path = folder / LARGE_FILES
    if not path.is_file():
        return {}
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))["large_files"]
        return {entry["path"]: entry for entry in entries if entry["url"]}
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise Failed(f"{LARGE_FILES} is not a list of path, url, hash_val and hash_type", AGAIN) from error


def name(folder: Path) -> str:
    """The folder's name is one that the Zoo can file."""
    check_name(folder.resolve().name)
    return folder.resolve().name


def required_files(folder: Path) -> str:
    """What the Zoo asks for is there; large weights may be listed instead."""
    elsewhere = large_files(folder)
    missing = [file for file in REQUIRED if not (folder / file).is_file() and file not in elsewhere]
    if not any((folder / "configs" / f"inference.{suffix}").is_file() for suffix in ("json", "yaml", "yml")):
        missing.append("configs/inference.yaml")
    if missing:
        raise Failed(f"missing {', '.join(missing)}", "put them in place, or make the package again")
    return f"{len(bundle_files(folder))} files" + (f", {', '.join(elsewhere)} elsewhere" if elsewhere else "")


def sizes(folder: Path) -> str:
    """No single file is above the Zoo's limit, but those that large_files.yml lists."""
    listed = large_files(folder)
    size = {file: (folder / file).stat().st_size for file in bundle_files(folder) if file not in listed}
    large = [f"{file} ({count / 1e6:.0f} MB)" for file, count in size.items() if count > MOST_BYTES]
    if large:
        raise Failed(
            f"{', '.join(large)} above {MOST_BYTES / 1e6:.0f} MB",
            "package with --weights-url, which lists weights in large_files.yml; leave other large files out",
        )
    return f"largest {max(size.values()) / 1e6:.1f} MB"


def checksums(folder: Path) -> str:
    """Every file is in SHA256SUMS and as it was when packaged; large files may be absent."""
    sums, files = read_sums(folder), set(bundle_files(folder)) - {SUMS, LARGE_FILES}
    wrong = [f"{file} differs" for file in sorted(files & sums.keys()) if sha256(folder / file) != sums[file]]
    wrong += [f"{file} is missing" for file in sorted(sums.keys() - files - large_files(folder).keys())]
    wrong += [f"{file} is not listed" for file in sorted(files - sums.keys())]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise Failed(", ".join(wrong[:5]) + more, "copy the package again, or make it again after a change")
    return f"{len(files)} files"


def large_files_listed(folder: Path) -> str:
    """Each entry of large_files.yml names a hash that agrees with SHA256SUMS."""
    entries = large_files(folder)
    if not entries:
        raise Skipped("no file is large")
    sums = read_sums(folder)
    for file, entry in entries.items():
        if entry.get("hash_type") != "sha256" or entry.get("hash_val") != sums.get(file):
            raise Failed(f"the hash of {file} in {LARGE_FILES} is not the one in {SUMS}", AGAIN)
    return ", ".join(entries)
