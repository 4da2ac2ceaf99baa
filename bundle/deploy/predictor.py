"""From image files to Mean Deviation with a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from bundle.data.laterality import check_laterality, eye_in_file_name
from bundle.data.readers import read_fundus, read_oct
from bundle.deploy.answer import answer
from bundle.deploy.inputs import KEYS
from bundle.deploy.intervals import intervals_of
from bundle.deploy.model_folder import load_model, version_of
from bundle.errors import InputError, find_input_error

INFERENCE_CONFIG = Path(__file__).resolve().parents[2] / "configs" / "inference.yaml"
GRID_KEYS = ("oct_grid", "oct_extent_mm", "fundus_size")
NAME = "the file's name"
MOST = 4096  # voxels, mm or pixels on an axis: a larger number would only exhaust the memory


class Predictor:
    """A model folder, ready to read eyes; the transforms are those of configs/inference.yaml on the model's grid.

    Args:
        folder: with model.pt and model.json, for example eval/latest. Nothing in it is run as code.
        device: torch device.

    Raises:
        InputError: the folder is not a model's, or is damaged.
    """

    def __init__(self, folder: str | Path, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.network, self.description = load_model(folder, self.device)
        self.intervals = intervals_of(self.description)
        parser = ConfigParser()
        parser.read_config(str(INFERENCE_CONFIG))
        for key in GRID_KEYS:
            parser[key] = _numbers(key, self.description.get(key))
        self.preprocessing = parser.get_parsed_content("preprocessing")

    def predict(self, oct: str | None = None, fundus: str | None = None, eye: str | None = None) -> dict[str, Any]:
        """One eye, see `bundle.deploy.answer.answer`.

        Args:
            oct, fundus: paths; at least one.
            eye: "OD" or "OS"; None takes it from the files' headers and names.

        Raises:
            InputError: no image, a modality that the model does not read, an unreadable file, an unknown eye, or one
                that a header or a name contradicts.
        """
        paths = {"oct": oct, "fundus": fundus}
        given = [name for name, path in paths.items() if path]
        used = [name for name in given if name in self.network.modalities]
        if not used:
            found = f"only {given[0]}" if given else "neither OCT nor fundus"
            raise InputError(f"predict: found {found}; this model reads {' and '.join(self.network.modalities)}")
        item: dict[str, Any] = {KEYS[name]: str(paths[name]) for name in used}
        item["eye"] = eye or self._eye_of(oct, fundus)
        for name in used:
            check_laterality({"row": None, "eye": item["eye"]}, eye_in_file_name(Path(item[KEYS[name]])), NAME)
        return answer(self.subsets_db(item), item["eye"], self.version, self.intervals)

    @torch.inference_mode()
    def subsets_db(self, item: dict[str, Any]) -> list[float]:
        """(3,) MD in dB from all that is present, from OCT alone, from the photograph alone; NaN where not possible.

        item: of `Cohort.items`.
        """
        batch = self._prepare(item)
        image, photo = (batch[key][None].to(self.device) for key in ("image", "fundus"))
        return list(self.network.predict_subsets(image, photo)[0].tolist())

    def _prepare(self, item: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.preprocessing(item)
        except Exception as error:  # MONAI wraps what a transform raises
            cause = find_input_error(error)
            if cause is None:
                raise
            raise InputError(str(cause)) from cause

    @property
    def version(self) -> str:
        """See `version_of`."""
        return version_of(self.description)

    @staticmethod
    def _eye_of(oct: str | None, fundus: str | None) -> str:
        found = {read_oct(oct).laterality} if oct else set()
        found |= {read_fundus(fundus).laterality} if fundus else set()
        found |= {eye_in_file_name(Path(path)) for path in (oct, fundus) if path}
        found.discard(None)
        if len(found) != 1:
            raise InputError(f"eye: the files say {sorted(map(str, found)) or 'nothing'}; give --eye OD or --eye OS")
        return str(found.pop())


def _numbers(key: str, value: Any) -> Any:
    """The value if it is a positive number or a list of them: a text could be an expression, which MONAI would run."""
    values = value if isinstance(value, list) else [value]
    if not values or not all(type(one) in (int, float) and 0 < one < MOST for one in values):
        raise InputError(f"model.json: {key} is {value!r}; expected positive numbers, as training writes them")
    return value
