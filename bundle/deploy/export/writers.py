"""One function a format: each writes a file, reads it back, and answers with it for a batch of numpy arrays."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import save_net_with_metadata
from numpy.typing import NDArray
from torch import Tensor

from bundle.deploy.export.batch_network import BatchNetwork
from bundle.deploy.export.plain_onnx import plain_onnx
from bundle.deploy.export.plain_torchscript import plain_torchscript
from bundle.errors import InputError
from bundle.networks import MDRegressor
from bundle.reporting.atomic import write_bytes_atomic

OUTPUTS = ("md_db", "md_oct_db", "md_fundus_db")
OPSET = 18
Shapes = Mapping[str, tuple[int, ...]]  # tensor name -> shape of one eye
Batch = Mapping[str, NDArray[np.float32]]  # tensor name -> (B, ...)
Answer = Callable[[Batch], NDArray[np.float32]]  # -> (B, 3) in dB, columns as OUTPUTS


def write_torchscript(network: MDRegressor, shapes: Shapes, path: Path, metadata: Mapping[str, Any]) -> Answer:
    """`torch.jit.script` of the network as it is: `forward(image, fundus)` -> (B, 1), either may be None.

    Also on the file's module: `predict_subsets(image, fundus)` -> (B, 3). `monai.data.load_net_with_metadata` gives
    the metadata with it.
    """
    buffer = io.BytesIO()
    save_net_with_metadata(torch.jit.script(network), buffer, meta_values=dict(metadata))
    write_bytes_atomic(path, plain_torchscript(buffer.getvalue()))
    module = torch.jit.load(str(path))
    return lambda batch: module.predict_subsets(**_tensors(batch)).detach().numpy()


def write_torch_export(network: MDRegressor, shapes: Shapes, path: Path, metadata: Mapping[str, Any]) -> Answer:
    """`torch.export` of `BatchNetwork`, batch size free; read it with `torch.export.load(path).module()`."""
    buffer = io.BytesIO()
    torch.export.save(_exported(network, shapes), buffer, extra_files={"metadata.json": json.dumps(dict(metadata))})
    write_bytes_atomic(path, buffer.getvalue())
    module = torch.export.load(str(path)).module()
    return lambda batch: torch.stack(module(**_tensors(batch)), dim=1).numpy()


def write_onnx(network: MDRegressor, shapes: Shapes, path: Path, metadata: Mapping[str, Any]) -> Answer:
    """ONNX of `BatchNetwork`, batch size free: inputs `image`, `fundus`; outputs as `OUTPUTS`, each (B,).

    Args:
        network: in eval mode.
        shapes: of one eye, by input.
        path: of the file.
        metadata: plain values that the file carries along, each as JSON.

    Raises:
        InputError: the packages of requirements-export.txt are not installed.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  (torch's exporter needs it)
    except ImportError as error:
        raise InputError(f"onnx: {error.name} is not installed; pip install -r requirements-export.txt") from error
    with _quiet():
        program = torch.onnx.export(
            _exported(network, shapes), dynamo=True, opset_version=OPSET, optimize=True, verbose=False,
            input_names=list(shapes), output_names=list(OUTPUTS),
        )  # fmt: skip
    model = plain_onnx(program.model_proto, metadata)  # type: ignore[union-attr]
    onnx.checker.check_model(model, full_check=True)
    write_bytes_atomic(path, model.SerializeToString())
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda batch: np.stack(session.run(list(OUTPUTS), dict(batch)), axis=1)


WRITERS: dict[str, tuple[str, Callable[[MDRegressor, Shapes, Path, Mapping[str, Any]], Answer]]] = {
    "torchscript": ("model.ts", write_torchscript),
    "torch_export": ("model.pt2", write_torch_export),
    "onnx": ("model.onnx", write_onnx),
}


def _exported(network: MDRegressor, shapes: Shapes) -> Any:
    batch = torch.export.Dim("batch", min=1)
    example = {name: torch.zeros(2, *shape) for name, shape in shapes.items()}
    dynamic = {name: {0: batch} for name in example}
    program = torch.export.export(BatchNetwork(network), (), example, dynamic_shapes=dynamic)
    for node in program.graph_module.graph.nodes:
        node.meta.pop("stack_trace", None)  # it names folders of the machine that exports
    return program


def _tensors(batch: Batch) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values) for name, values in batch.items()}


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells at length about each of its steps; what it cannot do it raises."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
