"""The network of `nano` in torch, for training. `models/nano_net.py` runs the same network in NumPy.

Shapes: F frames, Q instructions a frame, B questions, C channels, G = 24 x 24 cells of a frame, H = 12 x 12 blocks of
cells, L words, S slots (subject, reference, gripper), D numbers about a slot.

The network has two halves that are trained one after the other. The grounding half finds things: a small
convolutional encoder, a reader that picks the words of the subject and of the reference out of the instruction, and
attention from those words over the cells of a frame, from which the thing's place in the world is read. The reward half
compares the first with the last frame and gives five logits. The grounding half is frozen while it is trained, as
the vision tower of the published models is.
"""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

from roboreward.models import NanoShape

SUBJECT, REFERENCE, GRIPPER = 0, 1, 2
NUM_SLOTS: Final = 3
NEARNESS: Final = 32.0
"""Falls to 1/e at 0.18 of half the picture, about 5 cm on the table."""


class Grounding(nn.Module):
    """Frames and words to places. Trained in stage A from simulator positions, without outcome labels."""

    def __init__(self, shape: NanoShape) -> None:
        super().__init__()
        self.shape = shape
        width, channels = shape.word_width, shape.channels
        self.conv1 = nn.Conv2d(3, channels // 2, 4, 2, 1)
        self.conv2 = nn.Conv2d(channels // 2, channels, 4, 2, 1)
        self.conv3 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.conv4 = nn.Conv2d(channels, channels, 3, 1, 2, 2)
        self.conv5 = nn.Conv2d(channels, channels, 3, 1, 4, 4)
        sizes = (channels // 2, channels, channels, channels, channels)
        self.norms = nn.ModuleList(nn.BatchNorm2d(size) for size in sizes)
        self.key = nn.Linear(channels, shape.key_width)
        self.words = nn.Embedding(shape.num_words, width, padding_idx=0)
        self.places = nn.Parameter(torch.randn(shape.max_words, width) * 0.1)
        self.read1 = nn.Conv1d(width, width, 5, padding=2)
        self.read2 = nn.Conv1d(width, width, 5, padding=2)
        self.read3 = nn.Conv1d(width, width, 5, padding=2)
        self.pick = nn.Linear(width, 2)
        self.query = nn.Linear(width, shape.key_width)
        self.gripper_query = nn.Parameter(torch.randn(shape.key_width) * 0.1)
        self.absent = nn.Parameter(torch.zeros(NUM_SLOTS))
        self.locate1 = nn.Linear(channels + 6, 96)
        self.locate2 = nn.Linear(96, 4)
        self.register_buffer("cell_xy", cell_centres(shape.grid), persistent=False)
        self.cell_xy: Tensor

    def encode(self, frames_BCHW: Tensor) -> Tensor:
        """Frames as floats in [-1, 1], (B, 3, 96, 96), to features (B, G, C)."""
        x = torch.relu(self.norms[0](self.conv1(frames_BCHW)))
        x = torch.relu(self.norms[1](self.conv2(x)))
        x = torch.relu(self.norms[2](self.conv3(x)))
        x = x + torch.relu(self.norms[3](self.conv4(x)))
        x = x + torch.relu(self.norms[4](self.conv5(x)))
        return x.flatten(2).transpose(1, 2)

    def folded(self) -> dict[str, Tensor]:
        """Weights for inference: the normalisation of each convolution is folded into it."""
        tensors = {
            k: v.detach() for k, v in self.state_dict().items() if not k.startswith("norms.")
        }
        for i, norm in enumerate(self.norms, start=1):
            assert isinstance(norm, nn.BatchNorm2d)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            scale = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
            shift = norm.bias.detach() - norm.running_mean * scale
            tensors[f"conv{i}.weight"] = tensors[f"conv{i}.weight"] * scale.view(-1, 1, 1, 1)
            tensors[f"conv{i}.bias"] = tensors[f"conv{i}.bias"] * scale + shift
        return tensors

    @classmethod
    def from_folded(cls, shape: NanoShape, folded: dict[str, Tensor]) -> "Grounding":
        """Make the half that gave these `folded` weights: it computes the same, with normalisations that do nothing."""
        net = cls(shape)
        for norm in net.norms:
            assert isinstance(norm, nn.BatchNorm2d)
            assert norm.running_var is not None
            norm.running_var.fill_(1.0 - norm.eps)
        net.load_state_dict({**net.state_dict(), **folded})
        return net.eval()

    def read(self, words_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Word ids (B, L), 0 = no word, to slot queries (B, S, K) and word states (B, L, W)."""
        is_word = (words_BL > 0).unsqueeze(1)
        embedded = self.words(words_BL)
        h = (embedded + self.places).transpose(1, 2) * is_word
        for layer in (self.read1, self.read2, self.read3):
            h = (h + torch.relu(layer(h))) * is_word
        h = h.transpose(1, 2)
        pick = self.pick(h).masked_fill(words_BL.unsqueeze(2) == 0, -1e4)
        named = torch.einsum("bls,blw->bsw", pick.softmax(1), embedded)
        gripper = self.gripper_query.expand(words_BL.shape[0], 1, -1)
        return torch.cat([self.query(named), gripper], 1), h

    def attend(
        self, features_FGC: Tensor, queries_FQSK: Tensor, *, slots: slice = slice(None)
    ) -> Tensor:
        """Log-probabilities over the cells and "not in the picture", (F, Q, S, G + 1), for Q instructions a frame.

        `slots` says which of the three the queries are for.
        """
        keys = self.key(features_FGC)
        flat = queries_FQSK.flatten(1, 2)
        logits = (flat @ keys.transpose(1, 2)).unflatten(1, queries_FQSK.shape[1:3])
        logits = logits * self.shape.key_width**-0.5
        absent = self.absent[slots].expand(*logits.shape[:3]).unsqueeze(3)
        return torch.cat([logits, absent], 3).log_softmax(3)

    def locate(self, features_FGC: Tensor, logp: Tensor) -> Tensor:
        """What was found in each slot, (F, Q, S, D).

        D holds the pooled features (C), six statistics of the attention (centre, spread, peak, "not in the picture"),
        and last x, y, z in metres and a logit of being held.
        """
        p = logp[..., :-1].exp()
        missing = logp[..., -1:].exp()
        weight = p / (p.sum(3, keepdim=True) + 1e-6)
        pooled = (weight.flatten(1, 2) @ features_FGC).unflatten(1, weight.shape[1:3])
        centre = weight @ self.cell_xy
        spread = (weight @ self.cell_xy**2 - centre**2).clamp_min(0)
        peak = weight.amax(3, keepdim=True)
        seen = torch.cat([pooled, centre, spread, peak, missing], 3)
        return torch.cat([seen, self.locate2(torch.relu(self.locate1(seen)))], 3)


def changes(first_FGC: Tensor, last_FGC: Tensor, grid: int) -> Tensor:
    """Where features changed between two frames: |difference|, the most in each block of cells, (F, H, C)."""
    diff = (last_FGC - first_FGC).abs().transpose(1, 2).unflatten(2, (grid, grid))
    return nnf.max_pool2d(diff, 2).flatten(2).transpose(1, 2)


def cell_centres(grid: int) -> Tensor:
    """Cell centres in [-1, 1], (G, 2) as (x right, y down), row by row."""
    line = (torch.arange(grid) + 0.5) / grid * 2 - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)


class RewardHead(nn.Module):
    """What both frames show about the subject, the reference and the gripper, to five logits. Stage B."""

    def __init__(self, shape: NanoShape) -> None:
        super().__init__()
        width = shape.word_width
        self.words = nn.Embedding(shape.num_words, width, padding_idx=0)
        self.rel1 = nn.Conv1d(width, width, 3, padding=1)
        self.rel2 = nn.Conv1d(width, width, 3, padding=1)
        self.look = nn.Linear(shape.channels, shape.look_width)
        self.change = nn.Linear(shape.channels, shape.change_width)
        self.changed = nn.Linear(shape.change_width + 2 * NUM_SLOTS, shape.change_width)
        num_inputs = 2 * NUM_SLOTS * (shape.look_width + 10) + 20 + 2 * shape.change_width
        self.fc1 = nn.Linear(num_inputs, shape.hidden)
        self.film = nn.Linear(2 * width, 2 * shape.hidden)
        self.fc2 = nn.Linear(shape.hidden, shape.hidden)
        self.fc3 = nn.Linear(shape.hidden, shape.hidden // 2)
        self.out = nn.Linear(shape.hidden // 2, 5)
        self.num_channels = shape.channels
        self.register_buffer("block_xy", cell_centres(shape.grid // 2), persistent=False)
        self.block_xy: Tensor

    def relation(self, words_BL: Tensor) -> Tensor:
        """What is asked, (B, 2W)."""
        is_word = (words_BL > 0).unsqueeze(1)
        h = self.words(words_BL).transpose(1, 2)
        h = (h + torch.relu(self.rel1(h))) * is_word
        h = (h + torch.relu(self.rel2(h))) * is_word
        mean = h.sum(2) / is_word.sum(2).clamp_min(1)
        return torch.cat([mean, h.amax(2)], 1)

    def forward(
        self, words_BL: Tensor, first_BSD: Tensor, last_BSD: Tensor, changes_BHC: Tensor
    ) -> Tensor:
        """Five logits (B, 5), from what `Grounding.locate` found in both frames and from `changes` between them."""
        channels = self.num_channels
        looks = [
            torch.cat([self.look(found[..., :channels]), found[..., channels:]], 2).flatten(1)
            for found in (first_BSD, last_BSD)
        ]
        x = torch.cat(
            [
                *looks,
                geometry(first_BSD[..., -4:], last_BSD[..., -4:]),
                self._unexplained(first_BSD, last_BSD, changes_BHC),
            ],
            1,
        )
        scale, shift = self.film(self.relation(words_BL)).chunk(2, 1)
        h = torch.relu(self.fc1(x) * (1 + scale) + shift)
        h = h + torch.relu(self.fc2(h))
        return self.out(torch.relu(self.fc3(h)))

    def _unexplained(self, first_BSD: Tensor, last_BSD: Tensor, changes_BHC: Tensor) -> Tensor:
        """Changes, each seen with its nearness to the things that the instruction names."""
        at = self.num_channels
        centres = torch.cat([first_BSD, last_BSD], 1)[..., at : at + 2]
        offsets = self.block_xy[None, :, None] - centres[:, None]
        near = torch.exp(-offsets.square().sum(3) * NEARNESS)
        blocks = torch.relu(self.changed(torch.cat([self.change(changes_BHC), near], 2)))
        return torch.cat([blocks.amax(1), blocks.mean(1)], 1)


def geometry(first_BS4: Tensor, last_BS4: Tensor) -> Tensor:
    """Offsets between things in decimetres, and their lengths, (B, 20)."""
    a, b = first_BS4[..., :3] * 10, last_BS4[..., :3] * 10
    offsets = [
        b[:, SUBJECT] - a[:, SUBJECT],
        b[:, REFERENCE] - a[:, REFERENCE],
        a[:, SUBJECT] - a[:, REFERENCE],
        b[:, SUBJECT] - b[:, REFERENCE],
        b[:, SUBJECT] - b[:, GRIPPER],
    ]
    lengths = [(o[:, :2].square().sum(1, keepdim=True) + 1e-4).sqrt() for o in offsets]
    return torch.cat([*offsets, *lengths], 1)
