"""A toy of everything a training needs: network, batches, trainer, and a cohort written to a folder."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.engines import PrepareBatchExtraInput
from PIL import Image
from torch import Tensor

from bundle.engines import SharpnessAwareTrainer
from bundle.losses import MultimodalRegressionLoss
from bundle.networks import ConcatFusion, MDRegressor, PatchStemEncoder, TrainingNetwork

MEAN_DB, SD_DB = -6.0, 4.0
OCT_GRID, FUNDUS_SIZE = (4, 16, 8), 16
MODALITIES = ("oct", "fundus")
KEYS = {"oct": "image", "fundus": "fundus"}


def toy_encoder(
    modality: str, norm: Any = ("group", {"num_groups": 2}), channels: tuple[int, ...] = (4, 8), dropout: float = 0.0
) -> Any:
    if modality == "oct":
        return PatchStemEncoder(3, 1, [2, 4, 2], channels, norm=norm, dropout=dropout)
    return PatchStemEncoder(2, 3, [4, 4], channels, norm=norm, dropout=dropout)


def toy_regressor(modalities: Iterable[str] = MODALITIES, seed: int = 0, **encoder: Any) -> MDRegressor:
    """A fresh MDRegressor of about 1,000 weights; equal for equal seeds, the global generator untouched."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoders = {f"{name}_encoder": toy_encoder(name, **encoder) for name in modalities}
        fusion = (lambda o, f: ConcatFusion(o, f, hidden=8)) if len(encoders) == 2 else None
        return MDRegressor(**encoders, fusion=fusion, md_mean_db=MEAN_DB, md_sd_db=SD_DB)


def toy_network(
    modalities: Iterable[str] = MODALITIES, seed: int = 0, probe_heads: bool = False, **encoder: Any
) -> TrainingNetwork:
    regressor = toy_regressor(modalities, seed, **encoder)
    with torch.random.fork_rng():
        torch.manual_seed(seed + 1)
        return TrainingNetwork(regressor, projection_dim=6, probe_heads=probe_heads)


def toy_batches(n: int = 4, size: int = 8, seed: int = 0, eyes: dict[str, list[int]] | None = None) -> list[dict]:
    """n batches of images in which MD can be seen; `eyes[modality]` lists rows of every batch without that image."""
    generator = torch.Generator().manual_seed(seed)
    batches = []
    for number in range(n):
        md_db = MEAN_DB + SD_DB * torch.randn(size, 1, generator=generator)
        image = torch.randn(size, 1, *OCT_GRID, generator=generator) + md_db.view(-1, 1, 1, 1, 1) / 8
        fundus = torch.randn(size, 3, FUNDUS_SIZE, FUNDUS_SIZE, generator=generator) - md_db.view(-1, 1, 1, 1) / 8
        batch = {
            "image": image,
            "fundus": fundus,
            "label": md_db,
            "row": list(range(2 + number * size, 2 + (number + 1) * size)),
        }
        for modality, rows in (eyes or {}).items():
            batch[KEYS[modality]][rows] = float("nan")
        batches.append(batch)
    return batches


def adamw(network: TrainingNetwork, lr: float = 2e-3, weight_decay: float = 1e-2) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameter_groups(), lr=lr, weight_decay=weight_decay, eps=1e-4)


def sgd(
    network: TrainingNetwork, lr: float = 2e-3, momentum: float = 0.9, weight_decay: float = 0.0
) -> torch.optim.Optimizer:
    return torch.optim.SGD(network.parameter_groups(), lr=lr, momentum=momentum, weight_decay=weight_decay)


def toy_trainer(
    network: TrainingNetwork,
    batches: Any,
    optimizer: torch.optim.Optimizer | None = None,
    handlers: Iterable[Any] = (),
    unimodal_weight: float | None = None,
    **kwargs: Any,
) -> SharpnessAwareTrainer:
    """A trainer on batches; beta is 0.5, or 0 where the network has probe heads."""
    beta = (0.0 if network.probe_heads else 0.5) if unimodal_weight is None else unimodal_weight
    settings: dict[str, Any] = {"max_epochs": 1, "loss_function": MultimodalRegressionLoss(SD_DB, beta)}
    if list(network.modalities) == ["fundus"]:
        settings["prepare_batch"] = lambda batch, device, non_blocking, **_: (
            None,
            batch["label"],
            (),
            {"fundus": batch["fundus"]},
        )
    else:
        settings["prepare_batch"] = PrepareBatchExtraInput({"fundus": "fundus"})
    return SharpnessAwareTrainer(
        device=torch.device("cpu"), train_data_loader=batches, network=network, decollate=False,
        optimizer=optimizer or adamw(network), train_handlers=list(handlers), **(settings | kwargs),
    )  # fmt: skip


def weights(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def largest_difference(a: Any, b: Any) -> float:
    """Over the entries of two state dicts or modules; an entry that one lacks is an error."""
    a, b = (x.state_dict() if isinstance(x, torch.nn.Module) else x for x in (a, b))
    assert a.keys() == b.keys()
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)


def write_cohort(
    folder: Path, n_patients: int = 12, seed: int = 0, patient: str = "p", missing: dict[int, str] | None = None
) -> Path:
    """A manifest of one right eye a patient with small NPZ volumes and PNG photographs; returns its path.

    Two thirds of the patients train, the others alternate between validation and test. `missing` names, by patient
    number, the modality whose cell is left empty.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(n_patients):
        md_db = round(float(rng.uniform(-15, 1)), 2)
        voxels = np.clip(rng.normal(90 - 3 * md_db, 25, (8, 24, 16)), 0, 255).astype(np.uint8)
        np.savez(
            folder / f"oct{number}.npz",
            voxels=voxels,
            spacing_mm=np.array([0.75, 2 / 24, 6 / 16]),
            laterality=np.array("OD"),
        )
        pixels = np.clip(rng.normal(120 + 5 * md_db, 30, (32, 32, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"fundus{number}.png")
        lacks = (missing or {}).get(number, "")
        split = "train" if 3 * number < 2 * n_patients else ("validation", "test")[number % 2]
        rows.append({
            "patient_id": f"{patient}{number}", "eye": "OD", "oct": "" if lacks == "oct" else f"oct{number}.npz",
            "fundus": "" if lacks == "fundus" else f"fundus{number}.png", "md_db": md_db, "split": split,
        })  # fmt: skip
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return manifest
