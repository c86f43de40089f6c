"""The NumPy network and the torch network are one network."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the train extra is not installed")

from roboreward.models import NanoNet, NanoShape  # noqa: E402
from roboreward.training.nano_net import Grounding, RewardHead, changes  # noqa: E402

pytestmark = pytest.mark.torch


def random_nets(shape: NanoShape) -> tuple[Grounding, RewardHead]:
    torch.manual_seed(0)
    ground, head = Grounding(shape), RewardHead(shape)
    with torch.no_grad():  # statistics as after training, so that folding them has something to do
        for norm in ground.norms:
            norm.running_mean.normal_(0, 0.3)
            norm.running_var.uniform_(0.5, 2)
            norm.weight.uniform_(0.5, 2)
            norm.bias.normal_(0, 0.3)
    return ground.eval(), head.eval()


@pytest.mark.parametrize("num_words", [1, 6, 20])
def test_numpy_and_torch_give_the_same_logits(num_words: int) -> None:
    shape = NanoShape(num_words=50)
    ground, head = random_nets(shape)
    rng = np.random.default_rng(num_words)
    frames = rng.integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
    words = rng.integers(1, 50, num_words)

    padded = torch.zeros(1, shape.max_words, dtype=torch.long)
    padded[0, :num_words] = torch.from_numpy(words)
    with torch.no_grad():
        features = ground.encode(torch.from_numpy(frames).permute(0, 3, 1, 2) / 127.5 - 1)
        queries = ground.read(padded)[0].unsqueeze(1).expand(2, -1, -1, -1)
        found = ground.locate(features, ground.attend(features, queries))[:, 0]
        changed = changes(features[:1], features[1:], shape.grid)
        expected = head(padded, found[:1], found[1:], changed)[0].numpy()

    weights = {f"ground.{k}": v.numpy() for k, v in ground.folded().items()}
    weights |= {f"head.{k}": v.numpy() for k, v in head.state_dict().items()}
    net = NanoNet(shape, weights)
    got = net.logits(net.encode(frames[0]), net.encode(frames[1]), net.read(words))
    np.testing.assert_allclose(got, expected, atol=2e-5)
    assert np.ptp(expected) > 1e-3
