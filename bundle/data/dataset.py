"""Eyes as a torch data set: read and prepared once, changed at random on every access, the same way in every run."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info
from tqdm import tqdm

from bundle.data.random_state import share_random_state
from bundle.data.shared_items import SharedStream, fingerprint, identity, shared, shared_stream
from bundle.data.volume_cache import VolumeCache
from bundle.errors import InputError, find_input_error

Item = dict[Hashable, Any]
Transforms = Callable[[Any], Any] | Sequence[Callable[[Any], Any]]

_MOST_SKIPPED = 0.01
_log = logging.getLogger(__name__)


def _as_list(transforms: Transforms | None) -> list[Callable[[Any], Any]]:
    if transforms is None:
        return []
    return [transforms] if callable(transforms) else list(transforms)


def _apply(transforms: Iterable[Callable[[Any], Any]], item: Item) -> Item:
    """One transform after the other; a MONAI `Compose` would cost 60 us a transform here."""
    for transform in transforms:
        item = transform(item)
    return item


def _versions(item: Item) -> dict[Hashable, int]:
    """How often each tensor has been written into, as autograd counts."""
    return {k: x._version for k, x in item.items() if isinstance(x, torch.Tensor) and not x.is_inference()}


class EyeDataset(Dataset[Item]):
    """Eyes of a cohort through a deterministic and a random pipeline.

    The deterministic part runs once per eye; its result stays in memory. The random part runs on every access with
    random numbers that are a function of (seed, epoch, index) and of nothing else: neither of the number of workers,
    nor of the order of access, nor of what ran before. A resumed training sees the very items it would have seen.

    Args:
        data: items of `Cohort.items(split)`.
        deterministic: a transform or a list of them, None for none.
        random: a transform or a list of them, None for none (validation). They must not write into their inputs and
            must draw from their own `self.R` only, as those of `bundle.transforms` and MONAI's do.
        cache: True keeps the deterministic results in memory (150 kB an eye on the default grid); False runs that
            part on every access.
        seed: of the random part.
        workers: threads that fill the cache; 0 uses none.
        on_error: what to do with an eye whose files cannot be used. "raise" stops with an error that names its row;
            "skip" leaves it out and lists it in `skipped`, up to 1 % of the eyes. "skip" needs `cache`.
        shared: True lets all cached data sets of this process whose files and deterministic transforms are the same
            have the same results, prepared once, and those with the same random transforms and seed the same randomly
            changed eyes; see bundle/data/shared_items.py.
        cache_dir: folder that keeps the deterministic results between runs, for any number of runs at once, and from
            which they are mapped into memory; None for none. See bundle/data/volume_cache.py.

    Attributes:
        data: the raw items that are in the data set, in its order.
        skipped: manifest rows left out.

    Raises:
        InputError: an eye that cannot be used, more than 1 % of them skipped, no eye at all, or a random transform that
            wrote into its input.

    Example:
        dataset = EyeDataset(cohort.items("train"), deterministic=[...], random=[...], seed=0)
        dataset.set_epoch(3)
        item = dataset[0]            # or dataset[3, 0], which names the epoch itself
    """

    def __init__(
        self,
        data: Sequence[Mapping[Hashable, Any]],
        deterministic: Transforms | None = None,
        random: Transforms | None = None,
        cache: bool = True,
        seed: int = 0,
        workers: int = 0,
        on_error: str = "raise",
        shared: bool = False,
        cache_dir: str | None = None,
    ) -> None:
        if on_error not in ("raise", "skip"):
            raise InputError(f"EyeDataset: on_error: found {on_error!r}, expected 'raise' or 'skip'")
        if on_error == "skip" and not cache:
            raise InputError("EyeDataset: on_error 'skip' needs cache true: what to leave out is found while caching")
        if len(data) == 0:
            raise InputError("EyeDataset: found no eye, expected at least one; check the manifest's column 'split'")
        self.data = [dict(item) for item in data]
        self.skipped: list[int | None] = []
        self.seed = seed
        self._deterministic = _as_list(deterministic)
        self._random = _as_list(random)
        # In shared memory, so that workers kept alive between epochs see a new epoch too.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()
        self._cached: list[Item] | None = None
        self._disk = VolumeCache(cache_dir, self._deterministic) if cache_dir is not None else None
        self._pipeline = fingerprint(self._deterministic) if shared and cache else None
        if cache:
            self._fill_cache(workers, skip=on_error == "skip")
        self._stream: SharedStream | None = None
        if self._pipeline is not None and self._random:
            eyes = tuple(identity(raw) for raw in self.data)
            self._stream = shared_stream((self._pipeline, fingerprint(self._random), seed, eyes))

    def __len__(self) -> int:
        return len(self.data)

    def set_epoch(self, epoch: int) -> None:
        """Choose the random numbers of the accesses to come. Call it before the epoch's loader is iterated."""
        self._epoch[0] = epoch

    def __getitem__(self, index: int | tuple[int, int]) -> Item:
        """The eye at `index`, or at (epoch, index) from a sampler that knows its epoch and needs no `set_epoch`."""
        epoch, position = index if isinstance(index, tuple) else (int(self._epoch[0]), index)
        if not -len(self) <= position < len(self):
            raise IndexError(f"eye {position} of {len(self)}")
        position %= len(self)
        item = dict(self._cached[position]) if self._cached is not None else self._prepare(self.data[position])
        if not self._random:
            return item
        # a worker's memory is its own: what it keeps nobody would find
        stream = self._stream if get_worker_info() is None else None
        known = stream.get((epoch, position)) if stream is not None else None
        if known is not None:
            return dict(known)
        sequence = np.random.SeedSequence([self.seed, epoch, position])
        share_random_state(self._random, np.random.RandomState(np.random.SFC64(sequence)))
        item = self._changed(item)
        if stream is not None:
            stream.put((epoch, position), dict(item))
        return item

    def _changed(self, item: Item) -> Item:
        """The random part; the next epoch begins with the prepared tensors, so they must be as they were."""
        prepared, before = dict(item), _versions(item)
        changed = _apply(self._random, item)
        after = _versions(prepared)
        if after != before:
            keys = [key for key in before if after[key] != before[key]]
            raise InputError(
                f"EyeDataset: found that a random transform wrote into its input (keys {keys}), expected a new tensor: "
                "clone it first in that transform"
            )
        return changed

    def _prepare(self, raw: Item) -> Item:
        """The deterministic part, its `InputError` naming the manifest row."""
        try:
            return self._transformed(raw) if self._disk is None else self._disk.prepared(self._transformed, raw)
        except Exception as error:
            cause = find_input_error(error)
            if cause is None:
                raise
            name = f"manifest row {raw.get('row')}"
            raise InputError(str(cause) if name in str(cause) else f"{name}: {cause}") from cause

    def _transformed(self, raw: Item) -> Item:
        return _apply(self._deterministic, dict(raw))

    def _prepare_or_error(self, raw: Item) -> Item | InputError:
        try:
            return self._prepare(raw) if self._pipeline is None else shared(self._prepare, self._pipeline, raw)
        except InputError as error:
            return error

    def _fill_cache(self, workers: int, skip: bool) -> None:
        kept, cached = [], []
        with ThreadPoolExecutor(max_workers=max(workers, 1)) as pool:
            results: Iterable[Item | InputError] = (
                pool.map(self._prepare_or_error, self.data) if workers else map(self._prepare_or_error, self.data)
            )
            for raw, result in zip(self.data, _with_progress(results, len(self.data)), strict=True):
                if not isinstance(result, InputError):
                    kept.append(raw)
                    cached.append(result)
                elif skip:
                    self._skip(raw, result)
                else:
                    pool.shutdown(cancel_futures=True)
                    raise result
        self.data, self._cached = kept, cached

    def _skip(self, raw: Item, error: InputError) -> None:
        """Leave an eye out, unless that makes it too many."""
        self.skipped.append(raw.get("row"))
        _log.warning("left out: %s", error)
        if len(self.skipped) > _MOST_SKIPPED * len(self.data):
            raise InputError(
                f"{len(self.skipped)} of {len(self.data)} eyes cannot be used (manifest rows {self.skipped}), more "
                f"than the 1 % that may be skipped; mend their files. The last one: {error}"
            )


def _with_progress(results: Iterable[Any], total: int) -> Iterator[Any]:
    """A progress bar where a person watches a terminal."""
    return iter(tqdm(results, total=total, desc="caching eyes", unit="eye", disable=not sys.stderr.isatty()))
