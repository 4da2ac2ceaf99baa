"""The application: `python -m bundle.deploy.monai_deploy.app -i DICOM_FOLDER -o RESULT_FOLDER -m model.ts`.

One patient a run. The folders and the model may also come from HOLOSCAN_INPUT_PATH, HOLOSCAN_OUTPUT_PATH and
HOLOSCAN_MODEL_PATH, as in a packaged application (MAP).
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from monai.deploy.conditions import CountCondition
from monai.deploy.core import AppContext, Application

from bundle.deploy.monai_deploy.model_file import model_description
from bundle.deploy.monai_deploy.operators import EyeReaderOperator, JsonWriterOperator, MeanDeviationOperator
from bundle.deploy.monai_deploy.study import eyes_in
from bundle.errors import run_main


class MeanDeviationApp(Application):
    """Reads the OPT and OP files of a folder, and writes one JSON file for each eye.

    Args:
        context: input, output and model paths, and the loaded model.

    Raises:
        InputError: the folder or the model file is not what the application needs.
    """

    def __init__(self, context: AppContext, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._context = context
        self._model = model_description(context.model_path)
        self._eyes = eyes_in(context.input_path)

    def compose(self) -> None:
        once_an_eye = CountCondition(self, len(self._eyes))
        reader = EyeReaderOperator(self, once_an_eye, eyes=self._eyes, name="reader")
        inference = MeanDeviationOperator(self, app_context=self._context, name="inference")
        folder = Path(self._context.output_path)
        writer = JsonWriterOperator(self, folder=folder, model=self._model, name="writer")
        self.add_flow(reader, inference, {("image", "image"), ("fundus", "fundus"), ("eye", "eye")})
        self.add_flow(reader, writer, {("eye", "eye")})
        self.add_flow(inference, writer, {("pred", "pred")})


def main() -> None:
    # At INFO the SDK logs the paths that it was given, which may hold a patient's name.
    os.environ.setdefault("HOLOSCAN_LOG_LEVEL", "WARN")
    quiet = [] if {"-l", "--log-level"} & set(sys.argv) else ["--log-level", "WARN"]
    context = Application.init_app_context([*sys.argv, *quiet])
    logging.captureWarnings(True)
    MeanDeviationApp(context).run()


if __name__ == "__main__":
    run_main(main)
