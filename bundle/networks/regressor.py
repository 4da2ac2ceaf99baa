"""MDRegressor: OCT volume and fundus photograph to Mean Deviation in dB; either may be missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from bundle.networks.spec import describes_itself

# Shape letters: B batch, N token, C channel. A modality missing for one eye is a row of NaN.


@describes_itself
class MDRegressor(nn.Module):
    """md_db = md_mean_db + md_sd_db * head(features), with one head for each set of modalities that is present.

    Both present: the fusion head F(h_oct, h_fundus). One present: its unimodal head u_m(h_m). A missing modality is
    None for the whole batch, or a row of NaN for one eye; an eye with neither gets NaN.

    Args:
        oct_encoder: module (B, 1, D, H, W) -> tokens (B, N, C), with `out_features` = C; None for fundus only.
        fundus_encoder: module (B, 3, H, W) -> tokens (B, N, C), with `out_features` = C; None for OCT only.
        fusion: a fusion class of this package, or a partial of one (`_mode_: callable` in YAML); None with one encoder.
        md_mean_db, md_sd_db: mean and SD of MD in the train split; heads work in standardised units.

    Raises:
        ValueError: no encoder, two encoders without fusion, or (forward) both inputs None.
    """

    if TYPE_CHECKING:  # TorchScript would read the annotations
        md_mean_db: Tensor
        md_sd_db: Tensor
    __jit_unused_properties__: ClassVar[list[str]] = ["modalities"]

    def __init__(
        self,
        oct_encoder: nn.Module | None = None,
        fundus_encoder: nn.Module | None = None,
        fusion: Callable[[int, int], nn.Module] | nn.Module | None = None,
        md_mean_db: float = 0.0,
        md_sd_db: float = 1.0,
    ) -> None:
        super().__init__()
        if oct_encoder is None and fundus_encoder is None:
            raise ValueError("MDRegressor needs oct_encoder, fundus_encoder or both; found neither")
        self.has_oct, self.has_fundus = oct_encoder is not None, fundus_encoder is not None
        if self.has_oct and self.has_fundus and fusion is None:
            raise ValueError("MDRegressor has two encoders; expected `fusion`, such as bundle.networks.ConcatFusion")
        oct_features = int(oct_encoder.out_features) if oct_encoder is not None else 1  # type: ignore[arg-type]
        fundus_features = int(fundus_encoder.out_features) if fundus_encoder is not None else 1  # type: ignore[arg-type]
        self.oct_encoder = oct_encoder if oct_encoder is not None else nn.Identity()
        self.fundus_encoder = fundus_encoder if fundus_encoder is not None else nn.Identity()
        self.oct_head = nn.Linear(oct_features, 1) if self.has_oct else nn.Identity()
        self.fundus_head = nn.Linear(fundus_features, 1) if self.has_fundus else nn.Identity()
        self.fusion: nn.Module = nn.Identity()
        if fusion is not None and self.has_oct and self.has_fundus:
            self.fusion = fusion if isinstance(fusion, nn.Module) else fusion(oct_features, fundus_features)
        self.register_buffer("md_mean_db", torch.tensor(float(md_mean_db)))
        self.register_buffer("md_sd_db", torch.tensor(float(md_sd_db)))

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
        oct_present_B = torch.zeros(batch, dtype=torch.bool, device=oct_B1.device)
        fundus_present_B = oct_present_B.clone()
        if self.has_oct and image is not None:
            oct_present_B = self.present(image)
            if bool(oct_present_B.any()):
                oct_BNC = self.encode_oct(image, oct_present_B)
                alone = self.to_db(self.oct_head(oct_BNC.mean(1)))
                oct_B1 = torch.where(oct_present_B.unsqueeze(1), alone, oct_B1)
        if self.has_fundus and fundus is not None:
            fundus_present_B = self.present(fundus)
            if bool(fundus_present_B.any()):
                fundus_BNC = self.encode_fundus(fundus, fundus_present_B)
                alone = self.to_db(self.fundus_head(fundus_BNC.mean(1)))
                fundus_B1 = torch.where(fundus_present_B.unsqueeze(1), alone, fundus_B1)
        both_B = torch.logical_and(oct_present_B, fundus_present_B)
        if bool(both_B.any()):
            fused_B1 = self.to_db(self.fusion(oct_BNC, fundus_BNC))
        best = torch.where(oct_present_B.unsqueeze(1), oct_B1, fundus_B1)
        best = torch.where(both_B.unsqueeze(1), fused_B1, best)
        return torch.cat([best, oct_B1, fundus_B1], dim=1)
