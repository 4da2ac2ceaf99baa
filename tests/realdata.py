"""Where the real samples are: used by every test that reads one, and the reason it skips without them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def realdata(*parts: str) -> Path:
    """The path of a real sample; skips the calling test when it is absent.

    The folder is named by the environment variable REM3DR_REALDATA, else it is `shared/realdata` beside the checkout.
    """
    named = os.environ.get("REM3DR_REALDATA")
    checkout = Path(__file__).resolve().parents[1]
    folders = [Path(named)] if named else [checkout / "shared" / "realdata", checkout.parent / "shared" / "realdata"]
    for folder in folders:
        if folder.joinpath(*parts).exists():
            return folder.joinpath(*parts)
    pytest.skip(
        f"real sample {'/'.join(parts) or '(folder)'} is absent; set REM3DR_REALDATA to the folder that holds it"
    )
