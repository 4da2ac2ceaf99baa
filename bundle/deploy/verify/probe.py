"""Checks that run the package's own code. A process of its own, so that no module of the repository is in the way:

    python -P probe.py PACKAGE RESULT.json

Needs what the package needs and nothing of this one; writes {check: [status, text]}.
"""

from __future__ import annotations

import json
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, verify_metadata, verify_net_in_out

SCHEMA = Path(__file__).with_name("metadata_schema.json")
DTYPES = {"float32": torch.float32, "float64": torch.float64, "float16": torch.float16}
MOST_DIFFERENCE_DB = 1e-5  # of eager and scripted answers; the scripted graph may fuse operations


class Package:
    """The folder under test, its files by purpose, and inputs as its metadata describe them."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder, self.scratch = folder, scratch
        self.metadata_file = str(folder / "configs" / "metadata.json")
        self.inference = next(str(p) for p in sorted((folder / "configs").glob("inference.*")))
        self.weights = folder / "models" / "model.pt"

    def network(self) -> torch.nn.Module:
        """A new network, as the Zoo builds it: id `network_def` of the inference config."""
        parser = ConfigParser()
        parser.read_config(self.inference)
        parser["bundle_root"] = str(self.folder)
        return parser.get_parsed_content("network_def").eval()

    def trained(self) -> torch.nn.Module:
        """The network with the weights of the package."""
        network = self.network()
        network.load_state_dict(torch.load(self.weights, weights_only=True))
        return network

    def inputs(self, batch: int = 3) -> dict[str, torch.Tensor]:
        """Random tensors by name of the input, in the order of the metadata."""
        formats = json.loads(Path(self.metadata_file).read_text(encoding="utf-8"))["network_data_format"]["inputs"]
        generator = torch.Generator().manual_seed(0)
        return {
            name: torch.rand(batch, one["num_channels"], *one["spatial_shape"], generator=generator).to(
                DTYPES[one["dtype"]]
            )
            for name, one in formats.items()
        }


def properties(package: Package, kind: str, config: str, run_id: str) -> str:
    """`ConfigWorkflow.check_properties()` finds nothing missing, on a few simulated eyes."""
    from bundle.data.phantom import make_phantom

    manifest = make_phantom(package.scratch / "cohort", n_patients=6, test_eyes=2, workers=1, progress=False)
    flow = ConfigWorkflow(
        config_file=config, meta_file=package.metadata_file, workflow_type=kind, logging_file=None, run_id=run_id,
        bundle_root=str(package.folder), manifest=str(manifest), output_dir=str(package.scratch / kind),
        **({"use_mlflow": False} if kind == "train" else {}),
    )  # fmt: skip
    flow.initialize()
    missing = flow.check_properties()
    if missing:
        raise ValueError(f"missing or wrongly named: {', '.join(missing)}")
    return ""


def net_in_out(package: Package) -> str:
    """Shapes and types of the metadata are those of the network, for every input, and of the grids in the config."""
    verify_net_in_out(
        net_id="network_def", meta_file=package.metadata_file, config_file=package.inference, device="cpu",
        bundle_root=str(package.folder),
    )  # fmt: skip
    parser, inputs = ConfigParser(), package.inputs()
    parser.read_config(package.inference)
    expected = {"image": (1, *parser["oct_grid"]), "fundus": (3, parser["fundus_size"], parser["fundus_size"])}
    for name, tensor in inputs.items():
        if tuple(tensor.shape[1:]) != expected.get(name):
            raise ValueError(f"input {name} is {tuple(tensor.shape[1:])}, the config prepares {expected.get(name)}")
    with torch.no_grad():
        shape = tuple(package.network()(**inputs).shape)
    if shape != (3, 1):
        raise ValueError(f"three eyes give {shape} instead of (3, 1)")
    return ", ".join(f"{name} {tuple(tensor.shape[1:])}" for name, tensor in inputs.items())


def torchscript(package: Package) -> str:
    """Exported by MONAI, loaded again: the same answers as eager, from both images and from each alone."""
    path, eager, inputs = package.scratch / "model.ts", package.trained(), package.inputs()
    ckpt_export(
        net_id="network_def", filepath=str(path), ckpt_file=str(package.weights), meta_file=package.metadata_file,
        config_file=package.inference, bundle_root=str(package.folder),
    )  # fmt: skip
    scripted = torch.jit.load(str(path)).eval()
    worst = 0.0
    with torch.no_grad():
        for given in (inputs, *({name: tensor} for name, tensor in inputs.items())):
            worst = max(worst, float((eager(**given) - scripted(**given)).abs().max()))
    if not worst <= MOST_DIFFERENCE_DB:
        raise ValueError(f"answers differ by {worst:.2g} dB")
    return f"largest difference {worst:.1g} dB"


def weights(package: Package) -> str:
    """model.pt loads without running code, fits the network, equals model.safetensors, and is what model.json says."""
    from safetensors.torch import load_file

    from bundle.deploy.model_folder import load_model

    state = torch.load(package.weights, weights_only=True)
    other = load_file(package.folder / "models" / "model.safetensors")
    if state.keys() != other.keys() or not all(torch.equal(state[name], other[name]) for name in state):
        raise ValueError("model.pt and model.safetensors hold different weights")
    package.trained()
    load_model(package.folder / "models")
    return f"{sum(tensor.numel() for tensor in state.values()):,} values"


def schema_of_monai(package: Package) -> str:
    """The Zoo's own call, with the schema from here instead of from the network."""
    verify_metadata(meta_file=package.metadata_file, filepath=str(SCHEMA))
    return ""


def run(checks: dict[str, Callable[[], str]]) -> dict[str, list[Any]]:
    """Status and text of each check; a failing one does not stop the others."""
    results: dict[str, list[Any]] = {}
    for name, check in checks.items():
        try:
            results[name] = ["ok", check()]
        except Exception as error:
            traceback.print_exc()
            cause = next((one for one in (error.__cause__, error.__context__) if one is not None), error)
            results[name] = ["FAIL", f"{type(cause).__name__}: {cause}"[:400]]
    return results


def main(folder: Path, result: Path) -> None:
    sys.path.insert(0, str(folder))
    with tempfile.TemporaryDirectory() as scratch:
        package = Package(folder, Path(scratch))
        train = str(folder / "configs" / "train.yaml")
        checks: dict[str, Callable[[], str]] = {
            "monai verify_metadata": lambda: schema_of_monai(package),
            "train properties": lambda: properties(package, "train", train, "training"),
            "inference properties": lambda: properties(package, "infer", package.inference, "evaluating"),
            "network in and out": lambda: net_in_out(package),
        }
        if package.weights.is_file():
            checks |= {"weights": lambda: weights(package), "TorchScript": lambda: torchscript(package)}
        result.write_text(json.dumps(run(checks)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
