"""What a registered version says of itself."""

from __future__ import annotations

from bundle.deploy.registry.request import MAX_EYES
from bundle.deploy.registry.trained import TrainedModel
from bundle.reporting.provenance import git_tags

INTENDED_USE = "Research only. Not a medical device; not for decisions about a patient."
FIGURES = ("mse", "mae", "r2", "ccc", "bias", "balanced_mse", "oct_mse", "fundus_mse")


def version_tags(trained: TrainedModel) -> dict[str, str]:
    """Tags of a version: figures, what it was judged on, and where it comes from. No path and no name of a person."""
    description = trained.description
    found = {
        "intended_use": INTENDED_USE,
        "bundle_version": description.get("version"),
        "weights_sha256": description["weights_sha256"],
        "cohort_digest": description.get("cohort_digest"),
        "test_eyes_digest": trained.test_eyes,
        "test_n_eyes": trained.n_test_eyes,
    }
    found |= {f"test_{name}": trained.figures[name] for name in FIGURES if name in trained.figures}
    if trained.run:
        found["training_git_commit"] = trained.run.data.tags.get("git_commit")
    found |= git_tags()  # of the code that goes into the model with the weights
    return {name: str(value) for name, value in found.items() if value is not None}


def describe(trained: TrainedModel) -> str:
    """The version's description in Markdown; its first line is the registered model's."""
    figures = trained.figures
    mse, mae = f"{figures['mse']:.3f} dB²", f"{figures['mae']:.3f} dB"
    return (
        "Mean Deviation (dB) of a visual field from an OCT volume and a fundus photograph; one may be missing.\n\n"
        f"Test: MSE {mse}, MAE {mae}, {trained.n_test_eyes} eyes. Inputs are prepared as configs/inference.yaml does; "
        f"a modality that an eye lacks is a row of null; up to {MAX_EYES} eyes a request (docs/registry.md).\n\n"
        f"{INTENDED_USE}"
    )
