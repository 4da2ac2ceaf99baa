"""Buffers whose length is known only after fitting or filling."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class VariableLengthBuffers(nn.Module):
    """A module whose buffers take the length they have in the checkpoint.

    `nn.Module.load_state_dict` refuses a tensor of another shape; a density that was fitted on 560 labels, or a queue
    that was half full, must load into a module that was just constructed.
    """

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        for name, buffer in list(self.named_buffers(recurse=False)):
            stored = state_dict.get(prefix + name)
            if isinstance(stored, Tensor) and stored.shape != buffer.shape:
                setattr(self, name, buffer.new_empty(stored.shape))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
