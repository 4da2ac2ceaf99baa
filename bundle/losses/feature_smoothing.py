"""Feature distribution smoothing (FDS): mean and variance of the features by bins of MD, smoothed across bins."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from bundle.errors import InputError
from bundle.losses.arguments import check_number
from bundle.losses.label_values import label_values


class FeatureSmoothing:
    """z <- (z - mu_b) sqrt( clip(s~_b^2 / s_b^2) ) + mu~_b for an eye of bin b (Yang et al., ICML 2021).

        mu_b <- momentum mu_b + (1 - momentum) mean of the epoch's features in bin b,    s_b^2 likewise (unbiased)
        mu~_b = sum_d k_d mu_{b+d} / sum_d k_d,   k_d = exp(-d^2 / (2 kernel_sigma^2)),  |d| <= (kernel_size - 1) / 2

    and s~^2 likewise, with the bins mirrored at both ends. Bins that no eye has fallen into have no statistics: they
    are left out of both sums. A channel whose variance in a bin is 0, as of a single eye, stays as it is there.

    Args:
        momentum: of the running statistics, in [0, 1); the first epoch of a bin counts whole.
        kernel_size: length of the kernel in bins, odd; 1 does not smooth: features stay bit for bit.
        kernel_sigma: its SD in bins, > 0.
        bin_width_db, range_db: width of a bin and limits of the bins, dB; labels beyond are in the outermost bins.
        clip: limits of the ratio of variances.

    Raises:
        InputError: an argument is outside its range.
    """

    def __init__(
        self,
        momentum: float = 0.9,
        kernel_size: int = 5,
        kernel_sigma: float = 2.0,
        bin_width_db: float = 1.0,
        range_db: Sequence[float] = (-33.0, 4.0),
        clip: Sequence[float] = (0.1, 10.0),
    ) -> None:
        self.momentum = check_number("momentum", momentum, 0, 1, high_open=True)
        self.kernel_sigma = check_number("kernel_sigma", kernel_sigma, 0, low_open=True, high_open=True)
        self.bin_width_db = check_number("bin_width_db", bin_width_db, 0, low_open=True, high_open=True)
        for name, (low, high) in (("range_db", range_db), ("clip", clip)):
            if not low < high:
                raise InputError(f"{name}: found {[low, high]}, expected [low, high]")
        self.low_db, self.clip = float(range_db[0]), (float(clip[0]), float(clip[1]))
        self.n_bins = math.ceil((range_db[1] - range_db[0]) / self.bin_width_db - 1e-9)
        if kernel_size < 1 or kernel_size % 2 == 0 or kernel_size // 2 >= self.n_bins:
            raise InputError(f"kernel_size: found {kernel_size}, expected odd, less than twice the {self.n_bins} bins")
        self.half = int(kernel_size) // 2
        self.mean_KC = self.variance_KC = torch.zeros(self.n_bins, 0)  # running; K bins, C channels
        self.filled_K = torch.zeros(self.n_bins, dtype=torch.bool)
        self._affine: tuple[Tensor, Tensor] | None = None

    def update(self, z_NC: Tensor, md_db_N: Tensor) -> None:
        """Take an epoch's features (N, C) and labels (N,), dB, into the running statistics."""
        z_NC, bins_N = z_NC.detach().cpu().double(), self._bins(md_db_N).cpu()
        if self.mean_KC.shape[1] == 0:
            self.mean_KC = self.variance_KC = z_NC.new_zeros(self.n_bins, z_NC.shape[1])
        mean, variance = self.mean_KC.clone(), self.variance_KC.clone()
        for b in bins_N.unique().tolist():
            here = z_NC[bins_N == b]
            keep = self.momentum if bool(self.filled_K[b]) else 0.0
            spread = here.var(0) if len(here) > 1 else torch.zeros_like(mean[b])
            mean[b] = keep * mean[b] + (1 - keep) * here.mean(0)
            variance[b] = keep * variance[b] + (1 - keep) * spread
        self.filled_K = self.filled_K | (torch.bincount(bins_N, minlength=self.n_bins) > 0)
        self.mean_KC, self.variance_KC, self._affine = mean, variance, None

    def calibrate(self, h_BNC: Tensor, md_db_B: Tensor, present_B: Tensor) -> Tensor:
        """Tokens (B, N, C) under the map of their eye's bin: the mean over tokens is the calibrated pooled feature.

        The same map for every token. Eyes that are not `present_B`, have no label or fall into an empty bin stay as
        they are, all of them before the first `update`. Nothing is changed in place.
        """
        if not bool(self.filled_K.any()):
            return h_BNC
        self._affine = self._affine or self._map()
        known_B = torch.logical_and(present_B, torch.logical_not(md_db_B.isnan()))
        bins_B = self._bins(md_db_B.nan_to_num())
        scale_KC, shift_KC = (t.to(h_BNC.dtype).to(h_BNC.device) for t in self._affine)
        mapped = h_BNC * scale_KC[bins_B].unsqueeze(1) + shift_KC[bins_B].unsqueeze(1)
        return torch.where(known_B.view(-1, 1, 1), mapped, h_BNC)

    def _map(self) -> tuple[Tensor, Tensor]:
        """Scale and shift of every bin, (K, C): z * scale + shift."""
        smooth_mean, smooth_variance = self._smooth(self.mean_KC), self._smooth(self.variance_KC)
        varies = self.filled_K.unsqueeze(1) & (self.variance_KC > 0)
        ratio = smooth_variance / torch.where(varies, self.variance_KC, 1.0)
        scale = torch.where(varies, ratio.clamp(*self.clip).sqrt(), 1.0)
        return scale, torch.where(varies, smooth_mean - scale * self.mean_KC, 0.0)

    def _smooth(self, values_KC: Tensor) -> Tensor:
        offsets = torch.arange(-self.half, self.half + 1)
        kernel = torch.exp(-0.5 * (offsets / self.kernel_sigma) ** 2).double()
        places = (torch.arange(self.n_bins).unsqueeze(1) + offsets).abs()
        places = torch.where(places < self.n_bins, places, 2 * (self.n_bins - 1) - places)
        weights_KD = kernel * self.filled_K[places]
        total_K1 = weights_KD.sum(1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
        return (weights_KD.unsqueeze(2) * values_KC[places]).sum(1) / total_K1

    def _bins(self, md_db: Tensor) -> Tensor:
        index = torch.floor((label_values(md_db) - self.low_db) / self.bin_width_db)
        return index.clamp(0, self.n_bins - 1).long()

    def state_dict(self) -> dict[str, Tensor]:
        return {"mean": self.mean_KC, "variance": self.variance_KC, "filled": self.filled_K}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from stored statistics."""
        self.mean_KC, self.variance_KC = state["mean"].cpu(), state["variance"].cpu()
        self.filled_K, self._affine = state["filled"].cpu(), None
