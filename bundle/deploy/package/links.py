"""Markdown without links to what the package does not hold."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Container

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def without_dead_links(text: str, name: str, files: Container[str]) -> str:
    """A link to a file that is missing becomes its text, such a picture its caption.

    Args:
        text: of the page.
        name: the page's path in the package, for example docs/method.md; links are relative to its folder.
        files: paths in the package.
    """

    def replacement(match: re.Match[str]) -> str:
        target = match[3].partition("#")[0]
        if not target or "://" in target:
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        return match[0] if path in files else match[2]

    return _LINK.sub(replacement, text)
