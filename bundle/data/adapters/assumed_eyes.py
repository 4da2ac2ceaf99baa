"""The eye of data sets that do not say which eye an image shows: a table of the user's, else every eye as it lies."""

from __future__ import annotations

from pathlib import Path

from bundle.data.adapters.layout import fingerprint
from bundle.data.adapters.tables import by_id, read_rows
from bundle.data.laterality import normalise_eye
from bundle.errors import InputError

NOTE = (
    "the data set does not say which eye an image shows: all are entered as OD, so none is mirrored; "
    "a CSV with the columns id and eye tells it (--manifest#eyes)"
)


class Eyes:
    """Which eye has which number.

    table: CSV with the columns `id` (any text with the data set's number in it) and `eye`; None knows nothing.
    Raises InputError for a table without these columns or with a cell that is neither.
    """

    def __init__(self, table: str | Path | None) -> None:
        self._known: dict[int, str] | None = None
        self.fingerprint: str | None = None
        if table is None:
            return
        path, self._known = Path(table), {}
        rows = by_id(read_rows(path, ("id", "eye")), "id")
        self.fingerprint = fingerprint(path.parent, [path])
        for number, row in rows.items():
            eye = normalise_eye(row.text("eye") or "")
            if eye is None:
                raise row.error("eye", "found neither OD nor OS, expected one of them")
            self._known[number] = eye

    @property
    def notes(self) -> list[str]:
        """What is assumed, for the log."""
        return [NOTE] if self._known is None else []

    def stated(self, number: int) -> str | None:
        """The eye that the table states; None without a table."""
        return None if self._known is None else self.entered(number)

    def entered(self, number: int) -> str:
        """The eye for the manifest; InputError when there is a table and it lacks the number."""
        if self._known is None:
            return "OD"
        if number not in self._known:
            raise InputError("eyes: an eye of the data set is not in the table, expected every one: add its row")
        return self._known[number]
