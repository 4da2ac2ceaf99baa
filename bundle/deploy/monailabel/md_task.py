"""The one model of the app: `oct_fundus_md`."""

from __future__ import annotations

from typing import Any

from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from bundle.deploy.monailabel.answer import answer, reason
from bundle.deploy.monailabel.studies import Studies
from bundle.deploy.predictor import Predictor
from bundle.errors import InputError


class MdTask(InferTask):
    """MD of a study, by the transforms of configs/inference.yaml and the weights of a model folder.

    Args:
        predictor: a loaded model.
        studies: where the ids of requests are looked up.
    """

    def __init__(self, predictor: Predictor, studies: Studies) -> None:
        super().__init__(
            type=InferType.OTHERS,
            labels=None,
            dimension=3,
            description="Mean Deviation (dB) from an OCT volume, a fundus photograph, or both. For research; "
            "not for decisions about a patient.",
        )
        self._predictor = predictor
        self._studies = studies

    def is_valid(self) -> bool:
        return True

    def __call__(self, request: dict[str, Any]) -> tuple[None, dict[str, Any]]:
        """(None, the answer): there is no image to return.

        request: `image` is the study's id.

        Raises:
            UnknownStudyError: no such study.
            InputError: its images cannot be used; the message names no file.
        """
        name = request["image"]
        study = self._studies.get(name)
        try:
            prediction = self._predictor.predict(
                **{one: str(study.image(one)) for one in study.modalities}, eye=study.eye
            )
        except InputError as error:
            raise InputError(reason(error, name, study, self._studies.root)) from None
        return None, answer(prediction)
