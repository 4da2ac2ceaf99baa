"""Sharpness-aware gradient modulation: one concept a file."""

from bundle.modulation.asam import ASAMAscent
from bundle.modulation.ascent import Ascent, NoAscent, SAMAscent
from bundle.modulation.cagrad import CAGrad
from bundle.modulation.cggm import CGGMModulator
from bundle.modulation.combiner import Combiner, MinNorm, OneSidedProjection, PCGrad, SumCombiner, cosine
from bundle.modulation.ema import Ema
from bundle.modulation.gradient_noise import add_gradient_noise
from bundle.modulation.gsam import GSAMAscent
from bundle.modulation.look_ahead import LookAheadReuse
from bundle.modulation.mgda import MGDA
from bundle.modulation.mlb import MLBModulator
from bundle.modulation.modality_budget import ModalityBudgetAscent
from bundle.modulation.modulator import BalanceModulator, Modulator, NoModulation
from bundle.modulation.msam import DominanceByError, DominantBlockAscent
from bundle.modulation.ogm import OGMModulator
from bundle.modulation.perturbation import perturb, perturbed, restore
from bundle.modulation.second_pass import RngSnapshot, frozen_batchnorm_statistics, replayed_rng, rng_snapshot
from bundle.modulation.sharpness import SharpnessMeter, relative_sharpness
from bundle.modulation.stateful import StatefulModulator

__all__ = [
    "MGDA",
    "ASAMAscent",
    "Ascent",
    "BalanceModulator",
    "CAGrad",
    "CGGMModulator",
    "Combiner",
    "DominanceByError",
    "DominantBlockAscent",
    "Ema",
    "GSAMAscent",
    "LookAheadReuse",
    "MLBModulator",
    "MinNorm",
    "ModalityBudgetAscent",
    "Modulator",
    "NoAscent",
    "NoModulation",
    "OGMModulator",
    "OneSidedProjection",
    "PCGrad",
    "RngSnapshot",
    "SAMAscent",
    "SharpnessMeter",
    "StatefulModulator",
    "SumCombiner",
    "add_gradient_noise",
    "cosine",
    "frozen_batchnorm_statistics",
    "perturb",
    "perturbed",
    "relative_sharpness",
    "replayed_rng",
    "restore",
    "rng_snapshot",
]
