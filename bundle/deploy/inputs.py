"""The tensors that a model takes: their names and the shape of one eye in each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bundle.networks import MDRegressor

KEYS = {"oct": "image", "fundus": "fundus"}  # modality: name of its tensor


def input_shapes(network: MDRegressor, description: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Shape of one eye by tensor name, for the modalities that the network reads.

    Args:
        network: of a model folder.
        description: its model.json, for `oct_grid` and `fundus_size`.
    """
    shapes = {"image": (1, *description["oct_grid"]), "fundus": (3, *2 * [description["fundus_size"]])}
    return {KEYS[name]: shapes[KEYS[name]] for name in network.modalities}
