"""Several handlers as one entry of a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ignite.engine import Engine


class HandlerGroup:
    """Attaches handlers in their order.

    MONAI wants `train#handlers` to be a literal list of components, which an overlay can neither lengthen nor change by
    name. A group in it refers to a key that an overlay can set, such as `method_handlers`.

    Args:
        handlers: objects with `attach(engine)`. Their states, where they have one, go into the checkpoint.
    """

    def __init__(self, handlers: Sequence[Any] = ()) -> None:
        self.handlers = list(handlers)

    def attach(self, engine: Engine) -> None:
        for handler in self.handlers:
            handler.attach(engine)

    def state_dict(self) -> dict[str, Any]:
        """By class name and position."""
        return {
            f"{i}-{type(one).__name__}": one.state_dict()
            for i, one in enumerate(self.handlers)
            if hasattr(one, "state_dict")
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from stored states.

        Raises:
            KeyError: the state is one of other handlers.
        """
        if set(state) != set(self.state_dict()):
            raise KeyError(f"HandlerGroup: found the states {sorted(state)}, expected {sorted(self.state_dict())}")
        for i, one in enumerate(self.handlers):
            if hasattr(one, "load_state_dict"):
                one.load_state_dict(state[f"{i}-{type(one).__name__}"])
