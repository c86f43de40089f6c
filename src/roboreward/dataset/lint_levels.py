"""Levels and sources with too few examples to learn from or to report on."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from roboreward.core import SCORES
from roboreward.dataset.lint_finding import Finding, finding
from roboreward.dataset.splits import Dataset, DatasetSplit


@dataclass(frozen=True)
class LintLimits:
    """What counts as too few or too long.

    Attributes:
        min_level_rows, min_level_share: Each level of each split should have at least so many rows, and at least this
            share of the split's rows.
        min_source_rows, min_source_share: The same for each source of each split.
        max_task_words: Longest task without a warning. The published generated tasks have fewer than 25 words.
    """

    min_level_rows: int = 5
    min_level_share: float = 0.05
    min_source_rows: int = 10
    min_source_share: float = 0.005
    max_task_words: int = 50


def level_findings(dataset: Dataset, limits: LintLimits) -> Iterator[Finding]:
    """Yield one finding a split for its levels, and one for its sources, that are under a minimum."""
    for split in dataset.splits:
        levels = Counter({f"score {score}": 0 for score in SCORES})
        levels.update(f"score {row.example.label.score}" for row in split.rows)
        yield from _under(
            split, "few-of-level", levels, limits.min_level_rows, limits.min_level_share
        )
        sources = Counter(row.example.source for row in split.rows)
        yield from _under(
            split, "few-of-source", sources, limits.min_source_rows, limits.min_source_share
        )


def _under(
    split: DatasetSplit, code: str, counts: Counter[str], least: int, least_share: float
) -> Iterator[Finding]:
    total = len(split.rows)
    few = {name: num for name, num in counts.items() if num < max(least, least_share * total)}
    if few and total:
        shown = sorted(few.items(), key=lambda pair: (pair[1], pair[0]))
        told = ", ".join(f"{name}: {num} ({100 * num / total:.1f} %)" for name, num in shown[:8])
        more = f", and {len(few) - 8} more" if len(few) > 8 else ""
        text = f"In {split.name}, under {least} rows or {100 * least_share:.1f} % of its {total}: {told}{more}."
        yield replace(finding(code, text, [split.name]), count=len(few))
