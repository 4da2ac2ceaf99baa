"""What config files say about a key, and where two of them contradict each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

Values = Mapping[str, Any]
ABSENT = object()


@lru_cache(maxsize=256)
def parsed(text: str) -> Values:
    """A YAML file's content; parsed once, since a comparison asks for the same few files again and again."""
    return yaml.safe_load(text) or {}


def read_values(path: Path) -> Values:
    """The keys of a config file as they are written, `a#b` undivided, without its `about`."""
    values = parsed(path.read_text(encoding="utf-8"))
    return {str(key).replace("::", "#"): value for key, value in values.items() if key != "about"}


def find_value(values: Values, key: str) -> Any:
    """The value at `key` (`a#b#c`) in a file that may write it as `a#b: {c: ...}`; `ABSENT` when it does not say."""
    parts = key.split("#")
    for length in range(len(parts), 0, -1):
        head = "#".join(parts[:length])
        if head not in values:
            continue
        found = values[head]
        for part in parts[length:]:
            if not isinstance(found, Mapping) or part not in found:
                return ABSENT
            found = found[part]
        return found
    return ABSENT


def effective_value(files: Sequence[Values], key: str) -> Any:
    """The value of the last file that says something about `key`, `ABSENT` when none does."""
    return next((found for values in reversed(files) if (found := find_value(values, key)) is not ABSENT), ABSENT)


def clashing_key(earlier: Values, later: Values) -> str | None:
    """A key to which two files give different values: the later one would silently undo the earlier one.

    The same key, or a key inside another's value. A null in the later file is no clash: it takes a part away, such as
    the encoder that a single-modality method does without. None when there is no clash.
    """
    for inner, outer in ((earlier, later), (later, earlier)):
        for key, value in inner.items():
            heads = ["#".join(key.split("#")[: n + 1]) for n in range(key.count("#") + 1)]
            if not any(head in outer for head in heads):
                continue
            taken_away = any(later.get(head, ABSENT) is None for head in heads)
            if not taken_away and find_value(outer, key) != value:
                return key
    return None
