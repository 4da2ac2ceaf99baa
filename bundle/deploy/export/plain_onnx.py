"""An ONNX model as others should get it: named batch axis, our metadata, nothing about the machine that made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def plain_onnx(model: Any, metadata: Mapping[str, Any]) -> Any:
    """The same model, changed in place.

    The exporter notes source lines, with folder names, at every node; they go. The free axis is called `batch`.

    Args:
        model: onnx.ModelProto.
        metadata: values that the model carries along, each as JSON.
    """
    for part in (model.graph, *model.functions):
        del part.metadata_props[:]
        for node in part.node:
            del node.metadata_props[:]
            node.doc_string = ""
    del model.graph.value_info[:]  # shapes in between: a reader infers them
    for tensor in (*model.graph.input, *model.graph.output):
        del tensor.metadata_props[:]
        for axis in tensor.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = "batch"
    del model.metadata_props[:]
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=json.dumps(value))
    return model
