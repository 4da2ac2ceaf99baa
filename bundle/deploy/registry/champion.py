"""Whether a model may take an alias from the version that holds it."""

from __future__ import annotations

from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

# tags that say on what a version was judged: the cohort with its split, and the eyes that were tested
TEST_SET = {"cohort_digest": "cohort", "test_eyes_digest": "test eyes"}
MSE = "test_mse"


def registered_aliases(client: MlflowClient, name: str) -> dict[str, str] | None:
    """{alias: version} of a registered model; None where there is no such model."""
    try:
        return dict(client.get_registered_model(name).aliases)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def holder_of(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    """The version that holds an alias, or None."""
    version = (registered_aliases(client, name) or {}).get(alias)
    return None if version is None else client.get_model_version(name, version)


def refusal(candidate: Mapping[str, str], holder: Mapping[str, str], title: str) -> str | None:
    """Why a model must not take the alias, or None.

    Only errors on the same test eyes compare: on another test set, a smaller one may be luck.

    Args:
        candidate, holder: version tags of both models.
        title: of the holder, for the message.
    """
    if MSE not in holder:
        return f"{title} has no tag {MSE}, so there is nothing to compare with; give --force to replace it"
    for tag, what in TEST_SET.items():
        if not holder.get(tag) or candidate.get(tag) != holder[tag]:
            return (
                f"{title} was judged on another test set (its {what}: {holder.get(tag, 'unknown')[:12]}, this model's: "
                f"{candidate.get(tag, 'unknown')[:12]}), so their errors do not compare; train both on one cohort and "
                "split, or give --force"
            )
    ours, theirs = float(candidate[MSE]), float(holder[MSE])
    if ours <= theirs:
        return None
    return (
        f"test MSE {ours:.4f} dB² is worse than {theirs:.4f} dB² of {title}, on the same {holder.get('test_n_eyes')} "
        "test eyes; give --force to promote it all the same"
    )
