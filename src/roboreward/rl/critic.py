"""A critic: what reward a decision will bring. Needs torch."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

F32 = npt.NDArray[np.float32]

NUM_HEADS: Final = 4
WIDTH: Final = 128
_BATCH: Final = 128
_LR: Final = 2e-3
_SHARPNESS: Final = 3.0
"""Actions are multiplied by this: a centimetre decides between success and failure, and a network of this size is slow
to learn what changes so fast in its input."""
_KEEP: Final = 0.75
"""Share of the episodes that each head learns from."""


class Critic:
    """An ensemble that learns the mean reward of decisions, all from one scalar an episode.

    It values a noise sample by the action that the frozen policy makes of it: policies are deterministic given the
    noise, and what an action leads to is simpler to learn than what a noise sample does. Every head has its own start
    and leaves out its own quarter of the episodes, so that where the heads disagree little is known: acting by one head
    at a time (Thompson sampling) tries such places.

    Args:
        num_seen, num_done: Sizes S of an observation and A of an action.
        seed: Of the start and of the batches.
    """

    def __init__(self, *, num_seen: int, num_done: int, seed: int) -> None:
        self._rng = torch.Generator().manual_seed(seed)
        self._net = _Heads(num_seen + num_done, rng=self._rng)
        self._optimiser = torch.optim.AdamW(self._net.parameters(), lr=_LR, weight_decay=1e-3)
        self._inputs: list[Tensor] = []
        self._rewards: list[float] = []
        self._keeps: list[Tensor] = []

    def __len__(self) -> int:
        """Number of decisions remembered."""
        return len(self._rewards)

    def add(self, decisions: Sequence[tuple[F32, F32]], reward: float) -> None:
        """Remember an episode: its decisions, (observation, action) in order, and its one reward, in [0, 1].

        Every decision is worth the reward of its episode (a Monte Carlo return).
        """
        keep = (torch.rand(NUM_HEADS, generator=self._rng) < _KEEP).float()
        for seen, done in decisions:
            self._inputs.append(torch.from_numpy(np.concatenate([seen, _SHARPNESS * done])))
            self._rewards.append(reward)
            self._keeps.append(keep)

    def update(self, num_steps: int) -> None:
        """Take gradient steps on batches of what is remembered; nothing while nothing is."""
        if not self._rewards:
            return
        inputs, keeps = torch.stack(self._inputs), torch.stack(self._keeps)
        rewards = torch.tensor(self._rewards)
        for _ in range(num_steps):
            rows = torch.randint(len(rewards), (_BATCH,), generator=self._rng)
            found = self._net(inputs[rows])
            error = (found - rewards[rows]).square() * keeps[rows].T
            self._optimiser.zero_grad()
            error.mean().backward()
            self._optimiser.step()

    def best(self, seen_S: F32, actions_NA: F32, *, head: int | None) -> int:
        """Return which action promises most: by one head, or by the mean of all when None."""
        with torch.inference_mode():
            seen = torch.from_numpy(seen_S).expand(len(actions_NA), -1)
            values = self._net(torch.cat([seen, _SHARPNESS * torch.from_numpy(actions_NA)], 1))
            value = values.mean(0) if head is None else values[head]
            return int(value.argmax())


class _Heads(nn.Module):
    """`NUM_HEADS` networks side by side: (B, D) to (NUM_HEADS, B)."""

    def __init__(self, num_inputs: int, *, rng: torch.Generator) -> None:
        super().__init__()
        sizes = (num_inputs, WIDTH, WIDTH, 1)
        self.weights = nn.ParameterList(
            torch.randn(NUM_HEADS, a, b, generator=rng) / a**0.5 for a, b in pairwise(sizes)
        )
        self.biases = nn.ParameterList(torch.zeros(NUM_HEADS, 1, b) for b in sizes[1:])

    def forward(self, inputs_BD: Tensor) -> Tensor:
        x = inputs_BD.expand(NUM_HEADS, -1, -1)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            if i < 2:
                x = nn.functional.silu(x)
        return x.squeeze(-1)
