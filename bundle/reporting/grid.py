"""A table of text cells, as Markdown for a file and aligned for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

Rows = Sequence[Sequence[str]]


def to_markdown(header: Sequence[str], rows: Rows, left: int = 1) -> str:
    """A Markdown table; the first `left` columns are aligned left, the figures right. A `|` in a cell is escaped."""
    marks = [":--" if column < left else "--:" for column in range(len(header))]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (header, *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (cells[0], marks, *cells[1:])) + "\n"


def to_text(header: Sequence[str], blocks: Sequence[tuple[str, Rows]], left: int = 1) -> str:
    """Columns padded to one width, two spaces apart; each block of rows under a rule that carries its title.

    The first `left` columns are aligned left, the figures right. An empty title gives a plain rule.
    """
    every_row = [header, *(row for _, rows in blocks for row in rows)]
    widths = [max(len(row[column]) for row in every_row) for column in range(len(header))]
    total = sum(widths) + 2 * (len(widths) - 1)

    def line(row: Sequence[str]) -> str:
        pairs = enumerate(zip(row, widths, strict=True))
        return "  ".join(cell.ljust(w) if i < left else cell.rjust(w) for i, (cell, w) in pairs).rstrip()

    lines = [line(header)]
    for title, rows in blocks:
        lines.append(f"── {title} ".ljust(total, "─") if title else "─" * total)
        lines += [line(row) for row in rows]
    return "\n".join(lines) + "\n"
