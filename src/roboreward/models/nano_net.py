"""The network of `nano` in NumPy: what `training/nano_net.py` trains, run without torch.

The two files hold one network; a test holds them to each other. Shapes: G cells, C channels, L words, S slots.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

Array = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


class NanoShape(BaseModel):
    """Sizes of the network.

    Attributes:
        num_words: Size of the vocabulary, with 0 for "no word".
        size_px: Side of the square frames it sees.
        grid: Side of the grid of cells; size_px / 4.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_words: int
    size_px: int = 96
    grid: int = 24
    max_words: int = 20
    word_width: int = 48
    channels: int = 48
    key_width: int = 48
    look_width: int = 16
    change_width: int = 16
    hidden: int = 192


NEARNESS = 32.0
"""Falls to 1/e at 0.18 of half the picture, about 5 cm on the table."""
_STRIDED = ("conv1", "conv2")
_DILATED = ("conv3", "conv4", "conv5")
_WORD_CONVOLUTIONS = ("ground.read1", "ground.read2", "ground.read3", "head.rel1", "head.rel2")


@dataclass(frozen=True)
class Instruction:
    """An instruction that was read: slot queries (S, K) and the relation (2W,)."""

    queries_SK: Array
    relation: Array


@dataclass(frozen=True)
class Picture:
    """A frame that was encoded: features (G, C) and attention keys (G, K)."""

    features_GC: Array
    keys_GK: Array


class NanoNet:
    """The trained network.

    Args:
        shape: Sizes.
        weights: Tensors by the names that the torch modules give them, float32.
    """

    def __init__(self, shape: NanoShape, weights: dict[str, Array]) -> None:
        self.shape = shape
        self._w = weights
        self._kernels = {name: _kernel(name, weights) for name in _STRIDED + _DILATED}
        self._word_kernels = {
            name: np.ascontiguousarray(weights[f"{name}.weight"].transpose(2, 1, 0)).reshape(
                -1, shape.word_width
            )
            for name in _WORD_CONVOLUTIONS
        }

    @cached_property
    def _cell_xy(self) -> Array:
        return cell_centres(self.shape.grid)

    @cached_property
    def _block_xy(self) -> Array:
        return cell_centres(self.shape.grid // 2)

    def encode(self, frame_HWC: npt.NDArray[np.uint8]) -> Picture:
        """Encode one frame, uint8 RGB (96, 96, 3)."""
        x = frame_HWC.astype(np.float32) / 127.5 - 1.0
        x = self._halve("conv1", x)
        x = self._halve("conv2", x)
        x = self._convolve("conv3", x)
        x += self._convolve("conv4", x, dilation=2)
        x += self._convolve("conv5", x, dilation=4)
        features = x.reshape(-1, x.shape[-1])
        return Picture(features, self._linear("ground.key", features))

    def read(self, words_L: Ids) -> Instruction:
        """Read word ids (L,), L <= max_words, none of them 0."""
        w = self._w
        embedded = w["ground.words.weight"][words_L]
        h = embedded + w["ground.places"][: len(words_L)]
        for name in ("read1", "read2", "read3"):
            h = h + self._convolve_words(f"ground.{name}", h)
        pick = softmax(self._linear("ground.pick", h), axis=0)
        queries = self._linear("ground.query", pick.T @ embedded)
        return Instruction(
            np.concatenate([queries, w["ground.gripper_query"][None]]), self._relation(words_L)
        )

    def logits(self, first: Picture, last: Picture, instruction: Instruction) -> Array:
        """Five logits for a first frame, a last frame and an instruction."""
        found = [self._locate(picture, instruction) for picture in (first, last)]
        channels = self.shape.channels
        looks = [
            np.concatenate([self._linear("head.look", f[:, :channels]), f[:, channels:]], 1).ravel()
            for f in found
        ]
        changed = self._unexplained(found, self._changes(first, last))
        x = np.concatenate([*looks, _geometry(found[0][:, -4:], found[1][:, -4:]), changed])
        scale, shift = np.split(self._linear("head.film", instruction.relation), 2)
        h = relu(self._linear("head.fc1", x) * (1 + scale) + shift)
        h = h + relu(self._linear("head.fc2", h))
        return self._linear("head.out", relu(self._linear("head.fc3", h)))

    def _relation(self, words_L: Ids) -> Array:
        h = self._w["head.words.weight"][words_L]
        for name in ("rel1", "rel2"):
            h = h + self._convolve_words(f"head.{name}", h)
        # Training pads short instructions with zeros, which a maximum over the words sees too.
        top = h.max(0) if len(words_L) == self.shape.max_words else np.maximum(h.max(0), 0)
        return np.concatenate([h.mean(0), top])

    def _locate(self, picture: Picture, instruction: Instruction) -> Array:
        logits = instruction.queries_SK @ picture.keys_GK.T * self.shape.key_width**-0.5
        probs = softmax(np.concatenate([logits, self._w["ground.absent"][:, None]], 1), axis=1)
        p, missing = probs[:, :-1], probs[:, -1:]
        weight = p / (p.sum(1, keepdims=True) + 1e-6)
        centre = weight @ self._cell_xy
        spread = np.maximum(weight @ self._cell_xy**2 - centre**2, 0)
        peak = weight.max(1, keepdims=True)
        seen = np.concatenate([weight @ picture.features_GC, centre, spread, peak, missing], 1)
        world = self._linear("ground.locate2", relu(self._linear("ground.locate1", seen)))
        return np.concatenate([seen, world], 1)

    def _changes(self, first: Picture, last: Picture) -> Array:
        half, channels = self.shape.grid // 2, self.shape.channels
        diff = np.abs(last.features_GC - first.features_GC)
        blocks = diff.reshape(half, 2, half, 2, channels).max((1, 3))
        return np.asarray(blocks.reshape(-1, channels))

    def _unexplained(self, found: list[Array], changes_HC: Array) -> Array:
        at = self.shape.channels
        centres = np.concatenate(found)[:, at : at + 2]
        offsets = self._block_xy[:, None] - centres[None]
        near = np.exp(-(offsets**2).sum(2) * NEARNESS)
        blocks = np.concatenate([self._linear("head.change", changes_HC), near], 1)
        blocks = relu(self._linear("head.changed", blocks))
        return np.concatenate([blocks.max(0), blocks.mean(0)])

    def _linear(self, name: str, x: Array) -> Array:
        out: Array = x @ self._w[f"{name}.weight"].T + self._w[f"{name}.bias"]
        return out

    def _halve(self, name: str, x_HWC: Array) -> Array:
        """A 4 x 4 convolution of stride 2: a 2 x 2 one over blocks of 2 x 2 pixels."""
        x = _pad(x_HWC, 1)
        side, channels = x.shape[0] // 2, x.shape[2]
        blocks = x.reshape(side, 2, side, 2, channels).transpose(0, 2, 1, 3, 4)
        return self._multiply(name, blocks.reshape(side, side, 4 * channels), size=2, dilation=1)

    def _convolve(self, name: str, x_HWC: Array, *, dilation: int = 1) -> Array:
        """A 3 x 3 convolution that keeps the size."""
        return self._multiply(name, _pad(x_HWC, dilation), size=3, dilation=dilation)

    def _multiply(self, name: str, x_HWC: Array, *, size: int, dilation: int) -> Array:
        # Only the columns are gathered: rows of the gathered array are contiguous, so each row of the kernel is one
        # matrix product on a slice. That copies a third of what gathering whole patches would.
        kernel = self._kernels[name]
        side = x_HWC.shape[0] - dilation * (size - 1)
        columns = np.concatenate(
            [x_HWC[:, i * dilation : i * dilation + side] for i in range(size)], axis=2
        )
        width = columns.shape[2]
        out: Array = columns[:side].reshape(-1, width) @ kernel[0]
        part = np.empty_like(out)
        for i in range(1, size):
            rows = columns[i * dilation : i * dilation + side].reshape(-1, width)
            out += np.matmul(rows, kernel[i], out=part)
        out += self._w[f"ground.{name}.bias"]
        np.maximum(out, 0, out=out)
        cells: Array = out.reshape(side, side, -1)
        return cells

    def _convolve_words(self, name: str, h_LW: Array) -> Array:
        kernel = self._word_kernels[name]
        num, width = h_LW.shape
        size = len(kernel) // width
        x = np.zeros((num + size - 1, width), np.float32)
        x[size // 2 : size // 2 + num] = h_LW
        windows = np.concatenate([x[i : i + num] for i in range(size)], axis=1)
        return relu(windows @ kernel + self._w[f"{name}.bias"])


def _kernel(name: str, weights: dict[str, Array]) -> Array:
    """Kernel rows as matrices, (rows, columns * inputs, outputs)."""
    kernel = weights[f"ground.{name}.weight"].transpose(2, 3, 1, 0)
    rows, columns, num_in, num_out = kernel.shape
    if name in _STRIDED:
        kernel = kernel.reshape(2, 2, 2, 2, num_in, num_out).transpose(0, 2, 1, 3, 4, 5)
        rows, columns, num_in = 2, 2, 4 * num_in
    return np.ascontiguousarray(kernel).reshape(rows, columns * num_in, num_out)


def _pad(x_HWC: Array, width: int) -> Array:
    # np.pad does the same at several times the cost, which shows at this size.
    side, _, channels = x_HWC.shape
    out = np.zeros((side + 2 * width, side + 2 * width, channels), np.float32)
    out[width:-width, width:-width] = x_HWC
    return out


def cell_centres(grid: int) -> Array:
    """Cell centres in [-1, 1], (grid * grid, 2) as (x right, y down), row by row."""
    line = (np.arange(grid, dtype=np.float32) + 0.5) / grid * 2 - 1
    y, x = np.meshgrid(line, line, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], 1)


def relu(x: Array) -> Array:
    """Zero what is negative."""
    return np.maximum(x, 0)


def softmax(x: Array, *, axis: int) -> Array:
    """Exponentials that add up to 1 along `axis`."""
    e = np.exp(x - x.max(axis, keepdims=True))
    return np.asarray(e / e.sum(axis, keepdims=True))


def _geometry(first_S4: Array, last_S4: Array) -> Array:
    a, b = first_S4[:, :3] * 10, last_S4[:, :3] * 10
    offsets = np.stack([b[0] - a[0], b[1] - a[1], a[0] - a[1], b[0] - b[1], b[0] - b[2]])
    lengths = np.sqrt((offsets[:, :2] ** 2).sum(1) + 1e-4)
    return np.concatenate([offsets.ravel(), lengths]).astype(np.float32)
