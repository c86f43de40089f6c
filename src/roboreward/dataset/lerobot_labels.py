"""Which rows of a dataset are labels of which episodes of a LeRobot corpus."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from roboreward import __version__
from roboreward.core import DataError, UsageError, progress_of, shorten
from roboreward.dataset.lint_tasks import normal_text
from roboreward.dataset.splits import DatasetRow
from roboreward.sources import LeRobotSource, Skip, SourceEpisode
from roboreward.store import write_json

MAPPING: Final = "progress"
"""Name of the rule that makes a reward of a score; `rl` has it under the same name."""
MAPPING_MEANS: Final = "(score - 1) / 4 at an episode's last frame, 0 at the others; null where an episode has no label"
_WHOLE: Final = ("original", "rollout")


@dataclass(frozen=True)
class EpisodeLabels:
    """Labels of the episodes of a corpus.

    Attributes:
        corpus: Folder of the LeRobot dataset.
        source: Name of the corpus in the rows.
        rows: The row that labels an episode, by the episode's number, in order.
        num_episodes: How many the corpus announces.
    """

    corpus: Path
    source: str
    rows: Mapping[int, DatasetRow]
    num_episodes: int

    @property
    def num_without(self) -> int:
        """Episodes that have no label."""
        return self.num_episodes - len(self.rows)

    def as_json(self) -> dict[str, Any]:
        """Return all labels and what made rewards of them, as JSON values."""
        return {
            "source": self.source,
            "mapping": MAPPING,
            "mapping_means": MAPPING_MEANS,
            "roboreward": __version__,
            "num_episodes": self.num_episodes,
            "num_without_label": self.num_without,
            "episodes": [_told(number, row) for number, row in self.rows.items()],
        }


def match_episodes(
    rows: Iterable[DatasetRow],
    corpus: Path,
    *,
    source: str | None = None,
    allow_other_tasks: bool = False,
) -> EpisodeLabels:
    """Find the episodes of a LeRobot dataset that rows are about, by `source` and `episode_id`.

    Only originals and rollouts count: clips and relabels say nothing of the whole episode under its own task. A row
    whose validator rejected it does not count either.

    Args:
        rows: Of a dataset that was built from the corpus.
        corpus: Its folder.
        source: Name of the corpus in the rows; None for the folder's.
        allow_other_tasks: Take a label also where the row's task is not the episode's.

    Raises:
        UsageError: No row is about this corpus, or `corpus` is no LeRobot dataset.
        DataError: Two rows give one episode different scores, an episode is not in the corpus or cannot be read, or a
            row has another task than its episode; names the row.
    """
    reader = LeRobotSource(corpus, name=source)
    wanted = _by_episode(list(rows), reader.name, corpus)
    found: dict[int, DatasetRow] = {}
    skips: list[Skip] = []
    for episode in reader.episodes(on_skip=skips.append):
        row = wanted.pop(episode.episode_id, None)
        if row is None:
            continue
        if not allow_other_tasks:
            _check_task(row, episode)
        found[int(episode.extra["episode_index"])] = row
    for row in wanted.values():
        left_out = f" ({len(skips):,} cannot be read, first: {skips[0].message})" if skips else ""
        raise DataError(
            f"{row.where}: {corpus} gives no episode {shorten(repr(row.example.episode_id))}{left_out}. "
            "Name the folder that the dataset was built from."
        )
    info = json.loads((Path(corpus) / "meta" / "info.json").read_text("utf-8-sig"))
    return EpisodeLabels(
        Path(corpus), reader.name, dict(sorted(found.items())), int(info["total_episodes"])
    )


def write_episode_labels(path: Path, labels: EpisodeLabels) -> int:
    """Write the labels as one JSON file: score, reward, author and reason of each episode. Returns their number.

    Raises:
        UsageError: The file lies in the corpus, which is not changed.
        StoreError: The file cannot be written.
    """
    if path.resolve().is_relative_to(labels.corpus.resolve()):
        raise UsageError(
            f"{path} lies in {labels.corpus}, which is not changed. Name a file elsewhere."
        )
    write_json(path, labels.as_json())
    return len(labels.rows)


def _by_episode(rows: list[DatasetRow], source: str, corpus: Path) -> dict[str, DatasetRow]:
    found: dict[str, DatasetRow] = {}
    for row in rows:
        example = row.example
        if example.source != source or example.episode_id is None or not _is_whole(row):
            continue
        first = found.setdefault(example.episode_id, row)
        if first.example.label.score != example.label.score:
            raise DataError(
                f"{row.where}: {shorten(repr(example.episode_id))} has score {example.label.score} here and "
                f"{first.example.label.score} in {first.where}. Remove one of the rows, or export one split."
            )
    if not found:
        there = ", ".join(sorted({row.example.source for row in rows})[:8]) or "none"
        raise UsageError(
            f"No original or rollout of source {source!r} with an episode_id is in the dataset; its sources: {there}. "
            f"Name the one that was read from {corpus} (--source)."
        )
    return found


def _is_whole(row: DatasetRow) -> bool:
    example = row.example
    is_rejected = example.validation is not None and not example.validation.is_accepted
    return example.origin in _WHOLE and example.cut_frac is None and not is_rejected


def _check_task(row: DatasetRow, episode: SourceEpisode) -> None:
    if normal_text(row.example.task) != normal_text(episode.task):
        raise DataError(
            f"{row.where}: the task is {shorten(repr(row.example.task))}, and {shorten(repr(episode.task))} for "
            f"{episode.episode_id} at {episode.where}. If it is the right corpus: --allow-other-tasks."
        )


def _told(number: int, row: DatasetRow) -> dict[str, Any]:
    example = row.example
    return {
        "episode_index": number,
        "episode_id": example.episode_id,
        "task": example.task,
        "score": int(example.label.score),
        "reward": progress_of(example.label.score),
        "author": example.label.author,
        "reason": example.label.reason,
        "origin": example.origin,
        "example_id": example.example_id,
        "split": row.split,
    }
