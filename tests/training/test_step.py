"""The terms of the loss, and every arm through the loop: killed and resumed to equal weights too."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from pancreas_ssl.errors import InputError
from pancreas_ssl.method.dual import corrupt_patches, patch_maps
from pancreas_ssl.method.network import space_to_depth
from pancreas_ssl.training import fit
from pancreas_ssl.training.arms import ARMS, with_arm
from pancreas_ssl.training.extra_terms import ArmModel, consistency
from pancreas_ssl.training.patches import Patches
from pancreas_ssl.training.step import optimise, training_losses
from pancreas_ssl.training.teacher_maps import OUTSIDE, TeacherMaps
from tests.training.helpers import RECIPE, ball


def cases(n: int = 2) -> list:
    """Balls with an organ map: the ball is organ 1, its shell organ 2."""
    made = []
    for k in range(n):
        case = ball(k)
        shell = np.roll(case.label, 2, axis=1) | np.roll(case.label, -2, axis=1)
        made.append(replace(case, organs=np.where(case.label, 1, 2 * shell).astype(np.uint8)))
    return made


def test_consistency_by_hand_and_at_its_ends():
    logits = torch.randn(3, 2, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    same = logits[:1].expand(3, -1, -1, -1, -1)
    assert consistency(same).abs() < 1e-6 < consistency(logits)
    certain = torch.tensor([[[40.0, -40.0]], [[-40.0, 40.0]]])  # two views that are sure of opposite classes
    assert consistency(certain).item() == pytest.approx(math.log(2), abs=1e-6)
    p, q = torch.tensor([0.9, 0.1]), torch.tensor([0.6, 0.4])
    m = (p + q) / 2
    by_hand = 0.5 * ((p * (p / m).log()).sum() + (q * (q / m).log()).sum())
    assert consistency(torch.stack([p, q]).log()[:, None]).item() == pytest.approx(by_hand.item(), abs=1e-6)


def test_consistency_pulls_the_views_together_and_does_not_mind_their_order():
    logits = torch.tensor([[[1.0, -1.0]], [[-0.5, 0.5]]], requires_grad=True)
    value = consistency(logits)
    value.backward()
    assert logits.grad[0, 0, 0] > 0 > logits.grad[1, 0, 0]  # a step down the gradient brings them closer
    assert torch.allclose(consistency(logits.flip(0)), value)
    half = consistency(logits.detach().bfloat16())
    assert torch.allclose(half, value, rtol=0.02)


@pytest.mark.parametrize("arm", [*ARMS, "gin+dual", "labelconv+dual", "mixstyle+dual", "shapes+dual"])
def test_each_arm_has_its_terms_and_a_gradient_for_every_weight(arm):
    recipe = replace(with_arm(RECIPE, arm), dropout=0.0, batch=2, mixstyle=1.0 if "mixstyle" in arm else 0.0)
    recipe = replace(recipe, module_start=0.0)
    torch.manual_seed(0)
    learner = ArmModel(recipe)
    maps = TeacherMaps(cases(), recipe).maps if recipe.guided else None
    batch = Patches(cases(), recipe)(0, 0, maps, OUTSIDE if recipe.guided else ())
    more = Patches(cases(), recipe, labelled=False)(0) if recipe.unlabelled_weight else None
    terms = training_losses(learner, batch, more, recipe, 0)
    expected = {
        **dict.fromkeys(("randconv", "gin", "gin+dual", "labelconv", "labelconv+dual", "srcsm"), {"consistency"}),
        **dict.fromkeys(("organs", "real", "real-2"), {"organs"}),
        "unlabelled": {"unlabelled"},
        "nonsense": {"nonsense"},
    }
    if recipe.contrast_weight:
        expected[arm] = expected.get(arm, set()) | {"contrast"}
    if recipe.restoration_weight:
        expected[arm] = expected.get(arm, set()) | {"restoration"}
    assert set(terms) == {"segmentation"} | expected.get(arm, set())
    assert all(term.isfinite() and term >= 0 for term in terms.values())
    sum(terms.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in learner.parameters())


@pytest.mark.parametrize(("share", "turns"), [(0.5, [1, 3]), (1.0, [0, 1, 2, 3]), (0.25, [3]), (0.0, [])])
def test_corruption_goes_round_evenly(share, turns):
    recipe = replace(RECIPE, corrupted_share=share)
    assert [k for k in range(4) if recipe.corrupted_at(0, k)] == turns
    every = [recipe.corrupted_at(step, sample) for step in range(40) for sample in range(2)]
    assert sum(every) == pytest.approx(80 * share, abs=1)


def test_a_corrupted_patch_takes_the_place_of_the_intact_one():
    recipe = replace(with_arm(RECIPE, "restoration"), batch=2, module_start=0.0)
    maps = TeacherMaps(cases(), recipe).maps
    batch = Patches(cases(), recipe)(1, 0, maps, OUTSIDE)
    intact = batch.views[0].clone()
    seen = []
    learner = ArmModel(recipe)
    learner.network.encoder[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    training_losses(learner, batch, None, recipe, 1)
    (images,) = seen
    before = space_to_depth(intact)
    assert images.shape == before.shape  # one pass, no patch more than without the module
    task = corrupt_patches(batch, patch_maps(batch, recipe, 1), recipe, 1)
    assert task.samples == [0]  # the other patch had its turn in step 0
    assert torch.equal(images[1], before[1]) and not torch.equal(images[0], before[0])
    assert torch.equal(images[0], space_to_depth(task.corrupted)[0])
    assert torch.equal(batch.views[0], intact)  # the batch itself stays as it was
    alone = Patches(cases(), replace(recipe, batch=1))(1, 0, maps, OUTSIDE)  # as the first of two processes
    again = corrupt_patches(alone, patch_maps(alone, recipe, 1), recipe, 1)
    assert torch.equal(again.mask, task.mask) and torch.allclose(again.corrupted, task.corrupted, atol=1e-5)


def test_views_of_one_appearance_give_the_loss_of_one_view():
    one = replace(RECIPE, augmentation="none", dropout=0.0)
    two = replace(one, views=2, consistency_weight=1.0)
    values = []
    for recipe in (one, two):
        learner = ArmModel(recipe).eval()
        batch = Patches(cases(), recipe)(0)
        values.append(training_losses(learner, batch, None, recipe, 0))
    torch.testing.assert_close(values[0]["segmentation"], values[1]["segmentation"], rtol=1e-4, atol=1e-5)
    assert values[1]["consistency"] < 1e-6


CONTRASTS = {
    "views": {"contrast_views": 2},
    "three views": {"contrast_views": 2, "views": 2, "augmentation": "randconv"},
    "unlabelled": {"contrast_views": 2, "views": 2, "unlabelled_weight": 1.0},
    "everything": {
        "contrast_views": 2, "contrast_strides": (2, 4), "lookalikes": 0.5, "contrast_queue": 50, "contrast_share": 0.3,
        "organs_weight": 0.3, "restoration_weight": 0.3, "corrupted_share": 0.5,
    },
}  # fmt: skip


@pytest.mark.parametrize("fields", CONTRASTS.values(), ids=list(CONTRASTS))
def test_each_contrast_has_a_gradient_and_segments_what_was_segmented_before(fields):
    recipe = replace(RECIPE, dropout=0.0, module_start=0.0, contrast_weight=0.1, **fields)
    maps = TeacherMaps(cases(), recipe).maps
    batch = Patches(cases(), recipe)(0, 0, maps, OUTSIDE)
    more = Patches(cases(), recipe, labelled=False)(0) if recipe.unlabelled_weight else None
    assert batch.other.shape == batch.views[0].shape and not torch.equal(batch.other, batch.views[-1])
    before = Patches(cases(), replace(recipe, contrast_views=1))(0, 0, maps, OUTSIDE)
    assert all(torch.equal(a, b) for a, b in zip(batch.views, before.views, strict=True))  # draws stay as they are
    learner = ArmModel(recipe)
    terms = training_losses(learner, batch, more, recipe, 0)
    single = training_losses(ArmModel(recipe), before, more, replace(recipe, contrast_views=1), 0)
    torch.testing.assert_close(terms["segmentation"], single["segmentation"])
    assert terms["contrast"] > 0 and abs(terms["contrast"] - single["contrast"]) > 1e-6
    sum(terms.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in learner.parameters())


def test_a_contrast_of_deep_features_leaves_the_finer_decoder_alone():
    recipe = replace(RECIPE, dropout=0.0, module_start=0.0, contrast_weight=0.1, contrast_strides=(4,))
    learner = ArmModel(recipe)
    batch = Patches(cases(), recipe)(0, 0, TeacherMaps(cases(), recipe).maps, OUTSIDE)
    training_losses(learner, batch, None, recipe, 0)["contrast"].backward()
    assert learner.network.last_weights(2).grad is None and learner.network.last_weights(4).grad.any()


def test_the_contrasts_share_of_the_gradient_is_held():
    recipe = replace(RECIPE, dropout=0.0, module_start=0.0, module_ramp=0.0, contrast_weight=7.0, contrast_share=0.25)
    learner, patches = ArmModel(recipe), Patches(cases(), recipe)
    batch = patches(0, 0, TeacherMaps(cases(), recipe).maps, OUTSIDE)
    weights = learner.network.last_weights(2)
    terms = training_losses(learner, batch, None, recipe, 0)
    parts = [torch.autograd.grad(terms[name], weights, retain_graph=True)[0] for name in ("segmentation", "contrast")]
    learner = ArmModel(recipe)
    optimiser = torch.optim.AdamW(learner.parameters(), 1e-3)
    weighed = optimise(Accelerator(cpu=True), learner, optimiser, batch, recipe, 0)
    factor = (weighed["contrast"] / terms["contrast"]).item()
    assert factor * (parts[1].norm() / parts[0].norm()).item() == pytest.approx(0.25, rel=1e-4)
    assert learner.noted["contrast_share"] == pytest.approx(0.25, rel=1e-4)
    cosine = torch.cosine_similarity(*(part.flatten() for part in parts), dim=0).item()
    assert learner.noted["contrast_cosine"] == pytest.approx(cosine, abs=1e-4)
    assert ArmModel(replace(recipe, contrast_weight=0.0)).noted == ArmModel(recipe).noted == {}


@pytest.mark.parametrize(
    "arm", ["gin", "labels", "unlabelled", "nonsense", "organs", "dual", "dual-random", "shapes", "everything"]
)
def test_an_arm_stopped_and_resumed_ends_with_equal_weights(arm, tmp_path):
    torch.set_num_threads(1)
    varied = {"contrast_weight": 0.05, "contrast_start": 0.3} | CONTRASTS["everything"]
    recipe = replace(RECIPE, **varied) if arm == "everything" else with_arm(RECIPE, arm)
    recipe = replace(recipe, steps=6, teacher_every=3)
    how = {"unlabelled": cases(2), "device": "cpu", "progress": False}
    whole = fit(recipe, cases(), **how)
    fit(recipe, cases(), out=tmp_path, stop_at=3, **how)
    resumed = fit(recipe, cases(), out=tmp_path, resume=True, **how)
    for name, value in whole.ema.state_dict().items():
        assert torch.equal(value, resumed.ema.state_dict()[name]), name
    terms = [name for name in whole.history if name.startswith("loss_")]
    assert bool(terms) == (arm not in ("labels", "shapes"))
    assert ("contrast_share" in whole.history) == (recipe.contrast_weight > 0)
    if terms:
        np.testing.assert_allclose(whole.history[terms].sum(axis=1), whole.history["loss"], rtol=1e-5)


def test_unlabelled_cases_must_be_there_when_the_recipe_wants_them():
    with pytest.raises(InputError, match="expected unlabelled cases"):
        fit(with_arm(RECIPE, "unlabelled"), cases(), device="cpu", progress=False)
