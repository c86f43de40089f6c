"""`nano`, the embedded reward model: small, trained in the simulated tabletop world, run without torch.

It compares the last frame with the first one and answers with a distribution over the five levels. It only knows its
own world, and says so: a picture whose features lie outside what it was trained on, or a task with a word that it
never saw, gets the status `abstained`.
"""

import json
import re
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from roboreward.core import (
    ENDS_ONLY,
    SCORES,
    Capability,
    DataError,
    FramePolicy,
    FrameSample,
    Probs,
    Query,
    Score,
    Verdict,
    shorten,
)
from roboreward.models.nano_net import Array, NanoNet, NanoShape, Picture, softmax

INSTEAD = (
    "For other robots and tasks use a vision-language reward model, such as RoboReward-4B or "
    "RoboReward-8B, or a general model behind an API."
)


class NanoCard(BaseModel):
    """What is stored beside the weights: everything that is not a tensor, and how they came to be.

    Attributes:
        version: Name of this set of weights.
        sha256: Digest of the weights file.
        shape: Sizes of the network.
        vocabulary: Words, in the order of their ids from 1.
        gate_limit: Largest distance from the training pictures at which it still answers.
        training: Training record: recipe, seed, commit, numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    sha256: str
    shape: NanoShape
    vocabulary: tuple[str, ...]
    gate_limit: float
    training: dict[str, Any]


class Nano:
    """The embedded reward model. See `load_nano`.

    Args:
        card: What the weights are.
        weights: Tensors by name, float32; besides the network's own, `gate.mean` (D,) and `gate.whiten` (D, D).
        name: The URI it goes by.

    Attributes:
        card, weights: As given; treat as read-only.
    """

    frame_policy: FramePolicy = ENDS_ONLY
    capabilities: frozenset[Capability] = frozenset({"distribution"})

    def __init__(self, card: NanoCard, weights: dict[str, Array], *, name: str = "nano") -> None:
        self.card, self.weights, self.name = card, weights, name
        self.revision = f"{card.version}@{card.sha256[:12]}"
        self._net = NanoNet(card.shape, weights)
        self._gate_mean, self._gate_whiten = weights["gate.mean"], weights["gate.whiten"]
        self._ids = {word: i for i, word in enumerate(card.vocabulary, start=1)}

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        """Answer all queries. A video that is asked about several times in one call is looked at once."""
        by_video: dict[int, list[int]] = {}
        for place, query in enumerate(queries):
            by_video.setdefault(id(query.sample), []).append(place)
        verdicts: dict[int, Verdict] = {}
        for places in by_video.values():
            seen: list[tuple[Picture, Picture]] = []
            verdicts.update({place: self._answer(queries[place], seen) for place in places})
        return [verdicts[place] for place in range(len(queries))]

    def distance(self, frame_HWC: npt.NDArray[np.uint8]) -> float:
        """How far a frame lies from the training pictures (Mahalanobis distance of its features)."""
        return self._distance(self._net.encode(fit_frame(frame_HWC, self.card.shape.size_px)))

    def _answer(self, query: Query, seen: list[tuple[Picture, Picture]]) -> Verdict:
        start = time.perf_counter()
        ends = query.sample.take((0, len(query.sample.frames_THWC) - 1))
        verdict = self._judge(query, ends, seen)
        facts = {
            "model": self.name,
            "revision": self.revision,
            "frames": ends.record,
            "latency_s": time.perf_counter() - start,
        }
        return verdict.model_copy(update=facts)

    def _judge(
        self, query: Query, ends: FrameSample, seen: list[tuple[Picture, Picture]]
    ) -> Verdict:
        words = task_words(query.task)
        if not words:
            return Verdict.without_score("abstained", "The task has no words.")
        unknown = sorted({word for word in words if word not in self._ids})
        if unknown:
            return self._abstain(f"nano does not know: {shorten(', '.join(unknown))}.")
        if len(words) > self.card.shape.max_words:
            return self._abstain(f"The task has over {self.card.shape.max_words} words.")
        if not seen:
            first, last = (fit_frame(f, self.card.shape.size_px) for f in ends.frames_THWC)
            seen.append((self._net.encode(first), self._net.encode(last)))
        pictures = seen[0]
        far = max(self._distance(picture) for picture in pictures)
        if not far <= self.card.gate_limit:
            return self._abstain(
                "The video is not from nano's simulated tabletop world "
                f"(distance {far:.3g}, limit {self.card.gate_limit:.3g})."
            )
        instruction = self._net.read(np.array([self._ids[word] for word in words]))
        probs = softmax(self._net.logits(*pictures, instruction), axis=0).astype(np.float64)
        probs /= probs.sum()
        levels: Probs = tuple(float(p) for p in probs)  # type: ignore[assignment]
        return Verdict.from_probs(levels, source="head", score=median_score(levels))

    def _abstain(self, why: str) -> Verdict:
        return Verdict.without_score("abstained", f"{why} {INSTEAD}")

    def _distance(self, picture: Picture) -> float:
        z = self._gate_whiten @ (gate_features(picture.features_GC) - self._gate_mean)
        return float(np.sqrt((z**2).mean()))


def gate_features(features_GC: Array) -> Array:
    """What the gate looks at, (4C,): of each channel mean, spread, and how much it differs between neighbours."""
    side = round(len(features_GC) ** 0.5)
    cells = features_GC.reshape(side, side, -1)
    mean = _mean(features_GC)
    spread = np.sqrt(_mean((features_GC - mean) ** 2))
    across, down = (
        _mean(np.abs(cells[:, 1:] - cells[:, :-1])),
        _mean(np.abs(cells[1:] - cells[:-1])),
    )
    return np.concatenate([mean, spread, across, down])


def _mean(values: Array) -> Array:
    """Mean over all but the last axis. As a matrix product it costs a tenth of `mean`."""
    flat = values.reshape(-1, values.shape[-1])
    out: Array = np.full(len(flat), 1 / len(flat), np.float32) @ flat
    return out


def median_score(probs: Probs) -> Score:
    """The median of the distribution: the answer with the least expected absolute error."""
    return SCORES[min(4, int(np.searchsorted(np.cumsum(probs), 0.5)))]


def task_words(task: str) -> list[str]:
    """Lower-case words of a task; punctuation separates."""
    return re.findall(r"[a-z0-9]+|[^\x00-\x7f]+", task.lower())


def fit_frame(frame_HWC: npt.NDArray[np.uint8], size_px: int) -> npt.NDArray[np.uint8]:
    """Bring a frame to (size_px, size_px, 3) by averaging over areas; a whole multiple is averaged exactly."""
    height, width = frame_HWC.shape[:2]
    if (height, width) == (size_px, size_px):
        return frame_HWC
    if height == width and height % size_px == 0:
        k = height // size_px
        blocks = frame_HWC.reshape(size_px, k, size_px, k, 3).mean((1, 3))
        return np.asarray(np.rint(blocks), np.uint8)
    from PIL import Image

    picture = Image.fromarray(frame_HWC).resize((size_px, size_px), Image.Resampling.BOX)
    return np.asarray(picture, np.uint8)


def load_nano(folder: Path | None = None, *, name: str | None = None) -> Nano:
    """Load nano.

    Args:
        folder: Holds `nano.safetensors` and `nano.json`; None for the weights that come with the package.
        name: The URI it goes by; None for "nano" or "nano:<folder>".

    Raises:
        DataError: The files are missing, damaged, or do not belong together.
    """
    return _load(folder, name or ("nano" if folder is None else f"nano:{folder}"))


@lru_cache(maxsize=4)
def _load(folder: Path | None, name: str) -> Nano:
    import hashlib

    from safetensors import SafetensorError
    from safetensors.numpy import load

    home = folder or Path(__file__).parent / "weights"
    try:
        card = NanoCard.model_validate(json.loads((home / "nano.json").read_text()))
        blob = (home / "nano.safetensors").read_bytes()
    except (OSError, ValueError) as error:
        raise DataError(f"Cannot read nano's weights in {home}: {shorten(error, 200)}") from error
    if hashlib.sha256(blob).hexdigest() != card.sha256:
        raise DataError(
            f"{home / 'nano.safetensors'} does not match nano.json. Install the package again, or "
            "train again if it is yours."
        )
    try:
        weights = {name: tensor.astype(np.float32) for name, tensor in load(blob).items()}
    except SafetensorError as error:
        raise DataError(f"{home / 'nano.safetensors'} is damaged: {error}") from error
    return Nano(card, weights, name=name)
