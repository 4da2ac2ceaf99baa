"""An encoder that sees nothing. Shape letters: B batch, N token, C channel."""

from __future__ import annotations

from torch import Tensor, nn

from bundle.networks.spec import describes_itself


@describes_itself
class BlankEncoder(nn.Module):
    """(B, C_in, *) -> (B, 1, 0): no parameters and no features, whatever the image.

    A linear head on 0 features is its bias, which starts at 0, so that `MDRegressor` answers its `md_mean_db`: the
    mean predictor, through the same training, validation and test as every other network.
    """

    def __init__(self) -> None:
        super().__init__()
        self.out_features = 0

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros([x.shape[0], 1, 0])
