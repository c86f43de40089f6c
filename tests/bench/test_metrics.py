"""Metrics against hand-worked cases and a plain second implementation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roboreward.bench import metrics
from roboreward.bench.metrics import METRICS, count_table

Make = Callable[..., Any]


def value(make_result: Make, name: str, rows: list[tuple[Any, ...]]) -> float:
    records = make_result(rows).records
    return float(METRICS[name](count_table(records, sorted({r.source for r in records}))))


def test_an_invalid_answer_costs_the_worst_error_of_its_label(make_result: Make) -> None:
    for label, cost in zip(range(1, 6), (4, 3, 2, 3, 4), strict=True):
        assert value(make_result, "mae", [(label, None)]) == cost
        assert value(make_result, "mae_author", [(label, "unparsed")]) == 4


def test_the_three_views_differ_only_by_the_invalid_answers(make_result: Make) -> None:
    rows = [(3, 3), (3, 4), (2, "refused")]
    assert value(make_result, "mae_scored", rows) == pytest.approx(0.5)
    assert value(make_result, "mae", rows) == pytest.approx((0 + 1 + 3) / 3)
    assert value(make_result, "mae_author", rows) == pytest.approx((0 + 1 + 4) / 3)
    assert value(make_result, "coverage", rows) == pytest.approx(2 / 3)


def test_a_failed_call_is_in_no_number(make_result: Make) -> None:
    rows = [(3, 4), (1, "failed")]
    assert value(make_result, "mae", rows) == 1
    assert value(make_result, "coverage", rows) == 1
    assert np.isnan(value(make_result, "mae", [(1, "failed")]))


def test_the_headline_weighs_sources_and_not_rows(make_result: Make) -> None:
    rows = [(5, 5, "big", f"g{i}") for i in range(9)] + [(5, 1, "small", "x")]
    assert value(make_result, "mae", rows) == pytest.approx(2.0)
    assert value(make_result, "mae_micro", rows) == pytest.approx(0.4)


def test_levels_weigh_the_same_however_often_they_occur(make_result: Make) -> None:
    rows = [(5, 5)] * 8 + [(1, 3)] * 2
    assert value(make_result, "mae_levels", rows) == pytest.approx(1.0)


def test_false_success_looks_at_low_labels_only(make_result: Make) -> None:
    rows = [(1, 4), (2, 5), (2, 3), (1, None), (3, 5), (5, 5)]
    assert value(make_result, "false_success", rows) == pytest.approx(0.5)
    assert np.isnan(value(make_result, "false_success", [(5, 5)]))


def test_shares_count_an_invalid_answer_as_wrong(make_result: Make) -> None:
    rows = [(2, 2), (2, 3), (2, 5), (2, None)]
    assert value(make_result, "accuracy", rows) == pytest.approx(0.25)
    assert value(make_result, "within_one", rows) == pytest.approx(0.5)


def average_ranks(values: np.ndarray) -> np.ndarray:
    return np.array([(values < v).sum() + ((values == v).sum() + 1) / 2 for v in values])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 6)), min_size=1, max_size=40))
def test_numbers_agree_with_a_plain_computation_on_rows(rows: list[tuple[int, int]]) -> None:
    labels, answers = np.array(rows).T
    counts = np.zeros((1, 5, 6))
    np.add.at(counts, (0, labels - 1, answers - 1), 1)
    errors = np.where(answers == 6, np.maximum(5 - labels, labels - 1), np.abs(answers - labels))
    assert float(metrics.mae(counts)) == pytest.approx(errors.mean())
    assert float(metrics.mae_micro(counts)) == pytest.approx(errors.mean())
    y, s = labels[answers < 6], answers[answers < 6]
    found = float(metrics.spearman(counts))
    if len(set(y)) < 2 or len(set(s)) < 2:
        assert np.isnan(found)
    else:
        expected = np.corrcoef(average_ranks(y), average_ranks(s))[0, 1]
        assert found == pytest.approx(expected, abs=1e-9)


def test_metrics_of_many_tables_at_once_are_those_of_each(rng: np.random.Generator) -> None:
    tables = rng.integers(0, 4, (7, 3, 5, 6)).astype(float)
    for metric in METRICS.values():
        each = [float(metric(table)) for table in tables]
        np.testing.assert_allclose(metric(tables), each)
