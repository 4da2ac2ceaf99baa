"""Reading files of weights without running code from them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from bundle.errors import InputError

# what torch.load raises for missing, cut, foreign and forged files
UNREADABLE = (RuntimeError, pickle.PickleError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError)


def load_weights_only(path: Path, device: torch.device | str = "cpu") -> Any:
    """torch.load that never runs code from the file.

    Raises:
        InputError: the file is missing, damaged, or holds anything but tensors and plain values.
    """
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; expected weights written by a training run") from error
    except UNREADABLE as error:
        raise InputError(
            f"{path}: damaged, or holds more than tensors and plain values; expected a file written by training"
        ) from error
