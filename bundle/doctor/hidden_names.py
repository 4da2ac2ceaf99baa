"""Takes names of files out of a message: they often hold a patient's name or hospital number."""

from __future__ import annotations

from pathlib import Path

HIDDEN = "…"


def hide_names(text: str, *paths: Path | str | None) -> str:
    """`text` with every path, file name and name of a file in a folder replaced; what remains is one line.

    paths: the image of the row as a path, or the cell as written; None is passed over.
    """
    names: set[str] = set()
    for given in paths:
        if given is None or not str(given):
            continue
        path = Path(given)
        names |= {str(given), path.as_posix(), str(path), path.name, f"{_stem(path)}.json"} | _inside(path)
        text = text.replace(f"'{path.name}'", f"'{HIDDEN}'")
    # A name without suffix, such as a folder's, may be any word or number of the message: only its quotation goes.
    for name in sorted(filter(_has_sign, names), key=len, reverse=True):
        text = text.replace(name, HIDDEN)
    return " ".join(text.removeprefix(f"{HIDDEN}: ").split())


def _stem(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).stem


def _inside(path: Path) -> set[str]:
    try:
        return {one.name for one in path.iterdir()} - {"oct.json"}
    except OSError:
        return set()


def _has_sign(name: str) -> bool:
    return any(sign in name.strip("./\\") for sign in "./\\")
