"""One meaning of "the same label" for batches, queues and the training split."""

from __future__ import annotations

from torch import Tensor


def label_values(md_db: Tensor) -> Tensor:
    """Labels, dB, rounded to float32 and widened to float64 for the arithmetic that follows.

    Batches hold float32. Rounding every label the same way lets -3.27 from a manifest (float64) equal -3.27 from a
    batch, which ties, hard windows and ranks depend on. Apple's GPUs have no float64: there the result is float32.
    """
    rounded = md_db.detach().float()
    return rounded if md_db.device.type == "mps" else rounded.double()
