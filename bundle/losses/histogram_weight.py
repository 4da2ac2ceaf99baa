"""Inverse-frequency weights from a histogram of MD, plain or smoothed (LDS)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from bundle.errors import InputError
from bundle.losses.arguments import check_choice, check_number
from bundle.losses.label_values import label_values
from bundle.losses.sample_weight import SampleWeight

PADDING = {"constant": "constant", "reflect": "symmetric"}


class HistogramWeight(SampleWeight):
    """w(y) = c / n~(bin of y), with c such that the mean weight of the training eyes is 1.

        n'_b = sqrt(n_b)             reweight "sqrt_inverse"
        n'_b = max(n_b, min_count)   reweight "inverse"
        n~_b = sum_d exp(-d^2 / (2 kernel_sigma^2)) n'_{b+d},   |d| <= (kernel_size - 1) / 2

    With a kernel of one bin this is inverse-frequency weighting; with a longer one label distribution smoothing (LDS:
    Yang et al., ICML 2021), which takes the square root *before* it smooths. Labels outside of `range_db` fall into
    the outermost bins. A label more seldom than every training label has the largest weight of a training label.

    Args:
        reweight: "sqrt_inverse" or "inverse".
        kernel_size: length of the smoothing kernel in bins, odd; 1 does not smooth.
        kernel_sigma: its SD in bins, > 0.
        edge: what lies beyond the outermost bins: "constant" (empty bins, as in the authors' code: the density there is
            underestimated and the extremes weigh more) or "reflect" (the bins mirrored).
        bin_width_db, range_db: width of a bin and limits of the histogram, dB.
        min_count: >= 0, used by "inverse": fewer eyes in a bin count as so many. The authors' 5 is for data sets with
            thousands of labels; with 200 eyes it would level nearly every bin.

    Raises:
        InputError: an argument is outside its range.
    """

    def __init__(
        self,
        reweight: str = "sqrt_inverse",
        kernel_size: int = 1,
        kernel_sigma: float = 2.0,
        edge: str = "constant",
        bin_width_db: float = 0.5,
        range_db: Sequence[float] = (-33.0, 4.0),
        min_count: float = 1.0,
    ) -> None:
        self.reweight = check_choice("reweight", reweight, ("sqrt_inverse", "inverse"))
        if isinstance(kernel_size, bool) or kernel_size != int(kernel_size) or kernel_size < 1 or kernel_size % 2 == 0:
            raise InputError(f"kernel_size: found {kernel_size!r}, expected an odd number of bins, 1 or more")
        self.kernel_size = int(kernel_size)
        self.kernel_sigma = check_number("kernel_sigma", kernel_sigma, 0, low_open=True, high_open=True)
        self.edge = check_choice("edge", edge, tuple(PADDING))
        self.bin_width_db = check_number("bin_width_db", bin_width_db, 0, low_open=True, high_open=True)
        self.min_count = check_number("min_count", min_count, 0, high_open=True)
        if len(range_db) != 2 or not range_db[0] < range_db[1]:
            raise InputError(f"range_db: found {list(range_db)}, expected [low, high] in dB")
        self.low_db = float(range_db[0])
        self.n_bins = int(np.ceil((range_db[1] - range_db[0]) / self.bin_width_db - 1e-9))
        if self.kernel_size // 2 >= self.n_bins:
            raise InputError(f"kernel_size: found {kernel_size}, expected less than twice the {self.n_bins} bins")
        self.weights: Tensor | None = None

    def fit(self, md_db_train: ArrayLike | Tensor) -> HistogramWeight:
        """Take the weight of every bin from the training labels, dB. Returns self.

        Raises:
            InputError: no label, or one that is not finite.
        """
        md_db = torch.as_tensor(md_db_train).flatten()
        if md_db.numel() == 0 or not bool(md_db.isfinite().all()):
            raise InputError(f"md_db_train: found {md_db.numel()} labels, expected at least one, all finite")
        bins = self._bins(md_db).numpy()
        counts = np.bincount(bins, minlength=self.n_bins).astype(np.float64)
        smooth = self._smooth(np.sqrt(counts) if self.reweight == "sqrt_inverse" else counts.clip(self.min_count))
        weights = 1 / smooth.clip(smooth[bins].min())
        self.weights = torch.from_numpy(weights / weights[bins].mean())
        return self

    def __call__(self, md_db: Tensor) -> Tensor:
        """w of `md_db`, mean 1 over the training eyes.

        Raises:
            RuntimeError: `fit` was not called.
        """
        if self.weights is None:
            raise RuntimeError("HistogramWeight: no training labels yet, call fit(md_db_train) first")
        return self.weights[self._bins(md_db).cpu()].to(md_db)

    def _bins(self, md_db: Tensor) -> Tensor:
        index = torch.floor((label_values(md_db) - self.low_db) / self.bin_width_db)
        return index.clamp(0, self.n_bins - 1).long()

    def _smooth(self, counts: np.ndarray) -> np.ndarray:
        half = self.kernel_size // 2
        kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / self.kernel_sigma) ** 2)
        return np.convolve(np.pad(counts, half, mode=PADDING[self.edge]), kernel, mode="valid")  # type: ignore[call-overload]
