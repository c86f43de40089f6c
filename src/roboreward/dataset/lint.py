"""The linter: looks for what makes a dataset's numbers wrong, and says where and what to do.

Everything here is about leaks and damage that a model or a statistic would exploit or suffer silently. The published
RoboReward release has several of them (scores in file names, copies of videos, camera views as rows, tasks whose length
goes with the score), which is why each has a check.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

from roboreward.dataset.lint_finding import CHECKS, Finding, in_order
from roboreward.dataset.lint_levels import LintLimits, level_findings
from roboreward.dataset.lint_names import name_findings
from roboreward.dataset.lint_origins import origin_findings
from roboreward.dataset.lint_pictures import FingerprintOf, near_findings
from roboreward.dataset.lint_sharing import content_findings, group_findings
from roboreward.dataset.lint_shortcuts import (
    READS,
    Shortcut,
    measure_shortcuts,
    shortcut_findings,
)
from roboreward.dataset.lint_tasks import row_findings, task_findings
from roboreward.dataset.lint_videos import video_findings
from roboreward.dataset.splits import Dataset, read_dataset
from roboreward.dataset.videos import Progress, VideoFacts, digests, examine_videos

_DEFAULT_LIMITS: Final = LintLimits()


@dataclass(frozen=True)
class LintReport:
    """What the linter found.

    Attributes:
        dataset: The folder's name.
        num_rows: Usable rows by split.
        has_videos: Whether the video files were looked at.
        has_fingerprints: Whether videos were compared by their looks.
        findings: Errors first; the same dataset gives the same order.
        shortcuts: What blind readers reach, found or not.
    """

    dataset: str
    num_rows: dict[str, int]
    has_videos: bool
    has_fingerprints: bool
    findings: tuple[Finding, ...]
    shortcuts: tuple[Shortcut, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found, not even a warning."""
        return not self.findings

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are errors."""
        return tuple(found for found in self.findings if found.severity == "error")

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "dataset": self.dataset,
            "num_rows": dict(self.num_rows),
            "has_videos": self.has_videos,
            "has_fingerprints": self.has_fingerprints,
            "is_clean": self.is_clean,
            "num_errors": len(self.errors),
            "num_warnings": len(self.findings) - len(self.errors),
            "findings": [found.as_json() for found in self.findings],
            "shortcuts": [found.as_json() for found in self.shortcuts],
        }

    def text(self) -> str:
        """Return the report for people, one paragraph a finding."""
        return "\n".join(
            chain(self._head(), *(_paragraph(found) for found in self.findings), self._tail())
        )

    def _head(self) -> Iterator[str]:
        rows = ", ".join(f"{name} {num:,}" for name, num in self.num_rows.items())
        yield f"{self.dataset}: {rows} rows"
        if not self.has_videos:
            yield "Metadata only: the videos were not looked at."

    def _tail(self) -> Iterator[str]:
        yield ""
        for found in self.shortcuts:
            yield (
                f"{found.split}: by {READS[found.reader]} alone {found.mae:.3f} off, best constant "
                f"{found.constant_mae:.3f} off (gain {found.gain:+.3f}, 95 % interval {found.lo:+.3f} to "
                f"{found.hi:+.3f})"
            )
        if self.is_clean:
            yield f"No finding ({len(CHECKS)} kinds of trouble looked for)."
            return
        counts = Counter(found.severity for found in self.findings)
        told = [f"{num} {name}{'' if num == 1 else 's'}" for name, num in sorted(counts.items())]
        yield f"{', '.join(told)}."


def lint_dataset(
    folder: Path | Dataset,
    *,
    has_videos: bool = True,
    limits: LintLimits = _DEFAULT_LIMITS,
    fingerprint: FingerprintOf | None = None,
    facts: Mapping[Path, VideoFacts] | None = None,
    num_workers: int = 1,
    progress: Progress | None = None,
) -> LintReport:
    """Look for leaks and damage in a dataset.

    Args:
        folder: What `read_dataset` takes, or what it returned.
        has_videos: Whether to hash and open the video files; False needs the metadata only.
        limits: What counts as too few or too long.
        fingerprint: Also compare the videos of different splits by their looks, with this function, such as
            `media.perceptual_fingerprint`.
        facts: What `examine_videos` found, where that is known already.
        num_workers: Processes that open videos.
        progress: Called with (videos done, videos in all).

    Raises:
        UsageError: There is no metadata at `folder`.
        DataError: No usable row at all. A single bad row is a finding.
    """
    dataset = (
        folder
        if isinstance(folder, Dataset)
        else read_dataset(folder, allow_bad=True, has_videos=has_videos)
    )
    if facts is None or not has_videos:
        paths = [row.example.video for row in dataset.rows] if has_videos else []
        facts = examine_videos(paths, num_workers=num_workers, progress=progress)
    durations = {
        path: fact.duration_s for path, fact in facts.items() if fact.duration_s is not None
    }
    shortcuts = measure_shortcuts(dataset, durations)
    found = [*_findings(dataset, facts, limits), *shortcut_findings(shortcuts)]
    has_fingerprints = has_videos and fingerprint is not None
    if has_videos and fingerprint is not None:
        found += near_findings(
            dataset,
            digests(facts),
            fingerprint=fingerprint,
            num_workers=num_workers,
            progress=progress,
        )
    num_rows = {split.name: len(split.rows) for split in dataset.splits}
    return LintReport(
        dataset.name, num_rows, has_videos, has_fingerprints, in_order(found), shortcuts
    )


def _findings(
    dataset: Dataset, facts: Mapping[Path, VideoFacts], limits: LintLimits
) -> Iterator[Finding]:
    yield from row_findings(dataset)
    yield from name_findings(dataset)
    yield from task_findings(dataset, max_task_words=limits.max_task_words)
    yield from group_findings(dataset)
    yield from content_findings(dataset, digests(facts))
    yield from level_findings(dataset, limits)
    yield from origin_findings(dataset)
    if facts:
        yield from video_findings(dataset, facts)


def _paragraph(found: Finding) -> Iterator[str]:
    many = f", {found.count} in all" if found.count > 1 else ""
    yield ""
    yield f"{found.severity} {found.code} ({found.where}{many})"
    yield f"  {found.message}"
    yield f"  -> {found.advice}"
