"""The three operators of the application, in the order of the flow: read an eye, predict, write JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.deploy.core import AppContext, Fragment, IOType, Operator, OperatorSpec
from monai.deploy.operators.monai_bundle_inference_operator import IOMapping, MonaiBundleInferenceOperator
from monai.transforms import Compose

from bundle.data.readers import read_fundus, read_oct
from bundle.deploy.answer import answer
from bundle.deploy.intervals import intervals_of
from bundle.errors import InputError
from bundle.reporting.atomic import write_json_atomic

ABSENT = torch.full((1, 1, 1, 1), torch.nan)  # how the transforms know an examination that was not taken


class EyeReaderOperator(Operator):
    """Emits one eye at a time: `image` (1, B-scan, depth, A-scan) in grey values, `fundus` (3, H, W) in [0, 1], both
    as acquired, NaN where absent, and `eye`, a dict of what else the transforms ask for.

    Args:
        eyes: as `bundle.deploy.monai_deploy.study.eyes_in` finds them.
    """

    def __init__(self, fragment: Fragment, *args: Any, eyes: dict[str, dict[str, Path]], **kwargs: Any) -> None:
        self._eyes = iter(eyes.items())
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        for name in ("image", "fundus", "eye"):
            spec.output(name)

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        eye, paths = next(self._eyes)
        image, fundus = ABSENT, ABSENT
        facts: dict[str, Any] = {"eye": eye}
        if "oct" in paths:
            volume = _read(read_oct, paths["oct"], eye)
            image = torch.from_numpy(np.require(volume.voxels, np.float32, ["C", "W"]))[None]
            facts["image_spacing_mm"] = tuple(float(mm) for mm in volume.spacing_mm)
        if "fundus" in paths:
            pixels = _read(read_fundus, paths["fundus"], eye).pixels.transpose(2, 0, 1)
            fundus = torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32)) / 255.0
        op_output.emit(image, "image")
        op_output.emit(fundus, "fundus")
        op_output.emit(facts, "eye")


def _read(reader: Callable[[Path], Any], path: Path, eye: str) -> Any:
    """What the reader returns; its error names the eye, as the path may hold a patient's name."""
    try:
        return reader(path)
    except InputError as error:
        raise InputError(f"{eye}: {str(error).removeprefix(f'{path}: ')}") from None


class MeanDeviationOperator(MonaiBundleInferenceOperator):
    """The SDK's bundle operator, which loads model.ts and its configuration, for two inputs and a regression.

    What the stock operator lacks, and this one adds: an input `eye` beside the images; the bundle's own loaders are
    left out, as the stock one leaves out LoadImage; only the network's inputs reach the network; `predict_subsets` of
    the TorchScript network is called, not its forward alone; the answer (3,) in dB is emitted on `pred` as it is.
    """

    LOADERS = ("LoadOct", "LoadFundus")

    def __init__(self, fragment: Fragment, *args: Any, app_context: AppContext, **kwargs: Any) -> None:
        inputs = [IOMapping(name, torch.Tensor, IOType.IN_MEMORY) for name in ("image", "fundus")]
        outputs = [IOMapping("pred", np.ndarray, IOType.IN_MEMORY)]
        self._eye: dict[str, Any] = {}
        super().__init__(
            fragment, *args, app_context=app_context, input_mapping=inputs, output_mapping=outputs, **kwargs
        )

    def setup(self, spec: OperatorSpec) -> None:
        super().setup(spec)
        spec.input("eye")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        self._eye = op_input.receive("eye")
        super().compute(op_input, op_output, context)

    def _get_compose(self, obj_name: str, disallowed_prefixes: list[str]) -> Any:
        if obj_name == self._bundle_config_names.postproc_name:
            return Compose([])  # the bundle's names the three answers of an evaluator's batch; here they stay together
        return super()._get_compose(obj_name, [*disallowed_prefixes, *self.LOADERS])

    def pre_process(self, data: dict[str, Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
        prepared = super().pre_process({**data, **self._eye}, *args, **kwargs)
        return {name: MetaTensor(prepared[name]) for name in self._inputs}  # the SDK asks the first one for its `meta`

    def predict(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        network = getattr(self._model_network, "predictor", self._model_network)  # the SDK wraps the network
        return self._inferer(data, network, *args, **kwargs)

    def post_process(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        return data.cpu()  # (3,): the SDK has taken the one eye out of the batch


class JsonWriterOperator(Operator):
    """Writes OD.json or OS.json for each eye that arrives: MD, stage and what they rest on; nothing of the header.

    Args:
        folder: where to; made when missing.
        model: its description, see `bundle.deploy.monai_deploy.model_file.model_description`.
    """

    def __init__(self, fragment: Fragment, *args: Any, folder: Path, model: dict[str, Any], **kwargs: Any) -> None:
        self._folder, self._model_version, self._intervals = folder, model["model_version"], intervals_of(model)
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        spec.input("pred")
        spec.input("eye")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        eye = op_input.receive("eye")["eye"]
        subsets_db = np.asarray(op_input.receive("pred")).reshape(3).tolist()
        content = answer(subsets_db, eye, self._model_version, self._intervals)
        write_json_atomic(self._folder / f"{eye}.json", content)
