import numpy as np, torch
from pancreas_ssl.contrast import GlobalContrast
from tests.contrast.test_sampling import world


def terms_of(autocast):
    regions, doubt, predicted = world()
    c = GlobalContrast("guided", 6)
    # features of whole bf16 numbers and an untouched projection: only the loss can differ
    f = torch.randn(2, 6, 16, 16, 12, generator=torch.Generator().manual_seed(0))
    z = {}
    c.projection.register_forward_hook(
        lambda m, i, o: z.setdefault("z", torch.nn.functional.normalize(o.detach().bfloat16().float(), dim=1))
    )
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        t = c(
            f,
            regions,
            doubt,
            ((regions == 1) | (regions == 2)).long(),
            regions > 0,
            predicted,
            np.random.default_rng(0),
        )
    return c, t


def test_float32_and_once():
    c, t = terms_of(True)
    from pancreas_ssl.contrast import contrast_loss

    again = contrast_loss(t.z, t.draw, c.prototypes)
    assert abs(again.loss.item() - t.loss.item()) < 1e-6, (again.loss.item(), t.loss.item())
    assert int(c.prototypes.updates) == 1
    q = c.prototypes.queue[: int(c.prototypes.queue_filled)]
    assert len(q) == 160 and len(q.unique(dim=0)) == 160
