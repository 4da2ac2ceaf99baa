"""The test evaluation at a training's end, with the model that validation chose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from bundle.engines.distributed import rank
from bundle.errors import InputError
from bundle.weights import load_weights_only


class FinalTestHandler:
    """At COMPLETED: the evaluator's network <- best weights, evaluator runs once, its report gets the history.

    `engine.state.test_metrics` is the report's summary.

    Args:
        evaluator: a SupervisedEvaluator on the test split.
        model_path: weights of the best validation epoch.
        report: the evaluator's ReportHandler, which gets the training history for its curves.
    """

    def __init__(self, evaluator: Any, model_path: str, report: Any = None) -> None:
        self.evaluator, self.model_path, self.report = evaluator, Path(model_path), report

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        if rank() != 0:
            return
        if not self.model_path.is_file():
            raise InputError(
                f"no model to test: {self.model_path.name} was never written; "
                "let max_epochs reach a validation (val_interval) whose error is finite"
            )
        if self.report is not None:
            self.report.history = engine.state.history
        self.evaluator.network.load_state_dict(load_weights_only(self.model_path, engine.state.device))
        self.evaluator.run()
        if self.report is not None:
            engine.state.test_metrics = self.report.summary()
