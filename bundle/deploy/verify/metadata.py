"""configs/metadata.json: its schema, its version, its pins."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bundle.deploy.verify.outcome import Failed
from bundle.deploy.zoo_rules import METADATA

SCHEMA = Path(__file__).with_name("metadata_schema.json")
SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
EXACT = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?")
BASE = {"monai": "monai_version", "torch": "pytorch_version", "numpy": "numpy_version"}
TEST_TOOLS = {"pytest"}  # in requirements.txt for `make test`; the package holds no tests


def read_metadata(folder: Path) -> dict[str, Any]:
    """The content of configs/metadata.json.

    Raises:
        Failed: missing, or not a JSON object.
    """
    try:
        content = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Failed(f"{METADATA} is not readable JSON", "put it in place, or make the package again") from error
    if not isinstance(content, dict):
        raise Failed(f"{METADATA} is not a JSON object", "make the package again")
    return content


def version(folder: Path) -> str:
    """The version is semantic, and the changelog says what it brought."""
    metadata = read_metadata(folder)
    found, changelog = str(metadata.get("version")), metadata.get("changelog") or {}
    if not SEMANTIC.fullmatch(found):
        raise Failed(f"version {found!r} is not MAJOR.MINOR.PATCH", f"mend 'version' in {METADATA}")
    if found not in changelog:
        raise Failed(f"version {found} is not in the changelog", f"add {found!r} to 'changelog' in {METADATA}")
    return found


def schema(folder: Path) -> str:
    """The metadata have what the Zoo's schema 20240725 asks, in the types it asks, and a name and a changelog."""
    rules = json.loads(SCHEMA.read_text(encoding="utf-8"))
    errors = sorted(
        jsonschema.Draft202012Validator(rules).iter_errors(read_metadata(folder)), key=lambda e: e.json_path
    )
    if errors:
        places = [f"{error.json_path.removeprefix('$.')}: {error.message[:120]}" for error in errors[:3]]
        raise Failed(
            "; ".join(places) + (f" and {len(errors) - 3} more" if len(errors) > 3 else ""), f"mend {METADATA}"
        )
    return ""


def pins(metadata: dict[str, Any]) -> dict[str, str]:
    """Version by package, with monai, torch and numpy."""
    base = {package: str(metadata.get(key)) for package, key in BASE.items()}
    return base | {package: str(pin) for package, pin in (metadata.get("required_packages_version") or {}).items()}


def exact_pins(folder: Path) -> str:
    """Every package has one exact version, within requirements.txt, and none of those named there lacks one."""
    found = pins(read_metadata(folder))
    loose = [f"{package} {pin!r}" for package, pin in found.items() if not EXACT.fullmatch(pin)]
    if loose:
        raise Failed(f"not one exact version: {', '.join(loose)}", f"write versions like 1.2.3 in {METADATA}")
    wrong = disagreements(found, read_requirements(folder / "requirements.txt"))
    if wrong:
        raise Failed("; ".join(wrong), f"bring {METADATA} and requirements.txt in step")
    return f"{len(found)} packages"


def disagreements(found: dict[str, str], requirements: list[Requirement]) -> list[str]:
    """What keeps pins and requirement ranges from saying the same; empty when they do."""
    ranges = {canonicalize_name(one.name): one.specifier for one in requirements}
    by_name = {canonicalize_name(package): pin for package, pin in found.items()}
    wrong = [f"{one} has no pin" for one in sorted(ranges.keys() - by_name.keys() - TEST_TOOLS)]
    wrong += [f"{one} is not in requirements.txt" for one in sorted(by_name.keys() - ranges.keys())]
    wrong += [
        f"{one} {pin} is not {ranges[one]}" for one, pin in by_name.items() if one in ranges and pin not in ranges[one]
    ]
    return wrong


def read_requirements(path: Path) -> list[Requirement]:
    """The requirements of a file, comments and options left out.

    Raises:
        Failed: no such file, or a line that pip would not read.
    """
    if not path.is_file():
        raise Failed("no requirements.txt", "make the package again")
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    try:
        return [Requirement(line) for line in lines if line and not line.startswith("-")]
    except InvalidRequirement as error:
        raise Failed(f"requirements.txt: {error}", "write lines like name>=1,<2") from error
