"""MDRegressor: OCT volume and fundus photograph to Mean Deviation in dB; either may be missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from bundle.networks.initial_weights import part_stream
from bundle.networks.spec import describes_itself

# Shape letters: B batch, N token, C channel, K output of a head. A modality missing for one eye is a row of NaN.


@describes_itself
class MDRegressor(nn.Module):
    """md_db = md_mean_db + md_sd_db * head(features), with one head for each set of modalities that is present.

    Both present: the fusion head F(h_oct, h_fundus). One present: its unimodal head u_m(h_m). A missing modality is
    None for the whole batch, or a row of NaN for one eye; an eye with neither gets NaN.

    Recalibration (docs/method.md, recalibrated fusion) is an affine step behind the answers, off until it is fitted:

        s <- s + c_0 + c_1 s_oct + c_2 s_fundus + c_3 s_oct s_fundus,   s_m <- s_m + a_m + b_m s_m   (s standardised)

    Args:
        oct_encoder: module (B, 1, D, H, W) -> tokens (B, N, C), with `out_features` = C; None for fundus only. Or what
            makes it when called (`_mode_: callable` in YAML), so that `seed` reaches its initial weights.
        fundus_encoder: likewise (B, 3, H, W) -> tokens (B, N, C); None for OCT only.
        fusion: a fusion class of this package, or a partial of one (`_mode_: callable` in YAML); None with one encoder.
            One with `reads_heads` gets both heads' outputs (B, K) instead of both encoders' tokens.
        md_mean_db, md_sd_db: mean and SD of MD in the train split; heads work in standardised units.
        head_outputs: K, outputs of a unimodal head; the first is the standardised MD.
        shared_head: both modalities have one and the same head; their encoders then need equal widths.
        seed: of the initial weights. Each part draws from a stream of its own, so that networks of different methods
            begin alike wherever they have the same part; None uses torch's generator.

    Raises:
        ValueError: no encoder, two encoders without fusion, a shared head of unequal widths, or (forward) both inputs
            None.
    """

    if TYPE_CHECKING:  # TorchScript would read the annotations
        md_mean_db: Tensor
        md_sd_db: Tensor
        recalibration_fused: Tensor
        recalibration_oct: Tensor
        recalibration_fundus: Tensor
    __jit_unused_properties__: ClassVar[list[str]] = ["modalities"]
    __constants__: ClassVar[list[str]] = ["has_oct", "has_fundus"]  # TorchScript leaves out what they rule out

    def __init__(
        self,
        oct_encoder: Callable[[], nn.Module] | nn.Module | None = None,
        fundus_encoder: Callable[[], nn.Module] | nn.Module | None = None,
        fusion: Callable[[int, int], nn.Module] | nn.Module | None = None,
        md_mean_db: float = 0.0,
        md_sd_db: float = 1.0,
        head_outputs: int = 1,
        shared_head: bool = False,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        if oct_encoder is None and fundus_encoder is None:
            raise ValueError("MDRegressor needs oct_encoder, fundus_encoder or both; found neither")
        self.has_oct, self.has_fundus = oct_encoder is not None, fundus_encoder is not None
        both = self.has_oct and self.has_fundus
        if both and fusion is None:
            raise ValueError("MDRegressor has two encoders; expected `fusion`, such as bundle.networks.ConcatFusion")
        self.oct_encoder = _encoder(oct_encoder, "oct_encoder", seed)
        self.fundus_encoder = _encoder(fundus_encoder, "fundus_encoder", seed)
        oct_features, fundus_features = _width(self.oct_encoder), _width(self.fundus_encoder)
        with part_stream(seed, "oct_head"):
            self.oct_head = nn.Linear(oct_features, head_outputs) if self.has_oct else nn.Identity()
        with part_stream(seed, "fundus_head"):
            self.fundus_head = nn.Linear(fundus_features, head_outputs) if self.has_fundus else nn.Identity()
        self.shared_head = shared_head and both
        if self.shared_head:
            if oct_features != fundus_features:
                raise ValueError(
                    f"shared_head: the encoders have {oct_features} and {fundus_features} features; expected as many"
                )
            self.fundus_head = self.oct_head
        self.fusion: nn.Module = nn.Identity()
        if fusion is not None and both:
            with part_stream(seed, "fusion"):
                self.fusion = fusion if isinstance(fusion, nn.Module) else fusion(oct_features, fundus_features)
        self.reads_heads = bool(getattr(self.fusion, "reads_heads", False))
        self.register_buffer("md_mean_db", torch.tensor(float(md_mean_db)))
        self.register_buffer("md_sd_db", torch.tensor(float(md_sd_db)))
        for name, size in (("fused", 4), ("oct", 2), ("fundus", 2)):
            self.register_buffer(f"recalibration_{name}", torch.zeros(size))

    @property
    def modalities(self) -> list[str]:
        """Names of the modalities that this network reads, OCT first."""
        return [name for name, has in (("oct", self.has_oct), ("fundus", self.has_fundus)) if has]

    def to_db(self, standardised: Tensor) -> Tensor:
        """Standardised head output to dB, in float32 whatever autocast does."""
        return standardised.float() * self.md_sd_db + self.md_mean_db

    @staticmethod
    def present(x: Tensor) -> Tensor:
        """(B,) bool: rows that are not all NaN."""
        return torch.logical_not(torch.isnan(x).flatten(1).all(dim=1))

    @staticmethod
    def scatter(tokens_PNC: Tensor, present_B: Tensor) -> Tensor:
        """Tokens of the P present rows to (B, N, C) with zeros elsewhere."""
        out = torch.zeros(
            [present_B.shape[0], tokens_PNC.shape[1], tokens_PNC.shape[2]],
            dtype=tokens_PNC.dtype,
            device=tokens_PNC.device,
        )
        out[present_B] = tokens_PNC
        return out

    def encode_oct(self, image: Tensor, present_B: Tensor) -> Tensor:
        """(B, 1, D, H, W) -> (B, N, C), encoding only the eyes that have an OCT."""
        if bool(present_B.all()):
            return self.oct_encoder(image)
        return self.scatter(self.oct_encoder(image[present_B]), present_B)

    def encode_fundus(self, fundus: Tensor, present_B: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, N, C), encoding only the eyes that have a photograph."""
        if bool(present_B.all()):
            return self.fundus_encoder(fundus)
        return self.scatter(self.fundus_encoder(fundus[present_B]), present_B)

    def fuse(self, oct_BNC: Tensor, fundus_BNC: Tensor, oct_head_BK: Tensor, fundus_head_BK: Tensor) -> Tensor:
        """Output of the fusion, (B, K) or (B, 1); its first column is the standardised MD."""
        if self.reads_heads:
            return self.fusion(oct_head_BK, fundus_head_BK)
        return self.fusion(oct_BNC, fundus_BNC)

    def forward(self, image: Tensor | None = None, fundus: Tensor | None = None) -> Tensor:
        """MD (B, 1) in dB from whatever is present."""
        return self.predict_subsets(image, fundus)[:, 0:1]

    def predict_subsets(self, image: Tensor | None = None, fundus: Tensor | None = None) -> Tensor:
        """(B, 3) in dB: from all that is present, from OCT alone, from fundus alone; NaN where not possible."""
        if image is None and fundus is None:
            raise ValueError("MDRegressor: both `image` (OCT) and `fundus` are missing; expected at least one")
        batch = image.shape[0] if image is not None else fundus.shape[0] if fundus is not None else 0
        oct_B1 = self.md_mean_db.new_full((batch, 1), float("nan"))
        fundus_B1 = oct_B1.clone()
        fused_B1 = oct_B1.clone()
        oct_BNC, fundus_BNC = oct_B1, fundus_B1
        oct_head_BK, fundus_head_BK = oct_B1, fundus_B1
        oct_present_B = torch.zeros(batch, dtype=torch.bool, device=oct_B1.device)
        fundus_present_B = oct_present_B.clone()
        if self.has_oct and image is not None:
            oct_present_B = self.present(image)
            if bool(oct_present_B.any()):
                oct_BNC = self.encode_oct(image, oct_present_B)
                oct_head_BK = self.oct_head(oct_BNC.mean(1))
                oct_B1 = torch.where(oct_present_B.unsqueeze(1), self.to_db(oct_head_BK[:, 0:1]), oct_B1)
        if self.has_fundus and fundus is not None:
            fundus_present_B = self.present(fundus)
            if bool(fundus_present_B.any()):
                fundus_BNC = self.encode_fundus(fundus, fundus_present_B)
                fundus_head_BK = self.fundus_head(fundus_BNC.mean(1))
                fundus_B1 = torch.where(fundus_present_B.unsqueeze(1), self.to_db(fundus_head_BK[:, 0:1]), fundus_B1)
        both_B = torch.logical_and(oct_present_B, fundus_present_B)
        if self.has_oct and self.has_fundus and bool(both_B.any()):
            fused_BK = self.fuse(oct_BNC, fundus_BNC, oct_head_BK, fundus_head_BK)
            fused_B1 = self.to_db(fused_BK[:, 0:1])
        fused_B1, oct_B1, fundus_B1 = self.recalibrate(fused_B1, oct_B1, fundus_B1)
        best = torch.where(oct_present_B.unsqueeze(1), oct_B1, fundus_B1)
        best = torch.where(both_B.unsqueeze(1), fused_B1, best)
        return torch.cat([best, oct_B1, fundus_B1], dim=1)

    def recalibrate(self, fused_B1: Tensor, oct_B1: Tensor, fundus_B1: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The three answers in dB behind the recalibration; with its coefficients at 0 they stay bit for bit."""
        # a missing answer counts as the mean here: NaN times a coefficient of 0 would poison the gradient of the others
        o = torch.nan_to_num((oct_B1 - self.md_mean_db) / self.md_sd_db)
        f = torch.nan_to_num((fundus_B1 - self.md_mean_db) / self.md_sd_db)
        c, a, b = self.recalibration_fused, self.recalibration_oct, self.recalibration_fundus
        fused_B1 = fused_B1 + self.md_sd_db * (c[0] + c[1] * o + c[2] * f + c[3] * o * f)
        oct_B1 = oct_B1 + self.md_sd_db * (a[0] + a[1] * o)
        fundus_B1 = fundus_B1 + self.md_sd_db * (b[0] + b[1] * f)
        return fused_B1, oct_B1, fundus_B1

    @torch.no_grad()
    def set_recalibration(self, fused: Sequence[float], oct: Sequence[float], fundus: Sequence[float]) -> None:
        """Coefficients (c_0 ... c_3), (a, b) of OCT alone and (a, b) of the photograph alone."""
        for name, values in (("fused", fused), ("oct", oct), ("fundus", fundus)):
            buffer = getattr(self, f"recalibration_{name}")
            buffer.copy_(torch.tensor(list(values), dtype=buffer.dtype))


def _encoder(made_by: Callable[[], nn.Module] | nn.Module | None, name: str, seed: int | None) -> nn.Module:
    if made_by is None or isinstance(made_by, nn.Module):
        return made_by or nn.Identity()
    with part_stream(seed, name):
        return made_by()


def _width(encoder: nn.Module) -> int:
    """C of an encoder; 1 in place of one that is not there."""
    return int(getattr(encoder, "out_features", 1))
