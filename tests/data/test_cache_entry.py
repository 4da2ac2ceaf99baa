"""An entry of the cache: what goes in comes out, and nothing else does."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.data import MetaTensor

from bundle.data.cache_entry import DamagedError, UnstorableError, decode, encode

RAW = {"image": "/home/CANARY/eye.npz", "note": "CANARY seen twice", "row": 7}


def written(tmp_path: Path, item: dict[Any, Any], raw: dict[Any, Any] = RAW) -> Path:
    path = tmp_path / "entry.eye"
    path.write_bytes(encode(item, raw))
    return path


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([0.1, -math.inf, math.nan, -0.0]), torch.rand(2, 3, 4).transpose(0, 2), torch.tensor(3.5),
        torch.zeros(0, 4), torch.arange(5, dtype=torch.uint8), torch.tensor([True, False]),
        torch.rand(3, dtype=torch.float64), torch.rand(3).bfloat16(), torch.arange(3)[::2], torch.rand(4, 4)[:, 1],
    ],
    ids=lambda tensor: f"{tensor.dtype} {tuple(tensor.shape)}",
)  # fmt: skip
def test_every_kind_of_tensor_returns_bit_for_bit(tmp_path: Path, tensor: torch.Tensor) -> None:
    item = {"before": torch.arange(3, dtype=torch.uint8), "x": tensor}
    got = decode(written(tmp_path, item), RAW)["x"]
    assert (got.dtype, got.shape, type(got)) == (tensor.dtype, tensor.shape, torch.Tensor)
    assert torch.equal(got.reshape(-1).view(torch.uint8), tensor.contiguous().reshape(-1).view(torch.uint8))


def test_plain_values_return_with_their_types_and_order(tmp_path: Path) -> None:
    item = {
        "row": 7, "label": -3.3000000000000003, "eye": "OD", "spacing_mm": (0.1, 0.2, 1e-300),
        "list": [1, (True, None)], "note": RAW["note"], "image": RAW["image"], "infinite": math.inf,
    }  # fmt: skip
    got = decode(written(tmp_path, item), RAW)
    assert got == item
    assert list(got) == list(item)
    assert [type(value) for value in got.values()] == [type(value) for value in item.values()]


def test_text_of_the_raw_item_is_not_in_the_file(tmp_path: Path) -> None:
    content = written(tmp_path, {"x": torch.zeros(2), "note": RAW["note"], "image": RAW["image"]}).read_bytes()
    assert b"CANARY" not in content


@pytest.mark.parametrize(
    "item",
    [
        {"name": "CANARY"}, {"names": ["CANARY"]}, {"x": MetaTensor(torch.zeros(2))}, {"x": {1, 2}}, {"x": object()},
        {"x": torch.zeros(2, requires_grad=True)}, {"x": torch.zeros(2, dtype=torch.complex64)}, {1: 2},
        {"x": torch.zeros(2).to_sparse()}, {"x": torch.zeros(2, device="meta")},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_given_back_is_refused_without_its_text(item: dict[Any, Any]) -> None:
    with pytest.raises(UnstorableError) as caught:
        encode(item, RAW)
    assert "CANARY" not in str(caught.value)


def test_every_damaged_byte_and_every_cut_is_found(tmp_path: Path) -> None:
    path = written(tmp_path, {"x": torch.arange(6.0), "row": 7})
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(DamagedError):
            decode(path, RAW)
    for length in (0, 1, 39, 40, 64, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(DamagedError):
            decode(path, RAW)
    path.write_bytes(content + b"\0")
    with pytest.raises(DamagedError):
        decode(path, RAW)


def test_writing_into_a_mapped_tensor_does_not_reach_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, {"x": torch.zeros(1000)})
    before = path.read_bytes()
    decode(path, RAW)["x"].fill_(1.0)
    assert path.read_bytes() == before
    assert torch.equal(decode(path, RAW)["x"], torch.zeros(1000))


def test_tensors_are_mapped_and_no_file_stays_open(tmp_path: Path) -> None:
    path = written(tmp_path, {"x": torch.zeros(10_000)})
    held = [decode(path, RAW) for _ in range(20)]
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs /proc to see what is mapped and open")
    lines = [line for line in maps.read_text().splitlines() if line.endswith(path.name)]
    assert len(lines) >= 1
    assert {line.split()[1] for line in lines} <= {"rw-p", "r--p"}  # p: private
    opened = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert not any(str(target).endswith(path.name) for target in opened)
    assert len(held) == 20


def test_without_a_map_the_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("unable to mmap: Cannot allocate memory (12)")

    path = written(tmp_path, {"x": torch.arange(6.0)})
    monkeypatch.setattr(torch, "from_file", refuse)
    assert torch.equal(decode(path, RAW)["x"], torch.arange(6.0))
    path.unlink()
    with pytest.raises(FileNotFoundError):
        decode(path, RAW)
