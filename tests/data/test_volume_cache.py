"""Prepared eyes on disk: the same as those made anew, never those of another state, and never in the way."""

from __future__ import annotations

import errno
import logging
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bundle.data.cache_entry import encode
from bundle.data.dataset import EyeDataset
from bundle.data.volume_cache import VolumeCache
from bundle.errors import InputError
from bundle.transforms import RandSpeckled

Raw = list[dict[str, Any]]


class Prepare:
    """Makes an eye from its file; counts on the class, so that its own attributes are its configuration."""

    calls = 0

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        Prepare.calls += 1
        size = len(Path(item["image"]).read_bytes())
        if size == 0:
            raise InputError(f"{item['image']}: found 0 bytes, expected a volume")
        image = torch.rand(1, 4, 8, 8, generator=torch.Generator().manual_seed(size)) * self.gain
        return {"image": image, "label": torch.tensor([item["label"]]), "row": item["row"]}


@pytest.fixture(autouse=True)
def fresh() -> None:
    Prepare.calls = 0


@pytest.fixture
def raw(tmp_path: Path) -> Raw:
    items = []
    for row in (2, 3, 4):
        path = tmp_path / "scans" / f"CANARY{row}.npz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * row)
        items.append({"image": str(path), "label": -1.1 * row, "eye": "OD", "row": row, "patient": "CANARY"})
    return items


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "deeper"


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("??/*.eye"))


def same(one: EyeDataset, other: EyeDataset) -> bool:
    return all(
        torch.equal(one[i]["image"], other[i]["image"])
        and torch.equal(one[i]["label"], other[i]["label"])
        and one[i]["row"] == other[i]["row"]
        and list(one[i]) == list(other[i])
        for i in range(len(one))
    )


@pytest.mark.parametrize("cache", [True, False])
def test_hit_equals_miss_and_prepares_nothing(raw: Raw, folder: Path, cache: bool) -> None:
    plain = EyeDataset(raw, Prepare())
    cold = EyeDataset(raw, Prepare(), cache=cache, cache_dir=str(folder))
    assert same(plain, cold)
    assert len(entries(folder)) == 3
    calls = Prepare.calls
    warm = EyeDataset(raw, Prepare(), cache=cache, cache_dir=str(folder))
    assert same(plain, warm)
    assert Prepare.calls == calls


@pytest.mark.parametrize("change", ["size", "time", "label", "argument", "another transform"])
def test_whatever_changes_is_prepared_anew(raw: Raw, folder: Path, change: str) -> None:
    EyeDataset(raw, Prepare(), cache_dir=str(folder))
    path = Path(raw[0]["image"])
    if change == "size":
        path.write_bytes(b"x" * 9)
    if change == "time":
        os.utime(path, ns=(1, 1))
    if change == "label":
        raw[0]["label"] = 7.0
    gain = 3.0 if change == "argument" else 1.0
    pipeline = [Prepare(gain), dict] if change == "another transform" else [Prepare(gain)]
    got = EyeDataset(raw, pipeline, cache_dir=str(folder))
    assert Prepare.calls == (6 if change in ("argument", "another transform") else 4)
    assert same(got, EyeDataset(raw, pipeline))


def test_changed_code_is_another_entry(raw: Raw, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    EyeDataset(raw, Prepare(), cache_dir=str(folder))
    monkeypatch.setattr("bundle.data.volume_cache.code_version", lambda transforms: "the next release")
    EyeDataset(raw, Prepare(), cache_dir=str(folder))
    assert Prepare.calls == 6


def test_neither_names_nor_contents_tell_who_it_is(raw: Raw, folder: Path, tmp_path: Path) -> None:
    EyeDataset(raw, Prepare(), cache_dir=str(folder))
    for path in folder.rglob("*"):
        assert "CANARY" not in path.name
        assert path.is_dir() or not any(
            word in path.read_bytes() for word in (b"CANARY", b"scans", os.fsencode(tmp_path))
        )


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "of something else"])
def test_damaged_entry_is_named_and_made_anew(
    raw: Raw, folder: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    plain = EyeDataset(raw, Prepare(), cache_dir=str(folder))
    entry = entries(folder)[1]
    content = entry.read_bytes()
    entry.unlink()  # the mapped one stays as it is
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]
    damaged = {"cut": content[:-1], "flipped": flipped, "empty": b"", "of something else": b"{}" * 50}
    entry.write_bytes(damaged[damage])
    with caplog.at_level(logging.WARNING):
        assert same(plain, EyeDataset(raw, Prepare(), cache_dir=str(folder)))
    assert Prepare.calls == 4
    assert f"{entry.stem[:12]}: found damaged" in caplog.text
    assert entry.read_bytes() == content
    assert "CANARY" not in caplog.text


def no_space(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_full_disk_is_one_warning_and_leaves_nothing_half(
    raw: Raw, folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(os, step, no_space)
    with caplog.at_level(logging.WARNING):
        got = EyeDataset(raw, Prepare(), cache_dir=str(folder))
    assert caplog.text.count("cannot be written (No space left on device)") == 1
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    monkeypatch.undo()
    assert same(got, EyeDataset(raw, Prepare()))


def test_folder_that_cannot_be_written_is_read_all_the_same(
    raw: Raw, folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    EyeDataset(raw[:2], Prepare(), cache_dir=str(folder))

    def read_only(self: Path, *_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", read_only)  # root may write where permissions forbid it
    with caplog.at_level(logging.WARNING):
        got = EyeDataset(raw, Prepare(), cache_dir=str(folder))
    assert Prepare.calls == 3
    assert len(got) == 3
    assert caplog.text.count("Read-only file system") == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission_is_one_warning(raw: Raw, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    EyeDataset(raw, Prepare(), cache_dir=str(tmp_path / "closed"))
    assert caplog.text.count("Permission denied") == 1


def test_file_in_place_of_the_folder_is_one_warning(raw: Raw, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    got = EyeDataset(raw, Prepare(), cache_dir=str(tmp_path / "file"))
    assert len(got) == 3
    assert caplog.text.count("goes on without") <= 2  # once for reading, once for writing
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.parametrize(
    "pipeline", [lambda item: item, [Prepare(), lambda item: item]], ids=["lambda", "a lambda too"]
)
def test_transforms_that_cannot_be_told_apart_are_not_cached(
    raw: Raw, folder: Path, caplog: pytest.LogCaptureFixture, pipeline: Callable[[Any], Any]
) -> None:
    for _ in range(2):
        EyeDataset(raw, pipeline, cache_dir=str(folder))
    assert entries(folder) == []
    assert "cannot be told from others" in caplog.text


def leave_name(item: dict[str, Any]) -> dict[str, Any]:
    return {"name": item["patient"] + " again"}


def test_item_with_text_of_its_own_is_not_stored(raw: Raw, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    got = EyeDataset(raw, leave_name, cache_dir=str(folder))
    assert got[0] == {"name": "CANARY again"}
    assert entries(folder) == []
    assert caplog.text.count("key 'name': text, which is not stored") == 1


def test_failed_eyes_are_not_stored(raw: Raw, folder: Path) -> None:
    Path(raw[1]["image"]).write_bytes(b"")
    with pytest.raises(InputError, match="manifest row 3"):
        EyeDataset(raw, Prepare(), cache_dir=str(folder))
    assert len(entries(folder)) == 1


def test_file_that_changes_while_it_is_read_is_not_stored(raw: Raw, folder: Path) -> None:
    cache = VolumeCache(folder, [Prepare()])

    def slow(item: dict[str, Any]) -> dict[str, Any]:
        done = Prepare()(item)
        Path(item["image"]).write_bytes(b"the next version")
        return done

    cache.prepared(slow, raw[0])
    assert entries(folder) == []


def test_drafts_of_killed_processes_go_after_a_day(raw: Raw, folder: Path) -> None:
    drafts = folder / "tmp"
    drafts.mkdir(parents=True)
    for name, age_s in (("old", 2 * 86400), ("of a run beside this one", 60)):
        (drafts / name).write_bytes(b"half")
        time = drafts.stat().st_mtime - age_s
        os.utime(drafts / name, (time, time))
    EyeDataset(raw, Prepare(), cache_dir=str(folder))
    assert [path.name for path in drafts.iterdir()] == ["of a run beside this one"]


class InPlace(RandSpeckled):
    """A random transform that breaks its promise."""

    def augment(self, x: torch.Tensor) -> torch.Tensor:
        return x.add_(1.0)


@pytest.mark.parametrize("on_disk", [True, False])
def test_random_transform_that_writes_into_its_input_is_refused(raw: Raw, folder: Path, on_disk: bool) -> None:
    cache_dir = str(folder) if on_disk else None
    data = EyeDataset(raw, Prepare(), random=[InPlace("image", prob=1.0)], cache_dir=cache_dir)
    with pytest.raises(InputError, match=r"wrote into its input \(keys \['image'\]\)"):
        data[0]
    assert same(EyeDataset(raw, Prepare(), cache_dir=str(folder)), EyeDataset(raw, Prepare()))


def test_random_part_is_the_same_with_the_cache(raw: Raw, folder: Path) -> None:
    def changed(**options: Any) -> list[torch.Tensor]:
        data = EyeDataset(raw, Prepare(), random=[RandSpeckled("image", prob=1.0)], **options)
        return [data[epoch, i]["image"] for epoch in range(2) for i in range(3)]

    plain = changed()
    for _ in range(2):
        assert all(map(torch.equal, plain, changed(cache_dir=str(folder))))
        assert all(map(torch.equal, plain, changed(cache_dir=str(folder), workers=3, shared=True)))


def test_data_set_goes_to_a_loading_process(raw: Raw, folder: Path) -> None:
    data = EyeDataset(raw, Prepare(), cache=False, cache_dir=str(folder))
    assert same(pickle.loads(pickle.dumps(data)), data)


def test_entry_of_another_key_is_not_taken(raw: Raw, folder: Path) -> None:
    """Even a whole and valid entry counts only under its own name."""
    cache = VolumeCache(folder, [Prepare()])
    wrong = folder / "00" / f"{'0' * 64}.eye"
    wrong.parent.mkdir(parents=True)
    wrong.write_bytes(encode({"image": torch.zeros(1)}, raw[0]))
    assert torch.equal(cache.prepared(Prepare(), raw[0])["image"], Prepare()(raw[0])["image"])
