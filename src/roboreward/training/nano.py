"""Training nano from nothing: demonstrations, grounding, reward, gate, and the files that inference reads."""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from roboreward import __version__
from roboreward.core import StoreError, UsageError
from roboreward.dataset import DemoTable, load_demos, save_demos, simulate_demos, simulated_words
from roboreward.models import Nano, NanoCard, NanoShape, load_nano
from roboreward.store import write_atomic, write_json
from roboreward.training.nano_net import Grounding, RewardHead
from roboreward.training.nano_train import (
    Looks,
    look_at,
    medians,
    train_grounding,
    train_reward,
)
from roboreward.training.questions import Questions, RewardBatch
from roboreward.training.recipe import NanoRecipe, QueryMix

VERSION = "nano-v1"
VAL_FIRST_INDEX = 1_000_000
"""Validation demonstrations have indices of their own, far from those of training."""
VAL_QUESTIONS = 3_000
VAL_SEED = 20_260_101
GATE_QUANTILE = 0.995
"""The gate's limit is this quantile of the distances of validation frames."""

Log = Callable[[str], None]
Floats = npt.NDArray[np.floating[Any]]


def train_nano(recipe: NanoRecipe, out: Path, *, log: Log, commit: str | None = None) -> NanoCard:
    """Train nano into a folder. A run that was stopped goes on after its last finished stage.

    Args:
        recipe: What to do.
        out: Receives `nano.safetensors`, `nano.json`, a folder of the same files for each ablation, and the finished
            stages.
        log: Called with one line at a time.
        commit: Commit of the code, for the training record.

    Returns:
        The card that was written.

    Raises:
        StoreError: The folder holds stages of another recipe.
    """
    start_cpu, start = _cpu_s(), time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    begun, is_resumed = _claim(out, recipe, commit=commit)
    torch.set_num_threads(recipe.num_workers or os.cpu_count() or 1)
    missing = [name for name in recipe.mixes if not (out / name / "nano.json").exists()]
    if missing:
        train, val = demonstrations(recipe, out, log=log)
        shape = NanoShape(num_words=len(simulated_words()) + 1)
        net = grounding(recipe, out, train, shape=shape, log=log)
        stage_b = StageB.prepare(net, train, val, recipe=recipe)
        log(f"looked at all frames, {time.monotonic() - start:.0f} s since the start")
    for name in missing:
        if name:
            start_cpu, start = _cpu_s(), time.monotonic()
        mine = recipe.model_copy(update={"mix": recipe.mixes[name], "ablations": {}})
        head, error = stage_b.train(mine, log=_titled(log, name))
        record = {
            **_record(recipe if not name else mine, net, head, error),
            "commit": begun,
            "commit_at_end": commit,
            # Of an ablation: its own reward half. A resumed run does not know what its earlier processes took.
            "wall_s": None if is_resumed else round(time.monotonic() - start, 1),
            "cpu_s": None if is_resumed else round(_cpu_s() - start_cpu, 1),
        }
        folder = out / name
        folder.mkdir(exist_ok=True)
        gate = given_gate(recipe) if recipe.ground_from else stage_b.fit_gate()
        write_nano(folder, net=net, head=head, gate=gate, record=record)
    return NanoCard.model_validate(json.loads((out / "nano.json").read_text()))


def _titled(log: Log, name: str) -> Log:
    return (lambda line: log(f"{name}: {line}")) if name else log


def _record(
    recipe: NanoRecipe, net: Grounding, head: RewardHead, error: float
) -> dict[str, object]:
    return {
        "recipe": recipe.model_dump(mode="json"),
        "recipe_hash": recipe.recipe_hash,
        "package": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "validation_mae": round(error, 4),
        "validation_set": "successes, clips and relabels of held-out scenes, levels equally often",
        "parameters": sum(p.numel() for m in (net, head) for p in m.parameters()),
        "grounding": _given(recipe).revision if recipe.ground_from else "trained by this recipe",
        "privileged": "Stage A learns from simulator positions; it stands in for a VLM's pre-training.",
    }


def demonstrations(recipe: NanoRecipe, out: Path, *, log: Log) -> tuple[DemoTable, DemoTable]:
    """Simulate the training and validation demonstrations, or read them back."""
    tables = []
    for name, num, num_two_task, first in (
        ("train", recipe.num_demos, recipe.num_two_task, 0),
        ("val", recipe.num_val, recipe.num_val // 5, VAL_FIRST_INDEX),
    ):
        folder = out / f"demos-{name}"
        table = load_demos(folder)
        if table is None:
            start = time.monotonic()
            table = simulate_demos(
                num,
                num_two_task=num_two_task,
                first_index=first,
                num_workers=recipe.num_workers or None,
            )
            save_demos(folder, table)
            log(
                f"{len(table.frames)} {name} demonstrations simulated in {time.monotonic() - start:.0f} s"
            )
        tables.append(table)
    return tables[0], tables[1]


def grounding(
    recipe: NanoRecipe, out: Path, train: DemoTable, *, shape: NanoShape, log: Log
) -> Grounding:
    """Run stage A, or read its result back, or take it from another nano as the recipe says."""
    if recipe.ground_from:
        weights = _given(recipe).weights
        folded = {
            k.removeprefix("ground."): torch.from_numpy(v)
            for k, v in weights.items()
            if k.startswith("ground.")
        }
        return Grounding.from_folded(shape, folded)
    path = out / "grounding.safetensors"
    if path.exists():
        net = Grounding(shape)
        net.load_state_dict(load_tensors(path.read_bytes()))
        return net.eval()
    net = train_grounding(_questions(train, recipe), shape=shape, recipe=recipe, log=log)
    write_atomic(path, save_tensors(_tensors(net)))
    return net


def given_gate(recipe: NanoRecipe) -> dict[str, Tensor | float]:
    """Take the gate of the nano that the recipe takes its grounding half from."""
    given = _given(recipe)
    tensors = {k: torch.from_numpy(given.weights[f"gate.{k}"]) for k in ("mean", "whiten")}
    return {**tensors, "limit": given.card.gate_limit}


def _given(recipe: NanoRecipe) -> Nano:
    """The nano whose grounding half the recipe takes."""
    nano = load_nano(None if recipe.ground_from == "nano" else Path(recipe.ground_from))
    shape = NanoShape(num_words=len(simulated_words()) + 1)
    if nano.card.shape != shape or nano.card.vocabulary != simulated_words():
        raise UsageError(
            f"ground_from = {recipe.ground_from!r}: that nano has other sizes or words than this version trains."
        )
    return nano


@dataclass(frozen=True)
class StageB:
    """Stage B made ready: what one grounding half found, from which any number of reward halves is trained."""

    shape: NanoShape
    train_table: DemoTable
    looks: Looks
    val_looks: Looks
    val_batch: RewardBatch

    @classmethod
    def prepare(
        cls, net: Grounding, train: DemoTable, val: DemoTable, *, recipe: NanoRecipe
    ) -> "StageB":
        """Run the grounding half over training and validation frames.

        Validation questions are the same for every recipe: levels equally often, of held-out scenes.
        """
        val_questions = _questions(val, recipe.model_copy(update={"only_agreeing_clips": False}))
        mix = QueryMix(success=0.1, clip=0.25, relabel=0.35, relabelled_clip=0.15, two_tasks=0.15)
        rng = np.random.default_rng(VAL_SEED)
        return cls(
            net.shape,
            train,
            look_at(net, train, _questions(train, recipe), seed=recipe.seed),
            look_at(net, val, val_questions, seed=recipe.seed),
            val_questions.reward_batch(rng, num=VAL_QUESTIONS, mix=mix),
        )

    def train(self, recipe: NanoRecipe, *, log: Log) -> tuple[RewardHead, float]:
        """Train a reward half; returns the one with the least validation error (mean of the levels' MAEs), and that."""
        questions = _questions(self.train_table, recipe)
        return train_reward(
            self.shape, self.looks, questions, recipe=recipe, validate=self._error, log=log
        )

    def fit_gate(self) -> dict[str, Tensor | float]:
        """Fit the gate to what the grounding half saw."""
        return fit_gate(self.looks.gate.numpy(), self.val_looks.gate.numpy())

    def _error(self, head: RewardHead) -> float:
        with torch.inference_mode():
            found = medians(self.val_looks.ask(head, self.val_batch))
        score = self.val_batch.score
        return float(np.mean([np.abs(found - score)[score == s].mean() for s in range(1, 6)]))


def fit_gate(seen: Floats, held_out: Floats) -> dict[str, Tensor | float]:
    """Fit a Gaussian to gate features (n, 4C) of training frames; the limit comes from held-out scenes."""
    seen, held_out = seen.astype(np.float64), held_out.astype(np.float64)
    mean = seen.mean(0)
    cov = np.cov((seen - mean).T) + 1e-5 * np.eye(seen.shape[1])
    whiten = np.linalg.inv(np.linalg.cholesky(cov))
    distances = np.sqrt((((held_out - mean) @ whiten.T) ** 2).mean(1))
    return {
        "mean": torch.tensor(mean, dtype=torch.float32),
        "whiten": torch.tensor(whiten, dtype=torch.float32),
        "limit": float(np.quantile(distances, GATE_QUANTILE)),
    }


def write_nano(
    out: Path,
    *,
    net: Grounding,
    head: RewardHead,
    gate: dict[str, Tensor | float],
    record: dict[str, Any],
) -> NanoCard:
    """Write `nano.safetensors` (float16 but for the gate) and `nano.json`, the latter last."""
    tensors = {f"ground.{k}": v.half().contiguous() for k, v in net.folded().items()}
    tensors |= {f"head.{k}": v.half() for k, v in _tensors(head).items()}
    for name in ("mean", "whiten"):
        value = gate[name]
        assert isinstance(value, Tensor)
        tensors[f"gate.{name}"] = value.contiguous()
    blob = save_tensors(tensors)
    write_atomic(out / "nano.safetensors", blob)
    limit = gate["limit"]
    assert isinstance(limit, float)
    card = NanoCard(
        version=VERSION,
        sha256=hashlib.sha256(blob).hexdigest(),
        shape=net.shape,
        vocabulary=simulated_words(),
        gate_limit=limit,
        training=record,
    )
    write_json(out / "nano.json", card.model_dump(mode="json"))
    return card


def _questions(table: DemoTable, recipe: NanoRecipe) -> Questions:
    return Questions(
        table,
        vocabulary=simulated_words(),
        max_words=NanoShape.model_fields["max_words"].default,
        only_agreeing_clips=recipe.only_agreeing_clips,
    )


def _tensors(net: torch.nn.Module) -> dict[str, Tensor]:
    return {k: v.detach().clone().contiguous() for k, v in net.state_dict().items()}


def _claim(out: Path, recipe: NanoRecipe, *, commit: str | None) -> tuple[str | None, bool]:
    """Make the folder this recipe's; returns the commit that it was begun at, and whether it was there before."""
    path = out / "recipe.json"
    mine = {"recipe_hash": recipe.recipe_hash, "package": __version__}
    if recipe.ground_from:
        mine["ground_from_revision"] = _given(recipe).revision
    if not path.exists():
        write_json(path, {**mine, "commit": commit, **recipe.model_dump(mode="json")})
        return commit, False
    found = json.loads(path.read_text())
    for key, value in mine.items():
        if found.get(key) != value:
            raise StoreError(
                f"{out} holds a run of another recipe or version ({key} {found.get(key)}, not {value}). "
                "Choose another --out."
            )
    return found.get("commit"), True


def _cpu_s() -> float:
    """CPU seconds of this process and of its finished workers."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
