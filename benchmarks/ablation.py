"""The paper's ablation in miniature: what do clips and relabels add to successes and random negatives?

    python benchmarks/ablation.py --out runs/ablation [--seeds 0 1 2] [--arms nano]

For each seed one grounding half is trained; every arm then trains its reward half on the same demonstrations, with the
same number of labelled questions, the same number of steps and so the same compute. What differs is what is asked. All
are tested on organic failures that no arm has seen (`sim-test`), as videos, by `bench`. Intervals are 95 % bootstrap
intervals over scenes; an arm's numbers are means over its seeds, drawn with the same scenes for each seed.

Everything is kept in --out, and the same command goes on after an interruption. Needs the `train` extra.
"""

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np

from roboreward.bench import RunResult, run_bench
from roboreward.dataset import open_set, simulated_words
from roboreward.models import NanoShape, load_model
from roboreward.training import NanoRecipe, QueryMix, read_recipe
from roboreward.training.nano import StageB, demonstrations, grounding, write_nano

ARMS = {
    "successes + random": QueryMix(success=0.5, random=0.5),
    "+ clips": QueryMix(success=0.25, random=0.25, clip=0.5),
    "+ relabels": QueryMix(success=0.15, random=0.1, clip=0.25, relabel=0.5),
    "nano": None,  # the recipe's own mix
}
NUM_DRAWS = 4_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=Path("recipes/nano.toml"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--sets", nargs="+", default=["sim-test"])
    parser.add_argument("--train-only", action="store_true")
    args = parser.parse_args()
    base = read_recipe(args.recipe)
    for seed in args.seeds:
        train_arms(base.model_copy(update={"seed": seed}), args.out, args.arms)
    if args.train_only:
        return
    for name in args.sets:
        print_table(name, evaluate(name, args.out, args.seeds, args.arms), args)


def folder_of(out: Path, seed: int, arm: str) -> Path:
    return out / f"seed-{seed}" / arm.replace("+ ", "plus-").replace(" ", "-")


def train_arms(recipe: NanoRecipe, out: Path, arms: list[str]) -> None:
    """Train the arms of one seed that are not there yet."""
    missing = [a for a in arms if not (folder_of(out, recipe.seed, a) / "nano.json").exists()]
    if not missing:
        return
    train, val = demonstrations(recipe, out, log=print)
    home = out / f"seed-{recipe.seed}"
    home.mkdir(parents=True, exist_ok=True)
    shape = NanoShape(num_words=len(simulated_words()) + 1)
    net = grounding(recipe, home, train, shape=shape, log=print)
    stage_b = StageB.prepare(net, train, val, recipe=recipe)
    for arm in missing:
        start = time.process_time()
        mine = recipe.model_copy(update={"mix": ARMS[arm] or recipe.mix, "ablations": {}})
        head, error = stage_b.train(mine, log=lambda line, arm=arm: print(f"[{arm}] {line}"))
        folder = folder_of(out, recipe.seed, arm)
        folder.mkdir(parents=True, exist_ok=True)
        record = {
            "recipe": mine.model_dump(mode="json"),
            "recipe_hash": mine.recipe_hash,
            "validation_mae": error,
            "reward_cpu_s": round(time.process_time() - start, 1),
        }
        write_nano(folder, net=net, head=head, gate=stage_b.fit_gate(), record=record)


def evaluate(name: str, out: Path, seeds: list[int], arms: list[str]) -> dict[str, list[RunResult]]:
    """Run every trained arm on a set; floors come as one-seed arms."""
    examples = open_set(name, cache=out / "sets")
    runs = {}
    for arm in arms:
        models = [load_model(f"nano:{folder_of(out, seed, arm)}") for seed in seeds]
        runs[arm] = run_bench(examples, models, out / "runs" / name)
    floors = ["floor:constant-3", "floor:constant-5", "floor:text-only", "floor:label-sampler"]
    for floor in floors:
        runs[floor] = run_bench(examples, [floor], out / "runs" / name)
    return runs


def print_table(name: str, runs: dict[str, list[RunResult]], args: argparse.Namespace) -> None:
    first = next(iter(runs.values()))[0]
    groups = sorted({record.group for record in first.records})
    draws = np.random.default_rng(0).integers(len(groups), size=(NUM_DRAWS, len(groups)))
    print(f"\n{name}: {len(groups)} scenes; seeds {args.seeds}; {platform.machine()}\n")
    print(
        "| training questions | MAE | mean of per-level MAEs | per level 1 / 2 / 3 / 4 / 5 | "
        "exact | Spearman | false 4-5 on true 1-2 | abstained |"
    )
    print("|---|---|---|---|---|---|---|---|")
    table = {}
    for arm, results in runs.items():
        table[arm] = row = numbers(results, groups, draws)
        levels = " / ".join(f"{v:.2f}" for v in row["levels"])
        print(
            f"| {arm} | {row['mae']} | {row['macro']} | {levels} | {row['exact']} | "
            f"{row['spearman']} | {row['false_success']} | {row['abstained']:.1%} |"
        )
    (args.out / f"table-{name}.json").write_text(json.dumps(table, indent=1))


def numbers(results: list[RunResult], groups: list[str], draws: np.ndarray) -> dict[str, object]:
    """Means over seeds with intervals over scenes, by the definitions of `bench` (MAE: its `mae_micro`).

    An answer that is none counts as the worst error for its label; it is no false success and has no rank.
    """
    place = {group: i for i, group in enumerate(groups)}
    label, score = np.zeros((2, len(results), len(groups)))
    for s, result in enumerate(results):
        for record in result.records:
            label[s, place[record.group]] = record.label
            score[s, place[record.group]] = record.verdict.score or np.nan
    missing = np.isnan(score)
    worst = np.where(label >= 3, 1, 5)
    error = np.abs(np.where(missing, worst, score) - label)
    score = np.where(missing, 0, score)

    def with_interval(function, form="{:.2f}"):
        point = float(
            np.mean([function(error[s], label[s], score[s]) for s in range(len(results))])
        )
        boot = [
            np.mean([function(error[s, d], label[s, d], score[s, d]) for s in range(len(results))])
            for d in draws
        ]
        lo, hi = np.quantile(boot, [0.025, 0.975])
        return f"{form.format(point)} [{form.format(lo)}, {form.format(hi)}]"

    return {
        "mae": with_interval(lambda e, y, p: e.mean(), "{:.3f}"),
        "macro": with_interval(
            lambda e, y, p: np.mean([e[y == k].mean() for k in range(1, 6)]), "{:.3f}"
        ),
        "levels": [float(error[label == k].mean()) for k in range(1, 6)],
        "exact": with_interval(lambda e, y, p: (e == 0).mean()),
        "spearman": with_interval(spearman, "{:.3f}"),
        "false_success": with_interval(lambda e, y, p: (p[y <= 2] >= 4).mean(), "{:.1%}"),
        "abstained": float(missing.mean()),
        "mae_by_seed": [round(float(e.mean()), 4) for e in error],
    }


def spearman(_error: np.ndarray, label: np.ndarray, score: np.ndarray) -> float:
    """Correlation of average ranks of the scored. Both take five values, so ranks come from counts."""

    def ranks(x: np.ndarray) -> np.ndarray:
        counts = np.bincount(x.astype(int), minlength=6)
        return (np.cumsum(counts) - (counts - 1) / 2)[x.astype(int)]

    a, b = ranks(label[score > 0]), ranks(score[score > 0])
    if not len(a) or a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


if __name__ == "__main__":
    main()
