"""A network that answers over HTTP: `Predictor` prepares files here, and a served model computes."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence

import torch
from torch import Tensor

from bundle.deploy.inputs import KEYS
from bundle.deploy.predictor import Predictor
from bundle.deploy.registry.request import COLUMNS
from bundle.errors import InputError

TIMEOUT_S = 120


class ServedNetwork:
    """Stands in for an MDRegressor whose weights are elsewhere.

    Args:
        url: of a scoring server, for example http://127.0.0.1:5001.
        modalities: that the served model reads.
        version: that it must be, see `bundle.deploy.model_folder.version_of`.

    Raises:
        InputError: the address is not HTTP.
    """

    def __init__(self, url: str, modalities: Sequence[str], version: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise InputError(f"server: found {url!r}; expected an address such as http://127.0.0.1:5001")
        self.url, self.modalities, self.version = url.rstrip("/") + "/invocations", list(modalities), version

    def predict_subsets(self, image: Tensor, fundus: Tensor) -> Tensor:
        """(B, 3) in dB, as `MDRegressor.predict_subsets`.

        Raises:
            InputError: no server there, what it says against the request, or it serves another model.
        """
        tensors = {"image": image, "fundus": fundus}
        inputs = {KEYS[name]: _with_null(tensors[KEYS[name]]) for name in self.modalities}
        answers = self._post({"inputs": inputs})["predictions"]
        others = sorted({str(one.get("model_version")) for one in answers} - {self.version})
        if others:
            raise InputError(f"server: serves model {others[0]}, --model is {self.version}; give the one it serves")
        rows = [[float("nan") if one[name] is None else one[name] for name in COLUMNS] for one in answers]
        return torch.tensor(rows, dtype=torch.float64)

    def _post(self, content: dict) -> dict:
        body = json.dumps(content, allow_nan=False).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise InputError(f"server: {error.code}: {_message(error.read())}") from error
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise InputError(f"server: no answer from {self.url} ({reason}); start it, see docs/registry.md") from error


def served_predictor(folder: str, url: str) -> Predictor:
    """A `Predictor` that reads and prepares eyes as the model in `folder` needs them, and asks a server for their MD.

    Args:
        folder: the served model's model.pt and model.json.
        url: of the scoring server.
    """
    predictor = Predictor(folder)
    predictor.network = ServedNetwork(url, predictor.network.modalities, predictor.version)  # type: ignore[assignment]
    return predictor


def _with_null(tensor: Tensor) -> list:
    """Nested lists with None for NaN: a modality that an eye lacks; JSON has no NaN."""
    array = tensor.cpu().numpy().astype(object)
    array[array != array] = None  # only NaN differs from itself
    return array.tolist()


def _message(body: bytes) -> str:
    """The last line of MLflow's message, where the reason is."""
    try:
        return str(json.loads(body)["message"]).strip().splitlines()[-1][:300]
    except (ValueError, KeyError, IndexError, TypeError):
        return body[:300].decode(errors="replace")
