"""One clear line for what a user can mend, the whole traceback for everything else."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser

from bundle.errors import FriendlyErrors, InputError, end_on_sigterm, find_config_error, find_input_error, run_main


def caught(function: Callable[[], Any]) -> BaseException:
    with pytest.raises(Exception) as info:  # noqa: PT011 - whatever it is
        function()
    return info.value


def wrapped() -> None:
    try:
        raise InputError("manifest.csv: row 3: found x")
    except InputError as error:
        raise RuntimeError("MONAI's words") from error


def instantiate(config: dict[str, Any]) -> Any:
    parser = ConfigParser({"part": config})
    return parser.get_parsed_content("part")


def test_an_input_error_is_found_among_the_causes() -> None:
    assert str(find_input_error(caught(wrapped))) == "manifest.csv: row 3: found x"
    assert find_input_error(ValueError("other")) is None
    assert find_input_error(None) is None


def test_a_circle_of_causes_ends() -> None:
    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert find_input_error(first) is None


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            {"_target_": "bundle.modulation.ModalityBudgetAscent", "rho": 0.1, "equalise": 1.0},
            ["ModalityBudgetAscent has no argument 'equalise'", "did you mean 'equalize'", "fusion_share"],
        ),
        (  # what __init__ hands on to its base class counts as accepted
            {"_target_": "bundle.engines.SharpnessAwareTrainer", "max_epoch": 3},
            ["has no argument 'max_epoch'", "did you mean 'max_epochs'", "rho_warmup_epochs", "optimizer"],
        ),
        (
            {"_target_": "bundle.networks.ConcatFusion", "oct_features": 3, "fundus_features": 3, "hiden": 8},
            ["ConcatFusion", "'hiden'", "did you mean 'hidden'"],
        ),
        ({"_target_": "bundle.config.save_config", "file": "x"}, ["has no argument 'file'", "accepted: path"]),
        ({"_target_": "bundle.networks.PatchStemEncoder", "spatial_dims": 3}, ["needs the argument", "in_channels"]),
        ({"_target_": "bundle.modulation.ModalityBudgetAscent"}, ["needs the argument 'rho'"]),
        ({"_target_": "bundle.modulation.Nothing"}, ["'bundle.modulation.Nothing' does not exist"]),
    ],
)  # fmt: skip
def test_a_wrong_argument_in_a_config_becomes_one_line(config: dict[str, Any], words: list[str]) -> None:
    error = find_config_error(caught(lambda: instantiate(config)))
    assert error is not None
    assert "\n" not in str(error)
    for word in words:
        assert word in str(error)


class Broken:
    """Its own code has a bug: it calls something with an argument that is not there."""

    def __init__(self, size: int = 1) -> None:
        dict.fromkeys([size], size=size)


class Raises:
    def __init__(self, size: int = 1) -> None:
        raise TypeError("unsupported operand")


@pytest.mark.parametrize("name", ["Raises"])
def test_a_components_own_type_error_keeps_its_traceback(name: str) -> None:
    config = {"_target_": f"tests.test_errors.{name}", "size": 2}
    assert find_config_error(caught(lambda: instantiate(config))) is None


def test_a_bug_inside_a_component_is_not_taken_for_a_typo() -> None:
    from bundle.errors import _wrong_argument

    assert _wrong_argument("tests.test_errors.Broken", "f() got an unexpected keyword argument 'size'") is None


@pytest.mark.parametrize(
    ("main", "status", "err"),
    [
        ("lambda: None", 0, ""),
        ("lambda: 3", 3, ""),
        ("lambda: throw(InputError('row 2: found x'))", 2, "error: row 2: found x\n"),
        ("lambda: throw(KeyboardInterrupt())", 130, "interrupted\n"),
    ],
)
def test_run_main_turns_outcomes_into_exit_statuses(
    main: str, status: int, err: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def throw(error: BaseException) -> None:
        raise error

    with pytest.raises(SystemExit) as info:
        run_main(eval(main, {"throw": throw, "InputError": InputError}))
    assert info.value.code == status
    assert capsys.readouterr().err == err


def test_run_main_lets_other_errors_through() -> None:
    def main() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_main(main)


HOOK = """
from bundle.errors import FriendlyErrors, InputError
FriendlyErrors(); FriendlyErrors()
try:
    raise {error}
except Exception as error:
    raise RuntimeError("wrapped") from error
"""


@pytest.mark.parametrize(
    ("error", "friendly"), [("InputError('row 2: found x')", True), ("ZeroDivisionError('bug')", False)]
)
def test_hook_ends_a_process_with_one_line_or_the_whole_traceback(error: str, friendly: bool) -> None:
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", HOOK.format(error=error)], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert (done.stderr == "error: row 2: found x\n") == friendly
    assert ("Traceback" in done.stderr) != friendly


def test_hook_is_installed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    FriendlyErrors()
    hook = sys.excepthook
    FriendlyErrors()
    assert sys.excepthook is hook


ENDED = """
import atexit, multiprocessing, os, signal, time
from bundle.errors import FriendlyErrors
FriendlyErrors()
atexit.register(print, "closed", flush=True)
{body}
"""
WORKER = """
child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
child.start()
time.sleep(0.2)
child.terminate()
child.join()
print(child.exitcode, flush=True)
"""


@pytest.mark.parametrize(
    ("body", "status", "printed", "told"),
    [
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", 143, "closed\n", ""),
        ("os.kill(os.getpid(), signal.SIGINT); time.sleep(60)", -signal.SIGINT, "closed\n", "interrupted\n"),
        (WORKER, 0, f"{-signal.SIGTERM}\nclosed\n", ""),
    ],
    ids=["SIGTERM", "Ctrl-C", "SIGTERM to a forked worker"],
)
def test_a_signal_ends_the_process_and_what_is_open_is_closed(body: str, status: int, printed: str, told: str) -> None:
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", ENDED.format(body=body)], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (status, printed, told)


def test_a_handler_of_somebody_else_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def theirs(*_: object) -> None: ...

    before = signal.signal(signal.SIGTERM, theirs)
    try:
        end_on_sigterm()
        assert signal.getsignal(signal.SIGTERM) is theirs
    finally:
        signal.signal(signal.SIGTERM, before)
