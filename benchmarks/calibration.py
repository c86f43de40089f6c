"""Does calibration find planted truth? Temperature, coverage of the sets of levels, coverage of the intervals of ECE.

    python benchmarks/calibration.py [--sets 200]

Made-up models whose error is known: their probabilities are the true ones at another temperature. Groups have one to
seven rows that depend on each other (one centre, one luck). No video, no model.
"""

import argparse
from pathlib import Path

import numpy as np

from roboreward.bench import (
    Record,
    RunConfig,
    RunResult,
    answers_of,
    fit_calibration,
    report_calibration,
)
from roboreward.bench.calibration_measure import equal_mass_bins
from roboreward.core import FramePolicy, Verdict
from roboreward.models import level_sets, tempered

LEVELS = np.arange(1, 6)
TEMPERATURES = (0.7, 1.0, 1.3, 2.0, 3.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--groups", type=int, default=150)
    args = parser.parse_args()
    print(
        f"{args.sets} sets of {args.groups} groups, one to seven rows each; 90 % sets, 95 % intervals\n\n"
        "| planted T | T found, middle 90 % | truth in the set (new group) | levels in a set | mean ECE | true ECE "
        "| truth in its interval |\n|---|---|---|---|---|---|---|"
    )
    for temperature in TEMPERATURES:
        rng = np.random.default_rng([7, int(10 * temperature)])
        rows = np.array([one_set(rng, temperature, args.groups) for _ in range(args.sets)])
        lo, hi = np.quantile(rows[:, 0], [0.05, 0.95])
        hit, size, ece, truth, is_in = rows[:, 1:].mean(axis=0)
        print(
            f"| {temperature} | {rows[:, 0].mean():.2f} ({lo:.2f} to {hi:.2f}) | {hit:.1%} | {size:.2f} | {ece:.3f} "
            f"| {truth:.3f} | {is_in:.1%} |",
            flush=True,
        )


def one_set(rng: np.random.Generator, temperature: float, num_groups: int) -> list[float]:
    """Return T, whether a new group's row is in its set, that set's size, ECE, the true one, whether it is covered."""
    true_N5, label_N, groups = grouped(rng, num_groups)
    run = run_of(tempered(true_N5, temperature=1 / temperature), label_N, groups)
    calibration, answers = fit_calibration(run), answers_of(run)
    report = report_calibration(answers, calibration, set_name="v", set_hash="v", num_draws=500)
    ece = next(change.before for change in report.changes if change.name == "ece")
    top_N = answers.probs_N5.argmax(axis=1)
    rows = np.arange(len(top_N))
    said_N, true_N = answers.probs_N5[rows, top_N], true_N5[rows, top_N]
    truth = np.abs((said_N - true_N) @ np.eye(10)[equal_mass_bins(said_N)]).sum() / len(rows)
    new_N5, new_label_N, _ = grouped(rng, 1)
    row = rng.integers(len(new_label_N))
    said = tempered(new_N5[row : row + 1], temperature=1 / temperature)
    in_set = level_sets(said, said.argmax(axis=1) + 1, limit=calibration.conformal.limit)[0]
    return [
        calibration.temperature,
        in_set[new_label_N[row] - 1],
        in_set.sum(),
        ece.value,
        truth,
        ece.lo <= truth <= ece.hi,
    ]


def grouped(rng: np.random.Generator, num_groups: int):
    """Return true probabilities (N, 5), labels (N,) and groups; rows of a group share their luck in part."""
    sizes = rng.integers(1, 8, num_groups)
    of_row = np.repeat(np.arange(num_groups), sizes)
    centre = rng.uniform(0.5, 5.5, num_groups)[of_row] + rng.normal(0, 0.3, len(of_row))
    width = rng.uniform(0.7, 1.3, num_groups)[of_row]
    true = np.exp(-((LEVELS[None] - centre[:, None]) ** 2) / (2 * width[:, None] ** 2))
    true /= true.sum(axis=1, keepdims=True)
    luck = np.where(
        rng.random(len(of_row)) < 0.5, rng.random(num_groups)[of_row], rng.random(len(of_row))
    )
    labels = 1 + (luck[:, None] > np.cumsum(true, axis=1)).sum(axis=1).clip(max=4)
    return true, labels, [str(group) for group in of_row]


def run_of(probs_N5, label_N, groups) -> RunResult:
    records = tuple(
        Record(
            example_id=str(i),
            source="s",
            group=group,
            origin="rollout",
            task="t",
            label=int(label),
            verdict=Verdict.from_probs(tuple(map(float, probs)), source="head"),
        )
        for i, (probs, label, group) in enumerate(zip(probs_N5, label_N, groups, strict=True))
    )
    config = RunConfig(
        model="m", revision="r", set_hash="v", set_name="v", frame_policy=FramePolicy()
    )
    return RunResult(Path("nowhere"), config, records, len(records), {})


if __name__ == "__main__":
    main()
