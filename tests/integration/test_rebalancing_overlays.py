"""The overlays of modality rebalancing, of sharpness and of the references: what they build, and nothing besides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from bundle.handlers import ContrastiveHandler, RebalancingHandler
from bundle.losses.mimo import MIMORegressionLoss
from bundle.modulation import (
    MGDA,
    ASAMAscent,
    CAGrad,
    CGGMModulator,
    DominanceByError,
    DominantBlockAscent,
    GSAMAscent,
    MinNorm,
    MLBModulator,
    NoAscent,
    OGMModulator,
    OneSidedProjection,
    PCGrad,
    SAMAscent,
)  # fmt: skip
from bundle.networks import ConcatFusion, CrossAttentionFusion, GatedFusion
from tests.integration.test_method_overlays import one_epoch, parser_of, process_as_it_was
from tests.toy import write_cohort

__all__ = ["process_as_it_was"]

MODULATORS = {"ogm": OGMModulator, "mlb": MLBModulator, "cggm": CGGMModulator, "msam": DominanceByError,
              "lds_ogm": OGMModulator, "adacon_cggm": CGGMModulator, "bsam_mlb": MLBModulator,
              "ogm_ge": OGMModulator}  # fmt: skip
COMBINERS = {"mmpareto": MinNorm, "pcgrad": PCGrad, "mgda": MGDA, "cagrad": CAGrad, "rnc_mmpareto": MinNorm}
ASCENTS = {"sam": SAMAscent, "asam": ASAMAscent, "msam": DominantBlockAscent, "bsam_mlb": SAMAscent,
           "gsam": GSAMAscent, "looksam": SAMAscent}  # fmt: skip
FUSIONS = {"gated": GatedFusion, "cross_attention": CrossAttentionFusion}
CONTRASTIVE = {"rnc_mmpareto", "adacon_cggm"}
MULTI_LOSS = {"mlb", "bsam_mlb", "mimo", "modality_dropout", *COMBINERS}
NAMES = sorted({*MODULATORS, *COMBINERS, *ASCENTS, *FUSIONS, "mimo", "modality_dropout"})


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"), 12)


def handlers_of(trainer: Any) -> tuple[ContrastiveHandler, RebalancingHandler]:
    found = trainer.attached_handlers
    contrastive, rebalancing = (
        [h for h in found if isinstance(h, k)] for k in (ContrastiveHandler, RebalancingHandler)
    )
    return contrastive[0], rebalancing[0]


@pytest.fixture(scope="module")
def steps(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of every method and of plain fusion, the trainer after one step of plain gradient descent and its moves."""
    found = {}
    for name in [*NAMES, "concat", "multi_loss"]:
        keys = {"optimizer#_target_": "torch.optim.SGD", "lr": 0.1, "optimizer#weight_decay": 0.0}
        trainer, before = one_epoch(parser_of(name, cohort, tmp_path_factory.mktemp(name), **keys))
        after = trainer.network.state_dict()
        moves = {part: torch.cat([(after[k] - before[k]).flatten() for k in before if part in k])
                 for part in ("oct_encoder", "fundus_encoder")}  # fmt: skip
        found[name] = trainer, moves
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_parts_are_those_of_the_method(name: str, steps: dict[str, Any]) -> None:
    trainer, _ = steps[name]
    _, rebalancing = handlers_of(trainer)
    assert isinstance(rebalancing.modulator, MODULATORS.get(name, object))
    assert isinstance(rebalancing.combiner, COMBINERS.get(name, OneSidedProjection))
    assert type(trainer.ascent) is ASCENTS.get(name, type(trainer.ascent))
    assert isinstance(trainer.training_network.regressor.fusion, FUSIONS.get(name, ConcatFusion))
    assert isinstance(trainer.loss_function, MIMORegressionLoss) == (name == "mimo")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_else_of_this_projects_method_is_on(name: str, steps: dict[str, Any]) -> None:
    trainer, _ = steps[name]
    contrastive, rebalancing = handlers_of(trainer)
    assert (contrastive.weight > 0) == (name in CONTRASTIVE)
    assert (trainer.ascent.rho > 0) == (name in ASCENTS)
    assert isinstance(trainer.ascent, NoAscent) or trainer.ascent.rho == 0 or name in ASCENTS
    if name not in COMBINERS:
        assert rebalancing.combiner.strength == 0
    if name not in MODULATORS:
        assert (rebalancing.modulator.error_power, rebalancing.modulator.sharpness_power) == (0, 0)
    assert (trainer.loss_function.unimodal_weight > 0) == (name in MULTI_LOSS)
    assert trainer.training_network.probe_heads == (name not in MULTI_LOSS)
    md_db = torch.linspace(-20, 0, 9)
    weighted = {"lds_ogm", "bsam_mlb"}
    assert (float(trainer.descent_weight(md_db).std()) > 0) == (name in weighted)
    if name in ASCENTS and name not in weighted:
        assert float(trainer.ascent_weight(md_db).std()) == 0


@pytest.mark.parametrize("name", [n for n in NAMES if n not in FUSIONS])
def test_a_rival_is_not_plain_training_in_disguise(name: str, steps: dict[str, Any]) -> None:
    """From equal weights and eyes its first step differs from plain fusion's, or from multi-loss training's."""
    if name == "msam":
        pytest.skip("the first step does not know who dominates; tests/modulation/test_msam.py has the second")
    for plain in ("concat", "multi_loss"):
        differences = [(steps[name][1][part] - move).norm() / move.norm() for part, move in steps[plain][1].items()]
        assert max(differences) > 1e-5, plain


def test_the_combiners_of_one_gradient_differ_from_each_other(steps: dict[str, Any]) -> None:
    """In exact mode, on encoder parameters; each cosine is recorded."""
    for name in COMBINERS:
        trainer, _ = steps[name]
        assert handlers_of(trainer)[1].conflict == "param"
        assert {"cosine_oct", "cosine_fundus"} <= trainer.state.output["scalars"].keys()
    for part in ("oct_encoder", "fundus_encoder"):
        cagrad, mgda = (steps[name][1][part] for name in ("cagrad", "mgda"))
        assert (cagrad - mgda).norm() > 1e-4 * mgda.norm()


def test_modality_dropout_takes_examinations_from_training_eyes_only(cohort: Path, tmp_path: Path) -> None:
    found = parser_of("modality_dropout", cohort, tmp_path, **{"modality_dropout#prob": 1.0})
    training = found.get_parsed_content("train#dataset")
    lost = [(bool(item["image"].isnan().all()), bool(item["fundus"].isnan().all())) for item in training]
    assert all(a != b for a, b in lost)
    validation = found.get_parsed_content("validate#dataset")
    assert not any(bool(item["image"].isnan().any() or item["fundus"].isnan().any()) for item in validation)
