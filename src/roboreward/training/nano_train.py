"""The two training stages of nano, in torch."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from roboreward.dataset import DemoTable
from roboreward.models import NanoShape, gate_features
from roboreward.training.nano_net import GRIPPER, Grounding, RewardHead, changes
from roboreward.training.questions import GroundingBatch, Questions, RewardBatch
from roboreward.training.recipe import NanoRecipe

Log = Callable[[str], None]
HEAT_SIGMA_CELLS = 0.7
WORLD_SCALE = 10.0
"""Positions are learned in decimetres."""


@dataclass(frozen=True)
class Looks:
    """What the frozen grounding half found; the reward half learns from this alone.

    Attributes:
        named: Subject and reference of each instruction row in each frame, float16 (R, T, 2, D).
        gripper: Float16 (N, T, D).
        changed: Changes since the first frame, float16 (N, T, H, C).
        words: Word ids of each row, (R, L).
        gate: Gate features of every fourth frame, float32 (n, 4C).
    """

    named: Tensor
    gripper: Tensor
    changed: Tensor
    words: Tensor
    gate: Tensor

    def ask(self, head: RewardHead, batch: RewardBatch) -> Tensor:
        """Logits (B, 5)."""
        demo, t, row = (torch.from_numpy(x) for x in (batch.demo, batch.t, batch.row))
        start = torch.zeros_like(t)
        first, last = (
            torch.cat([self.named[row, at], self.gripper[demo, at].unsqueeze(1)], 1).float()
            for at in (start, t)
        )
        out: Tensor = head(self.words[row], first, last, self.changed[demo, t].float())
        return out


def to_input(frames_BHWC: npt.NDArray[np.uint8]) -> Tensor:
    """uint8 frames (B, H, W, 3) to floats in [-1, 1], (B, 3, H, W)."""
    x = torch.from_numpy(np.array(frames_BHWC)).permute(0, 3, 1, 2).float()
    return (x / 127.5 - 1.0).contiguous(memory_format=torch.channels_last)


def disturb(x_BCHW: Tensor, rng: torch.Generator) -> Tensor:
    """What a video encoder and a lamp do to a picture: noise, brightness. Never the hue: colour is language here."""
    num = x_BCHW.shape[0]
    gain = 1 + 0.06 * (torch.rand(num, 1, 1, 1, generator=rng) * 2 - 1)
    noise = (
        torch.randn(x_BCHW.shape, generator=rng) * torch.rand(num, 1, 1, 1, generator=rng) * 0.03
    )
    return ((x_BCHW + 1) * gain - 1 + noise).contiguous(memory_format=torch.channels_last)


def train_grounding(
    questions: Questions, *, shape: NanoShape, recipe: NanoRecipe, log: Log
) -> Grounding:
    """Stage A: from frames and instructions to where the named things are. Uses simulator positions, no outcomes."""
    torch.manual_seed(recipe.seed)
    noise = torch.Generator().manual_seed(recipe.seed)
    rng = np.random.default_rng([recipe.seed, 1])
    net = Grounding(shape).to(memory_format=torch.channels_last)
    optimiser, schedule = _optimiser(net, lr=recipe.ground_lr, steps=recipe.ground_steps)
    running, start = np.zeros(4), time.monotonic()
    for step in range(1, recipe.ground_steps + 1):
        batch = questions.grounding_batch(rng, num_frames=recipe.ground_frames)
        x = disturb(to_input(batch.frames), noise)
        losses = _grounding_losses(net, net.encode(x), batch)
        _step(optimiser, schedule, torch.stack(losses[:3]).sum(), net)
        running = 0.98 * running + 0.02 * np.array([float(v.detach()) for v in losses])
        if step % 100 == 0 or step == recipe.ground_steps:
            a = running / (1 - 0.98**step)
            log(
                f"grounding {step}/{recipe.ground_steps}: attention {a[0]:.3f}, place {a[1]:.4f}, "
                f"held {a[2]:.3f}, error {a[3] * 100:.1f} cm, {time.monotonic() - start:.0f} s"
            )
    return net.eval()


def _grounding_losses(net: Grounding, features: Tensor, batch: GroundingBatch) -> list[Tensor]:
    queries, _ = net.read(torch.from_numpy(batch.words))
    logp_by_frame = net.attend(features, queries.unflatten(0, (len(features), -1)))
    world = net.locate(features, logp_by_frame)[..., -4:].flatten(0, 1)
    logp = logp_by_frame.flatten(0, 1)
    target = heat(torch.from_numpy(batch.uv), torch.from_numpy(batch.is_there), net.shape.grid)
    asked = torch.from_numpy(batch.is_asked).float()
    attention = -((target * logp).sum(2) * asked).sum() / asked.sum()
    there = torch.from_numpy(batch.is_there & batch.is_asked).float()
    xyz = torch.from_numpy(batch.xyz)
    place = nnf.smooth_l1_loss(
        world[..., :3] * WORLD_SCALE, xyz * WORLD_SCALE, reduction="none", beta=0.1
    ).sum(2)
    place = (place * there).sum() / there.sum()
    held = nnf.binary_cross_entropy_with_logits(
        world[..., 3], torch.from_numpy(batch.is_held).float(), reduction="none"
    )
    held = (held * there).sum() / there.sum()
    with torch.no_grad():
        error = ((world[..., :3] - xyz).norm(dim=2) * there).sum() / there.sum()
    return [attention, 4 * place, held, error]


def heat(uv_BS2: Tensor, is_there_BS: Tensor, grid: int) -> Tensor:
    """A Gaussian around the projected place, or all weight on "not in the picture", (B, S, G + 1)."""
    line = (torch.arange(grid) + 0.5) / grid * 2 - 1
    sigma = HEAT_SIGMA_CELLS * 2 / grid
    gx = torch.exp(-((uv_BS2[..., :1] - line) ** 2) / (2 * sigma**2))
    gy = torch.exp(-((uv_BS2[..., 1:] - line) ** 2) / (2 * sigma**2))
    cells = (gy.unsqueeze(3) * gx.unsqueeze(2)).flatten(2)
    cells = cells / (cells.sum(2, keepdim=True) + 1e-9) * is_there_BS.unsqueeze(2)
    return torch.cat([cells, (~is_there_BS).float().unsqueeze(2)], 2)


@torch.inference_mode()
def look_at(net: Grounding, table: DemoTable, questions: Questions, *, seed: int) -> Looks:
    """Run the grounding half over all frames and all instructions, through the same disturbances as in stage A."""
    noise = torch.Generator().manual_seed(seed)
    words = torch.from_numpy(questions.row_words)
    queries = torch.cat([net.read(part)[0] for part in words.split(4096)])
    num, frames_each = table.frames.shape[:2]
    grid, channels = net.shape.grid, net.shape.channels
    width = channels + 10
    named = torch.empty(len(words), frames_each, 2, width, dtype=torch.float16)
    gripper = torch.empty(num, frames_each, width, dtype=torch.float16)
    changed = torch.empty(num, frames_each, grid * grid // 4, channels, dtype=torch.float16)
    gate: list[npt.NDArray[np.float32]] = []
    order = np.argsort(questions.row_demo, kind="stable")
    bounds = np.searchsorted(questions.row_demo[order], np.arange(num + 1))
    for demo in range(num):
        rows = torch.from_numpy(order[bounds[demo] : bounds[demo + 1]])
        features = net.encode(disturb(to_input(table.frames[demo]), noise))
        named[rows] = _find(net, features, queries[rows], slice(0, GRIPPER)).transpose(0, 1).half()
        gripper[demo] = _find(net, features, queries[rows[:1]], slice(GRIPPER, None))[
            :, 0, 0
        ].half()
        changed[demo] = changes(features[:1], features, grid).half()
        gate.extend(gate_features(f.numpy()) for f in features[demo % 4 :: 4])
    return Looks(named, gripper, changed, words, torch.from_numpy(np.stack(gate)))


def _find(net: Grounding, features_TGC: Tensor, queries_QSK: Tensor, slots: slice) -> Tensor:
    """Ask the same instructions of all frames: what is found in some slots, (T, Q, S, D)."""
    asked = queries_QSK[:, slots].expand(len(features_TGC), -1, -1, -1)
    return net.locate(features_TGC, net.attend(features_TGC, asked, slots=slots))


def train_reward(
    shape: NanoShape,
    looks: Looks,
    questions: Questions,
    *,
    recipe: NanoRecipe,
    validate: Callable[[RewardHead], float],
    log: Log,
) -> tuple[RewardHead, float]:
    """Stage B: from what both ends show to a distribution over the five levels. The grounding half is frozen.

    Returns:
        The head with the least validation error, and that error.
    """
    torch.manual_seed(recipe.seed + 1)
    rng = np.random.default_rng([recipe.seed, 2])
    head = RewardHead(shape)
    optimiser, schedule = _optimiser(head, lr=recipe.reward_lr, steps=recipe.reward_steps)
    best, best_state, running = math.inf, head.state_dict(), 0.0
    every, start = max(1, recipe.reward_steps // 10), time.monotonic()
    for step in range(1, recipe.reward_steps + 1):
        batch = questions.reward_batch(rng, num=recipe.reward_queries, mix=recipe.mix)
        loss = ordinal_loss(looks.ask(head, batch), torch.from_numpy(batch.score))
        _step(optimiser, schedule, loss, head)
        running = 0.98 * running + 0.02 * float(loss.detach())
        if step % every == 0 or step == recipe.reward_steps:
            error = validate(head.eval())
            head.train()
            log(
                f"reward {step}/{recipe.reward_steps}: loss {running / (1 - 0.98**step):.3f}, "
                f"validation MAE {error:.3f}, {time.monotonic() - start:.0f} s"
            )
            if error < best:
                best = error
                best_state = {k: v.clone() for k, v in head.state_dict().items()}
    head.load_state_dict(best_state)
    return head.eval(), best


def ordinal_loss(logits: Tensor, score: Tensor) -> Tensor:
    """Cross-entropy plus the ranked probability score, which knows that 4 is nearer to 5 than 1 is."""
    p = logits.softmax(1).cumsum(1)[:, :4]
    target = (score.unsqueeze(1) <= torch.arange(1, 5)).float()
    ranked = (p - target).square().sum(1).mean()
    return nnf.cross_entropy(logits, score - 1, label_smoothing=0.02) + ranked


def medians(logits: Tensor) -> npt.NDArray[np.int64]:
    """The medians of the distributions, 1..5."""
    below = (logits.softmax(1).cumsum(1) < 0.5).sum(1)
    return np.asarray(below.clamp_max(4) + 1)


def _optimiser(
    net: nn.Module, *, lr: float, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    optimiser = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=1e-3, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=lr, total_steps=steps + 1, pct_start=min(0.3, 10 / steps + 0.05)
    )
    return optimiser, schedule


def _step(
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    loss: Tensor,
    net: nn.Module,
) -> None:
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimiser.step()
    schedule.step()
