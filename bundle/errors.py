"""What a user can get wrong, told in one line."""

from __future__ import annotations

import difflib
import inspect
import multiprocessing
import os
import pydoc
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType

# what MONAI's `instantiate` and Python's calls say
COMPONENT = re.compile(r"Failed to instantiate component '([\w.]+)'")
UNKNOWN_ARGUMENT = re.compile(r"got an unexpected keyword argument '(\w+)'")
MISSING_ARGUMENT = re.compile(r"missing (?:\d+ required|a required).*argument\w*: (.+)")
UNKNOWN_TARGET = re.compile(r"Cannot locate class or function path: '([^']+)'")


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
    return next((one for one in _chain(error) if isinstance(one, InputError)), None)


def find_config_error(error: BaseException | None) -> InputError | None:
    """What a config got wrong about a component, said by MONAI in a traceback, as an `InputError`; or None.

    Covers an unknown argument, a missing one, and a `_target_` that does not exist.
    """
    for one in _chain(error):
        target = UNKNOWN_TARGET.search(str(one)) if isinstance(one, ModuleNotFoundError) else None
        if target:
            return InputError(f"config: `_target_` {target[1]!r} does not exist; check its spelling")
        component = COMPONENT.search(str(one)) if isinstance(one, RuntimeError) else None
        if component and isinstance(one.__cause__, TypeError):
            return _wrong_argument(component[1], str(one.__cause__))
    return None


def _wrong_argument(component: str, message: str) -> InputError | None:
    accepted = _arguments(pydoc.locate(component))
    missing = MISSING_ARGUMENT.search(message)
    if missing:
        return InputError(f"config: {component} needs the argument {missing[1]}; accepted: {', '.join(accepted)}")
    unknown = UNKNOWN_ARGUMENT.search(message)
    if unknown is None or unknown[1] in accepted:  # the component itself called something with it: a bug, not a typo
        return None
    near = difflib.get_close_matches(unknown[1], accepted, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return InputError(
        f"config: {component} has no argument {unknown[1]!r}; {hint}accepted: {', '.join(accepted) or 'none'}"
    )


def _arguments(component: object) -> list[str]:
    """Names that a function or class takes; where it hands `**kwargs` to its base class, also the names of that."""
    if not callable(component):
        return []
    names: dict[str, None] = {}
    for owner in inspect.getmro(component) if inspect.isclass(component) else [component]:
        function = owner.__dict__.get("__init__") if inspect.isclass(owner) else owner
        if function is None:
            continue
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            break
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        names |= {p.name: None for p in parameters if p.kind in named and p.name != "self"}
        if all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in parameters):
            break
    return list(names)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and its causes."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


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
    """Makes an uncaught `InputError` one line instead of a traceback, and so a config's wrong argument or `_target_`.

    Ctrl-C is one word. Every other exception is shown in full. SIGTERM, which clusters and containers send, ends the
    process like an exception, so that what is open is closed (exit status 143).

    A config creates it first in `initialize`, because `python -m monai.bundle` owns the process's main function.
    """

    def __init__(self) -> None:
        if getattr(sys.excepthook, "__self__", None).__class__ is not FriendlyErrors:
            self._previous = sys.excepthook
            sys.excepthook = self._hook
            end_on_sigterm()

    def _hook(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        cause = find_input_error(error) or find_config_error(error)
        if isinstance(error, KeyboardInterrupt):
            print("interrupted", file=sys.stderr)
        elif cause is None:
            self._previous(kind, error, trace)
        else:
            report(cause)


def end_on_sigterm() -> None:
    """Let SIGTERM raise SystemExit(143) in the main process, where nobody else handles it."""
    in_main = threading.current_thread() is threading.main_thread() and multiprocessing.parent_process() is None
    if in_main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: FrameType | None) -> None:
    if multiprocessing.parent_process() is None:
        sys.exit(128 + number)
    signal.signal(number, signal.SIG_DFL)  # a forked data loader's worker, which its parent ends this way
    os.kill(os.getpid(), number)
