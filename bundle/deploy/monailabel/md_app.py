"""The MONAI Label app: one folder of studies, one model, nothing to train or to save."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monailabel.interfaces.app import MONAILabelApp

from bundle.deploy.monailabel.answer import MODEL
from bundle.deploy.monailabel.md_task import MdTask
from bundle.deploy.monailabel.store import ReadOnlyStore
from bundle.deploy.monailabel.studies import Studies
from bundle.deploy.predictor import Predictor


class UnknownModelError(LookupError):
    """A request for a model that the app has not."""


class MdApp(MONAILabelApp):
    """MONAI Label makes it with the app's folder, the studies folder and the configuration.

    conf: `model` (model folder) and `device`.

    Raises:
        InputError: the studies folder or the model cannot be used.
    """

    def __init__(self, app_dir: str, studies: str, conf: Mapping[str, str]) -> None:
        self._studies = Studies(studies)
        self._predictor = Predictor(conf["model"], conf.get("device", "cpu"))
        super().__init__(
            app_dir,
            studies,
            dict(conf),
            name="Re-M3Dr",
            description="Mean Deviation from OCT and fundus photography, for research",
            version=self._predictor.version,
        )

    def init_datastore(self) -> ReadOnlyStore:
        return ReadOnlyStore(self._studies)

    def init_infers(self) -> dict[str, MdTask]:
        return {MODEL: MdTask(self._predictor, self._studies)}

    def infer(self, request: Mapping[str, Any], datastore: Any = None) -> dict[str, Any]:
        """As MONAI Label's own, which would open any path that a client names as `image`; here it is an id.

        Raises:
            UnknownModelError, UnknownStudyError, InputError: see `MdTask`.
        """
        task = self._infers.get(request["model"])
        if task is None:
            raise UnknownModelError(f"model: found another one, expected {MODEL}")
        file, params = task({"image": request["image"]})
        return {"file": file, "label": None, "params": params}
