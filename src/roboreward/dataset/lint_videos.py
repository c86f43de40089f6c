"""Videos that a model cannot be shown, and videos in different splits that look the same."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from roboreward.dataset.lint_finding import Finding, finding
from roboreward.dataset.splits import Dataset, DatasetRow
from roboreward.dataset.videos import VideoFacts

TOLERATED_FRAMES = 1
"""Released robot data has files that announce one frame more than they hold; readers live with it."""


def video_findings(dataset: Dataset, facts_of: Mapping[Path, VideoFacts]) -> Iterator[Finding]:
    """Yield findings about files that the reader refuses, that show nothing, and that miscount their frames."""
    for split in dataset.splits:
        refused: defaultdict[tuple[str, str], list[DatasetRow]] = defaultdict(list)
        miscounted: list[DatasetRow] = []
        blank = [row for row in split.rows if facts_of[row.example.video].is_blank]
        for row in split.rows:
            facts = facts_of[row.example.video]
            if facts.refusal is not None:
                code = "no-frames" if facts.refusal == "no_frames" else "undecodable-video"
                refused[code, facts.refusal].append(row)
            elif _miscount(facts) > TOLERATED_FRAMES:
                miscounted.append(row)
        for (code, reason), rows in refused.items():
            example = rows[0].example
            text = f"Video {example.file_name!r} is refused ({reason}): {facts_of[example.video].message}"
            yield finding(code, text, [row.where for row in rows])
        if blank:
            text = f"Video {blank[0].example.file_name!r} shows one colour from the first frame to the last."
            yield finding("blank-video", text, [row.where for row in blank])
        if miscounted:
            example = miscounted[0].example
            facts = facts_of[example.video]
            text = (
                f"Video {example.file_name!r} announces {facts.announced_frames} frames, "
                f"{facts.num_frames} can be decoded."
            )
            yield finding("frame-count", text, [row.where for row in miscounted])


def _miscount(facts: VideoFacts) -> int:
    if facts.announced_frames is None or facts.num_frames is None:
        return 0
    return abs(facts.announced_frames - facts.num_frames)
