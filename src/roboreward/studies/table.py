"""The table of a study as short strings: for a terminal, and as Markdown for documents."""

from collections.abc import Sequence

from roboreward.studies.cells import cells_of, doubt_of, percent, points, share
from roboreward.studies.results import ORACLE, Row, StudyRun
from roboreward.studies.stats import Interval

_HEAD = (
    "variant",
    "base policy",
    "reward",
    "seeds",
    "true success",
    "gain over none",
    f"against {ORACLE}",
    "false positives",
    "dropped",
    "CPU s",
)
_NUM_NAMES = 3
"""Leading columns that hold names; the others hold numbers."""


def study_table(runs: Sequence[StudyRun]) -> list[list[str]]:
    """Return the study's table, a header row first: one row for each variant, base policy and reward.

    True success is the share of evaluation episodes that the simulator calls a full success, mean over seeds with its
    95 % interval. Differences are in percentage points, paired by seed; one that zero cannot be told from says "not
    separable". False positives are the share of training failures that the reward called a 5. "-" stands where there
    is nothing to tell.
    """
    body = [_cells_of(row) for cell in cells_of(runs) for row in cell.rows]
    return [list(_HEAD), *body]


def study_markdown(runs: Sequence[StudyRun]) -> str:
    """Return the study's table as Markdown, names to the left and numbers to the right."""
    head, *body = study_table(runs)
    rule = ["---" if n < _NUM_NAMES else "---:" for n in range(len(head))]
    lines = [head, rule, *([cell.replace("|", "\\|") for cell in row] for row in body)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def false_positives(row: Row) -> str:
    """Return the share of training failures that the reward called a 5, or "-"."""
    value = row.false_positive
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if 0 < value < 0.1 else percent(value)


def dropped(row: Row) -> str:
    """Return how many training episodes the learner did not get, with their share; "-" without training.

    Evaluation episodes that were stopped are added in words.
    """
    stopped = f"{row.num_stopped:,} evaluations stopped" if row.num_stopped else ""
    return ", ".join(filter(None, [_dropped(row), stopped]))


def _dropped(row: Row) -> str:
    if row.num_train == 0:
        return "-"
    if row.num_dropped == 0:
        return "0"
    return f"{row.num_dropped:,} ({100 * row.num_dropped / row.num_train:.1f} %)"


def _cells_of(row: Row) -> list[str]:
    return [
        row.variant,
        row.base,
        row.reward,
        str(len(row.seeds)),
        share(row.success),
        _shown(row.gain),
        _shown(row.to_oracle),
        false_positives(row),
        dropped(row),
        f"{row.cpu_s:,.0f}",
    ]


def _shown(found: Interval | None) -> str:
    return "-" if found is None else " ".join(filter(None, [points(found), doubt_of(found)]))
