"""Intervals: planted truth, shared draws, and where there is none."""

import numpy as np
import pytest

from roboreward.bench import Record
from roboreward.bench.intervals import MIN_GROUPS, Draws, expanded_tail, wilson
from roboreward.bench.metrics import accuracy, count_table, mae
from roboreward.core import Verdict


def record(i: int, *, label: int, score: int, group: str, source: str = "s") -> Record:
    return Record(
        example_id=f"e{i}",
        source=source,
        group=group,
        origin="rollout",
        task="t",
        label=label,
        verdict=Verdict.scored(score),
    )


def planted(rng: np.random.Generator, *, num_groups: int, per_group: int) -> list[Record]:
    """Labels of 1; whole groups lean to small or large errors. True mean error 1.0."""
    records = []
    for g in range(num_groups):
        chance = (0.15, 0.85)[rng.integers(2)]
        for _ in range(per_group):
            score = 3 if rng.random() < chance else 1
            records.append(record(len(records), label=1, score=score, group=f"g{g}"))
    return records


def test_intervals_cover_the_planted_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    num_covered, num_simulations = 0, 120
    for seed in range(num_simulations):
        records = planted(rng, num_groups=40, per_group=3)
        draws = Draws([(r.source, r.group) for r in records], num_draws=500, seed=seed)
        found = draws.estimate(mae, count_table(records, ["s"]), draws.tables(records))
        num_covered += (found.lo or 9) <= 1.0 <= (found.hi or 0)
    assert 0.93 <= num_covered / num_simulations <= 0.97


def test_repeats_of_a_group_do_not_narrow_the_interval() -> None:
    rng = np.random.default_rng(2)
    scores = rng.integers(1, 6, 20)
    once = [record(i, label=3, score=int(s), group=f"g{i}") for i, s in enumerate(scores)]
    often = [
        r.model_copy(update={"example_id": f"{r.example_id}-{k}"}) for r in once for k in range(5)
    ]
    found = []
    for records in (once, often):
        draws = Draws([(r.source, r.group) for r in records])
        found.append(draws.estimate(mae, count_table(records, ["s"]), draws.tables(records)))
    assert found[0] == found[1]


def test_below_ten_groups_there_is_a_number_but_no_interval() -> None:
    records = [record(i, label=1, score=2 + i % 2, group=f"g{i % 9}") for i in range(50)]
    draws = Draws([(r.source, r.group) for r in records])
    found = draws.estimate(mae, count_table(records, ["s"]), draws.tables(records))
    assert (found.value, found.lo, found.hi) == (1.5, None, None)
    assert draws.num_groups == MIN_GROUPS - 1


def test_a_share_that_never_varies_still_has_a_wide_interval() -> None:
    records = [record(i, label=5, score=5, group=f"g{i}") for i in range(20)]
    draws = Draws([(r.source, r.group) for r in records])
    counts, tables = count_table(records, ["s"]), draws.tables(records)
    found = draws.estimate(accuracy, counts, tables, is_share=True)
    assert found.hi == pytest.approx(1.0)
    assert found.lo == pytest.approx(wilson(1.0, 20)[0])
    assert 0.8 < wilson(1.0, 20)[0] < 0.87


def test_sources_keep_their_size_in_every_draw() -> None:
    records = [
        record(i, label=1, score=1, group=f"g{i}", source="a" if i < 6 else "b") for i in range(20)
    ]
    draws = Draws([(r.source, r.group) for r in records], num_draws=50)
    totals = draws.tables(records).sum(axis=(2, 3))
    assert (totals == [6, 14]).all()


def test_sources_of_one_group_each_do_not_pass_for_certain() -> None:
    records = [
        record(i, label=1, score=1 + i % 5, group=f"g{i}", source=f"s{i}") for i in range(12)
    ]
    draws = Draws([(r.source, r.group) for r in records])
    found = draws.estimate(mae, count_table(records, draws.sources), draws.tables(records))
    assert (found.hi or 0) - (found.lo or 9) > 0.5


def test_draws_depend_on_the_seed_and_on_nothing_else() -> None:
    clusters = [("s", f"g{i}") for i in range(15)]
    records = [record(i, label=1, score=1 + i % 5, group=f"g{i}") for i in range(15)]
    one, same = Draws(clusters), Draws(clusters[::-1] * 2)
    assert (one.tables(records) == same.tables(records)).all()
    assert not (one.tables(records) == Draws(clusters, seed=1).tables(records)).all()


def test_few_groups_widen_the_interval_as_students_t_does() -> None:
    # t(0.975, 9) = 2.262157; sqrt(10 / 9) more for the bootstrap's too small variance
    assert expanded_tail(10) == pytest.approx(0.00855, abs=2e-4)
    assert expanded_tail(10_000) == pytest.approx(0.025, abs=1e-4)
