"""Prepared eyes on disk, from one run to the next and for runs side by side."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import time
import uuid
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

from bundle.data.cache_entry import DamagedError, UnstorableError, decode, encode
from bundle.data.code_version import code_version
from bundle.data.shared_items import identity, lasting_fingerprint

Item = dict[Hashable, Any]

_FORMAT = 1
_DRAFTS = "tmp"
_ABANDONED_S = 24 * 3600
_log = logging.getLogger(__name__)


class VolumeCache:
    """Results of the deterministic transforms, a file an eye, in a folder that any number of processes may share.

    An entry is found by the SHA-256 of the states of the eye's files (`file_state`), the other values of its item, the
    configuration of the transforms (`fingerprint`) and the version of their code (`code_version`). Whatever changes,
    the entry is another one; what is left behind may be deleted at any time, as may the whole folder.

    An entry is written to a temporary file, flushed to the disk and renamed: after a kill at any moment there is the
    whole entry or none, and of two processes that write the same one the last wins. A damaged entry is named in the
    log and made anew. Where the folder cannot be written or read, one warning is logged and eyes are prepared as
    without it.

    Neither names nor contents hold a path, a file's name or a patient's identifier. The contents are images of eyes.

    Args:
        folder: made when the first eye is stored.
        transforms: the deterministic transforms, all of them.

    Example: `VolumeCache("cache", transforms).prepared(prepare, {"image": "a.npz", "eye": "OD", "row": 2})`
    """

    def __init__(self, folder: str | Path, transforms: Sequence[Any]) -> None:
        self._folder = Path(folder).absolute()
        self._warned: set[str] = set()
        self._writes = True
        configuration, code = lasting_fingerprint(transforms), code_version(transforms)
        self._pipeline = None if configuration is None or code is None else (_FORMAT, configuration, code)
        self._sweep()
        if self._pipeline is None:
            self._warn("a transform cannot be told from others, such as a lambda or one typed into a console: not used")

    def prepared(self, prepare: Callable[[Item], Item], raw: Item) -> Item:
        """`prepare(raw)`, from the cache where it is there; a result that was made anew is stored.

        Its tensors must not be written into. Raises what `prepare` raises; nothing is stored then.
        """
        path = self.path(raw)
        known = None if path is None else self._read(path, raw)
        if known is not None:
            return known
        item = prepare(raw)
        # Not if a file changed meanwhile: nobody knows then which state of it was read.
        if path is None or not self._writes or path != self.path(raw) or not self._write(path, item, raw):
            return item
        return self._read(path, raw) or item  # mapped, so that memory is needed for what is used only

    def path(self, raw: Item) -> Path | None:
        """Where the entry of an eye is or would be; None when there cannot be one."""
        if self._pipeline is None:
            return None
        try:
            key = hashlib.sha256(repr((self._pipeline, identity(raw))).encode("utf-8", "surrogatepass")).hexdigest()
        except OSError:  # the reader will say it better
            return None
        return self._folder / key[:2] / f"{key}.eye"

    def _read(self, path: Path, raw: Item) -> Item | None:
        try:
            return decode(path, raw)
        except FileNotFoundError:
            return None
        except DamagedError as error:
            _log.warning("cache entry %s: found damaged (%s); prepared anew", path.stem[:12], error)
        except OSError as error:
            self._warn(f"cannot be read ({error.strerror}): goes on without it")
        return None

    def _write(self, path: Path, item: Item, raw: Item) -> bool:
        """Whether the entry is there now."""
        temporary = self._folder / _DRAFTS / uuid.uuid4().hex
        try:
            content = encode(item, raw)
            for folder in (path.parent, temporary.parent):
                folder.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            return True
        except UnstorableError as error:
            self._warn(f"found {error}, which is not stored: these eyes are prepared in every run")
        except OSError as error:
            self._writes = False
            self._warn(f"cannot be written ({error.strerror}): goes on without storing; free space or mend permissions")
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        return False

    def _sweep(self) -> None:
        """Remove the drafts that killed processes left long ago."""
        with contextlib.suppress(OSError):
            for draft in (self._folder / _DRAFTS).iterdir():
                if draft.stat().st_mtime < time.time() - _ABANDONED_S:
                    draft.unlink()

    def _warn(self, problem: str) -> None:
        if problem not in self._warned:
            self._warned.add(problem)
            _log.warning("cache folder %s: %s", self._folder, problem)
