"""A flow-matching policy: Gaussian noise in, an action out, cloned from demonstrations and then frozen. Needs torch.

Training is conditional flow matching with straight paths (Lipman et al., "Flow Matching for Generative Modeling",
2023): the network learns the velocity from a noise sample to a demonstrated action. An action is the end of a few
Euler steps, so it is a deterministic function of observation and noise, and that is what steering uses.
"""

import hashlib
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from roboreward.core import DataError
from roboreward.rl.demonstrations import F32, Demonstrations
from roboreward.store import write_atomic

WIDTH: Final = 160
NUM_EULER: Final = 10
_NUM_TIME: Final = 4
_BATCH: Final = 256
_LR: Final = 2e-3


class FlowPolicy:
    """A frozen policy. Made by `clone` or `load_policy`.

    Args:
        tensors: The network's, and `mean` and `sd` of the demonstrated actions, (A,).

    Attributes:
        num_seen, num_done: Sizes S of an observation and A of an action; noise has size A too.
        digest: First digits of the SHA-256 of its tensors.
    """

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self._tensors = tensors
        self._mean, self._sd = tensors["mean"], tensors["sd"]
        self.num_done = len(self._mean)
        self.num_seen = tensors["net.0.weight"].shape[1] - self.num_done - _NUM_TIME
        self._net = _network(self.num_seen, self.num_done)
        self._net.load_state_dict(
            {k.removeprefix("net."): v for k, v in tensors.items() if k.startswith("net.")}
        )
        self._net.eval().requires_grad_(False)
        self.digest = hashlib.sha256(save_tensors(tensors)).hexdigest()[:12]

    def actions(self, seen_S: F32, noises_NA: F32) -> F32:
        """Return the actions (N, A) that noise samples (N, A) lead to at one observation (S,)."""
        num = len(noises_NA)
        with torch.inference_mode():
            x, seen = torch.from_numpy(noises_NA), torch.from_numpy(seen_S).expand(num, -1)
            for step in range(NUM_EULER):
                time = _time_features(torch.full((num,), step / NUM_EULER))
                x = x + self._net(torch.cat([seen, x, time], 1)) / NUM_EULER
            return np.asarray((x * self._sd + self._mean).numpy(), np.float32)

    def save(self, path: Path) -> None:
        """Write the tensors, as a whole."""
        write_atomic(path, save_tensors(self._tensors))


def clone(demonstrations: Demonstrations, *, steps: int, seed: int = 0) -> FlowPolicy:
    """Clone a policy from demonstrations; observations are expected at about unit scale."""
    rng = torch.Generator().manual_seed(seed)
    seen, done = (torch.from_numpy(x) for x in (demonstrations.seen, demonstrations.done))
    mean, sd = done.mean(0), done.std(0).clamp_min(1e-3)
    done = (done - mean) / sd
    net = _network(seen.shape[1], done.shape[1], seed=seed)
    optimiser = torch.optim.AdamW(net.parameters(), lr=_LR, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        rows = torch.randint(len(seen), (_BATCH,), generator=rng)
        noise = torch.randn(_BATCH, done.shape[1], generator=rng)
        time = torch.rand(_BATCH, generator=rng)
        x = torch.lerp(noise, done[rows], time[:, None])
        found = net(torch.cat([seen[rows], x, _time_features(time)], 1))
        loss = (found - (done[rows] - noise)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    tensors = {f"net.{k}": v.detach().clone() for k, v in net.state_dict().items()}
    return FlowPolicy({**tensors, "mean": mean, "sd": sd})


def load_policy(path: Path) -> FlowPolicy:
    """Read a policy that `FlowPolicy.save` wrote.

    Raises:
        DataError: The file is missing, damaged, or not a policy.
    """
    try:
        return FlowPolicy(load_tensors(path.read_bytes()))
    except (OSError, SafetensorError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(
            f"Cannot read the policy {path}: {error}. Delete it, and the same command makes it again."
        ) from error


def use_one_thread() -> None:
    """Let torch use one thread in this process: networks of this size lose time by sharing, and sums stay the same."""
    torch.set_num_threads(1)


def _network(num_seen: int, num_done: int, *, seed: int = 0) -> nn.Sequential:
    # Layers draw their start from the global generator; it is put back where it was.
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(num_seen + num_done + _NUM_TIME, WIDTH),
            nn.SiLU(),
            nn.Linear(WIDTH, WIDTH),
            nn.SiLU(),
            nn.Linear(WIDTH, WIDTH),
            nn.SiLU(),
            nn.Linear(WIDTH, num_done),
        )


def _time_features(time_B: Tensor) -> Tensor:
    """(B, 4): the time in [0, 1] and how it turns, so that the velocity can change along the way."""
    angle = time_B * torch.pi
    return torch.stack([time_B, angle.cos(), angle.sin(), (2 * angle).cos()], -1)
