"""The model as MLflow loads it: this file is copied into the registered model and run there ("models from code").

The weights beside it are plain data: they are loaded with weights_only, and nothing of them is run.
"""

from __future__ import annotations

from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PythonModel

from bundle.deploy.inputs import input_shapes
from bundle.deploy.intervals import intervals_of
from bundle.deploy.model_folder import load_model, version_of
from bundle.deploy.registry.request import answer
from bundle.errors import InputError


class OctFundusMD(PythonModel):
    """Prepared OCT volumes and fundus photographs in, Mean Deviation (dB) of each eye out."""

    def load_context(self, context) -> None:  # type: ignore[no-untyped-def]
        self.network, description = load_model(context.artifacts["model"])
        self.shapes = input_shapes(self.network, description)
        self.intervals = intervals_of(description)
        self.version = {"model_version": version_of(description)}

    def predict(self, context, model_input, params=None) -> list[dict[str, Any]]:  # type: ignore[no-untyped-def]
        """See `bundle.deploy.registry.request.answer`. A wrong request is a 400 of the scoring server."""
        try:
            return [one | self.version for one in answer(self.network, self.shapes, self.intervals, model_input)]
        except InputError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error


mlflow.models.set_model(OctFundusMD())
