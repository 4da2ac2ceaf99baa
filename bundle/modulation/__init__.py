"""Sharpness-aware gradient modulation: one concept a file."""

from bundle.modulation.ascent import Ascent, NoAscent, SAMAscent
from bundle.modulation.combiner import Combiner, MinNorm, OneSidedProjection, PCGrad, SumCombiner, cosine
from bundle.modulation.ema import Ema
from bundle.modulation.modality_budget import ModalityBudgetAscent
from bundle.modulation.modulator import BalanceModulator, Modulator, NoModulation
from bundle.modulation.perturbation import perturb, perturbed, restore
from bundle.modulation.second_pass import RngSnapshot, frozen_batchnorm_statistics, replayed_rng, rng_snapshot
from bundle.modulation.sharpness import SharpnessMeter, relative_sharpness

__all__ = [
    "Ascent",
    "BalanceModulator",
    "Combiner",
    "Ema",
    "MinNorm",
    "ModalityBudgetAscent",
    "Modulator",
    "NoAscent",
    "NoModulation",
    "OneSidedProjection",
    "PCGrad",
    "RngSnapshot",
    "SAMAscent",
    "SharpnessMeter",
    "SumCombiner",
    "cosine",
    "frozen_batchnorm_statistics",
    "perturb",
    "perturbed",
    "relative_sharpness",
    "replayed_rng",
    "restore",
    "rng_snapshot",
]
