"""What a check finds: all well, a problem with its fix, or a reason why it was not made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bundle.errors import InputError


class Failed(Exception):
    """A check that found a problem. The message says what was found and expected, `fix` how to mend it."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.fix = fix


class Skipped(Exception):
    """A check that was not made; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """Of one check: `status` is "ok", "FAIL" or "skip"; `text` what was found."""

    check: str
    status: str
    text: str

    def line(self) -> str:
        """One line for the terminal."""
        text = " ".join(self.text.split())
        return f"{self.status:<4}  {self.check}" + (f": {text}" if text else "")


Check = tuple[str, Callable[[], str | None]]  # its name; returns a remark, raises Failed or Skipped


def run_checks(checks: Sequence[Check]) -> Iterator[Outcome]:
    """The outcome of every check, in order; one that fails, whatever it raises, does not stop the others."""
    for name, check in checks:
        try:
            yield Outcome(name, "ok", check() or "")
        except Failed as failed:
            yield Outcome(name, "FAIL", f"{failed}; fix: {failed.fix}")
        except Skipped as skipped:
            yield Outcome(name, "skip", str(skipped))
        except InputError as error:
            yield Outcome(name, "FAIL", str(error))
        except Exception as error:  # a damaged package may break a check in any way: that is a finding too
            yield Outcome(name, "FAIL", f"{type(error).__name__}: {error}; fix: make the package again")
