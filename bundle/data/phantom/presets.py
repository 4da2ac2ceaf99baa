"""The cohorts that can be made: how damage is distributed, how many patients, which grids."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.special import gammainc

from bundle.data.phantom.anatomy import REALISTIC_GEOMETRY, OctGeometry
from bundle.errors import InputError

MAX_DAMAGE_DB = 32.0  # damage beyond this cannot be measured: thresholds end at 0 dB


class DamageLaw(Protocol):
    """Distribution of the latent mean damage of an eye in dB (>= 0, larger = worse)."""

    def quantile(self, u: np.ndarray) -> np.ndarray:
        """Damage in dB at the given probabilities in (0, 1)."""
        ...


@dataclass(frozen=True)
class MixtureLaw:
    """A share of nearly healthy eyes, damage ~ Exp(mean `healthy_mean_db`), and the rest ~ Gamma(shape, scale)."""

    healthy_share: float
    disease_shape: float
    disease_scale_db: float
    healthy_mean_db: float = 0.35

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        damage_db = np.concatenate([np.linspace(0.0, 2.0, 401), np.linspace(2.01, MAX_DAMAGE_DB, 1200)])
        healthy = 1.0 - np.exp(-damage_db / self.healthy_mean_db)
        disease = gammainc(self.disease_shape, damage_db / self.disease_scale_db)
        return self.healthy_share * healthy + (1.0 - self.healthy_share) * disease, damage_db

    def quantile(self, u: np.ndarray) -> np.ndarray:
        """Inverse of the mixture's distribution function, clipped at `MAX_DAMAGE_DB`."""
        return np.asarray(np.interp(u, *self._table))


@dataclass(frozen=True)
class StageLaw:
    """Equal shares in the ranges between `limits_db`, uniform inside each."""

    limits_db: tuple[float, ...] = (0.0, 2.9, 5.8, 11.5, 30.0)

    def quantile(self, u: np.ndarray) -> np.ndarray:
        """Piecewise linear quantile function."""
        return np.asarray(np.interp(u, np.linspace(0.0, 1.0, len(self.limits_db)), self.limits_db))


@dataclass(frozen=True, kw_only=True)
class PhantomPreset:
    """Everything that distinguishes one cohort from another.

    Attributes:
        name: as given on the command line.
        damage: distribution of the mean damage of an eye.
        damage_correlation: correlation of the two eyes' damage on the normal scale (Gaussian copula); set so that
            the correlation of MD is .56 (3,557 patients of UWHVF).
        n_patients: default size.
        both_eyes_share: share of patients of whom both eyes were examined.
        oct: grid of the OCT volume.
        fundus_px: side of the square photograph.
    """

    name: str
    damage: DamageLaw
    damage_correlation: float
    n_patients: int = 500
    both_eyes_share: float = 0.94
    oct: OctGeometry = field(default_factory=OctGeometry)
    fundus_px: int = 64


_CLINIC = MixtureLaw(healthy_share=0.36, disease_shape=1.05, disease_scale_db=6.2)

PRESETS: dict[str, PhantomPreset] = {
    preset.name: preset
    for preset in (
        PhantomPreset(name="default", damage=_CLINIC, damage_correlation=0.65),
        PhantomPreset(name="long_tail", damage=MixtureLaw(0.62, 0.7, 12.0), damage_correlation=0.71),
        PhantomPreset(name="balanced", damage=StageLaw(), damage_correlation=0.62),
        PhantomPreset(
            name="realistic",
            damage=_CLINIC,
            damage_correlation=0.65,
            n_patients=100,
            oct=REALISTIC_GEOMETRY,
            fundus_px=256,
        ),
    )
}


def get_preset(name: str) -> PhantomPreset:
    """The preset of that name; InputError lists the names."""
    if name not in PRESETS:
        raise InputError(f"preset: found {name!r}, expected one of {', '.join(PRESETS)}")
    return PRESETS[name]
