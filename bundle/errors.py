"""What a user can get wrong, told in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import TracebackType


class InputError(ValueError):
    """A file, row, column, key or option that the user can mend.

    The message is one line: where it is, what was found, what was expected, how to mend it. Where there are several
    problems, of a manifest for example, more lines follow, and the first stands by itself.
    It never holds a patient's identifier.
    """


def find_input_error(error: BaseException | None) -> InputError | None:
    """The `InputError` among an exception and its causes, or None.

    MONAI wraps whatever a config's component raises in a RuntimeError, so the cause chain is walked.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, InputError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def report(error: InputError) -> None:
    """Print the error as the one line a user reads."""
    print(f"error: {error}", file=sys.stderr)


def run_main(main: Callable[[], int | None]) -> None:
    """Run a script's `main` and exit: 0 when it returns None, 2 with one line for an `InputError`, 130 for Ctrl-C."""
    try:
        status = main() or 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except Exception as error:
        cause = find_input_error(error)
        if cause is None:
            raise
        report(cause)
        status = 2
    sys.exit(status)


class FriendlyErrors:
    """Makes an uncaught `InputError` one line instead of a traceback; every other exception is shown in full.

    A config creates it first in `initialize`, because `python -m monai.bundle` owns the process's main function.
    """

    def __init__(self) -> None:
        if getattr(sys.excepthook, "__self__", None).__class__ is not FriendlyErrors:
            self._previous = sys.excepthook
            sys.excepthook = self._hook

    def _hook(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        cause = find_input_error(error)
        if cause is None:
            self._previous(kind, error, trace)
        else:
            report(cause)
