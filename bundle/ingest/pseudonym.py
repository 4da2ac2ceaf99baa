"""Pseudonyms, shifted dates and file names from one secret key: the same key gives the same ones again."""

from __future__ import annotations

import hashlib
import hmac
from datetime import date, timedelta

# Crockford's 32 signs: no I, L, O, U, so that neither a word nor OD or OS can arise.
_SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SIGNS_OF_A_NAME = 10  # 50 bits: among a million patients, two share a pseudonym with a probability of 1 in 2,000
OLDEST_YEARS = 90  # everyone older counts as 90: so few are older that the age itself would name them


class Pseudonyms:
    """Keyed hashes (HMAC-SHA256): without the key not even trying all patient numbers tells whose a pseudonym is.

    >>> names = Pseudonyms(b"0" * 32)
    >>> names.patient("4711") == names.patient("4711"), names.patient("4711")[0], len(names.patient("4711"))
    (True, 'P', 11)
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def patient(self, patient_key: str) -> str:
        """ "P" and ten signs."""
        return "P" + self._signs("patient", patient_key)

    def image(self, relative_path: str) -> str:
        """Ten signs that tell an image from the others of its eye; they stay when other images are added."""
        return self._signs("image", relative_path)

    def shifted(self, patient_key: str, day: date) -> date:
        """The date moved back by 1 to 365 days, the same for all dates of a patient: intervals stay."""
        days = int.from_bytes(self._digest("shift", patient_key)[:8], "big") % 365
        return day - timedelta(days=1 + days)

    def signature(self, text: str) -> str:
        """64 hexadecimal digits that change when the text does."""
        return self._digest("signature", text).hex()

    def _digest(self, purpose: str, text: str) -> bytes:
        return hmac.new(self._key, f"{purpose}\0{text}".encode("utf-8", "surrogatepass"), hashlib.sha256).digest()

    def _signs(self, purpose: str, text: str) -> str:
        number = int.from_bytes(self._digest(purpose, text), "big")
        return "".join(_SIGNS[(number >> (5 * place)) & 31] for place in range(_SIGNS_OF_A_NAME))


def whole_years(birth_date: date, day: date) -> int:
    """Age in completed years, at most 90.

    >>> whole_years(date(1950, 6, 2), date(2020, 6, 1)), whole_years(date(1900, 1, 1), date(2020, 1, 1))
    (69, 90)
    """
    years = day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))
    return min(years, OLDEST_YEARS)
