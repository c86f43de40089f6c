"""Which examples a model has seen: an index of what it was trained on, held against a dataset.

Bytes are compared by SHA-256. A clip or a re-encoded copy has other bytes, so the recorded attempt (`episode_id`) and
the group (parent video, session) are compared too, within one source.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from roboreward.core import DataError, Example, shorten
from roboreward.dataset.lint_sharing import plain_group, plain_source
from roboreward.dataset.splits import Dataset, DatasetRow
from roboreward.dataset.videos import Progress, hash_videos
from roboreward.store import read_jsonl, write_atomic

By = Literal["video", "episode", "group"]
_KEYS: Final = ("sha256", "episode_id", "group", "session")
_SESSION_KEYS: Final = ("session", "session_id")
_ANY: Final = ""
_HEX_DIGITS: Final = 64


@dataclass(frozen=True)
class SeenIndex:
    """What a model was trained on.

    Attributes:
        digests: SHA-256 of videos, 64 lower-case hex digits.
        episodes, groups: (source, name) pairs; the source is "" where the index names none, which fits every source.
        num_lines: Lines of the index.
    """

    digests: frozenset[str]
    episodes: frozenset[tuple[str, str]]
    groups: frozenset[tuple[str, str]]
    num_lines: int


@dataclass(frozen=True)
class SeenExample:
    """An example that a model has seen, and how that is known: "video" is the strongest, "group" the weakest."""

    example_id: str
    split: str
    source: str
    where: str
    by: tuple[By, ...]


@dataclass(frozen=True)
class Contamination:
    """What of a dataset a model has seen.

    Attributes:
        dataset: The folder's name.
        num_rows: Usable rows by split.
        num_by_source: Usable rows by source.
        seen: In the order of the rows.
        has_videos: Whether videos were compared by their bytes.
    """

    dataset: str
    num_rows: dict[str, int]
    num_by_source: dict[str, int]
    seen: tuple[SeenExample, ...]
    has_videos: bool

    @property
    def share(self) -> float:
        """Share of all rows that were seen."""
        return len(self.seen) / sum(self.num_rows.values())

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "dataset": self.dataset,
            "num_rows": dict(self.num_rows),
            "num_seen": len(self.seen),
            "share": self.share,
            "has_videos": self.has_videos,
            "by_source": {
                source: {"num_rows": num, "num_seen": seen}
                for source, num, seen in self._per_source()
            },
            "seen": [asdict(one) | {"by": list(one.by)} for one in self.seen],
        }

    def text(self) -> str:
        """Return the result for people."""
        return "\n".join(self._lines())

    def _per_source(self) -> Iterator[tuple[str, int, int]]:
        seen = Counter(one.source for one in self.seen)
        for source, num in sorted(self.num_by_source.items()):
            yield source, num, seen[source]

    def _lines(self) -> Iterator[str]:
        total = sum(self.num_rows.values())
        seen = f"{len(self.seen):,} of {total:,} examples"
        yield f"{self.dataset}: {seen} were seen in training ({100 * self.share:.1f} %)."
        if not self.has_videos:
            yield "Videos were not compared by their bytes, only by episode and group."
        by: Counter[str] = Counter(one.by[0] for one in self.seen)
        for name, says in (
            ("video", "the same video"),
            ("episode", "the same recorded attempt, other bytes"),
            ("group", "the same group: parent video or session"),
        ):
            if by[name]:
                yield f"  {by[name]:,} by {says}"
        for source, num, num_seen in self._per_source():
            if num_seen:
                yield f"  {source}: {num_seen:,} of {num:,} ({100 * num_seen / num:.1f} %)"


def write_index(
    path: Path,
    dataset: Dataset,
    *,
    splits: Iterable[str] = (),
    has_videos: bool = True,
    num_workers: int = 1,
    progress: Progress | None = None,
) -> int:
    """Write an index of what a model that is trained on a dataset has seen, one JSON object a line, sorted.

    Args:
        path: The file to write, atomically.
        dataset: The training data.
        splits: Splits that were trained on; all when empty.
        has_videos: Whether to hash the videos.
        num_workers: Processes that hash.
        progress: Called with (videos done, videos in all).

    Returns:
        Number of lines: distinct combinations of video, episode, group and source.

    Raises:
        DataError: A split that is not there.
        StoreError: The file cannot be written.
    """
    wanted = set(splits)
    if unknown := wanted - {split.name for split in dataset.splits}:
        there = ", ".join(split.name for split in dataset.splits)
        raise DataError(f"{dataset.folder} has no split {min(unknown)!r}; there is: {there}.")
    rows = [row for row in dataset.rows if not wanted or row.split in wanted]
    paths = [row.example.video for row in rows] if has_videos else []
    digest_of = hash_videos(paths, num_workers=num_workers, progress=progress)
    lines = {json.dumps(_entry(row.example, digest_of), sort_keys=True) for row in rows}
    write_atomic(path, "".join(f"{line}\n" for line in sorted(lines)))
    return len(lines)


def read_index(path: Path) -> SeenIndex:
    """Read an index: JSON lines with `sha256`, `episode_id`, `group` or `session`, at least one of them, and `source`.

    Raises:
        DataError: The file cannot be read, or a line says nothing that can be compared; names file and row.
    """
    digests: set[str] = set()
    episodes: set[tuple[str, str]] = set()
    groups: set[tuple[str, str]] = set()
    num = 0
    for number, line in read_jsonl(path):
        num += 1
        given = {key: line[key] for key in _KEYS if line.get(key) not in (None, "")}
        if not given:
            raise DataError(
                f"{path}:{number}: none of {', '.join(_KEYS)} is there. Give at least one."
            )
        source = plain_source(_text(line.get("source") or _ANY, "source", path, number))
        for key, value in given.items():
            name = _text(value, key, path, number)
            if key == "sha256":
                digests.add(_digest(name, path, number))
            elif key == "episode_id":
                episodes.add((source, name))
            else:
                groups.add((source, _plain_name(name, source)))
    return SeenIndex(frozenset(digests), frozenset(episodes), frozenset(groups), num)


def find_contamination(
    dataset: Dataset,
    index: SeenIndex,
    *,
    has_videos: bool = True,
    num_workers: int = 1,
    progress: Progress | None = None,
) -> Contamination:
    """Say which examples of a dataset are in an index.

    Args:
        dataset: What is to be tested on.
        index: What was trained on.
        has_videos: Whether to hash the videos; without it, and where the index has no digests, only names are compared.
        num_workers: Processes that hash.
        progress: Called with (videos done, videos in all).
    """
    has_videos = has_videos and bool(index.digests)
    paths = [row.example.video for row in dataset.rows] if has_videos else []
    digest_of = hash_videos(paths, num_workers=num_workers, progress=progress)
    seen = [
        SeenExample(row.example.example_id, row.split, row.example.source, row.where, by)
        for row in dataset.rows
        if (by := tuple(_ways(row, index, digest_of)))
    ]
    return Contamination(
        dataset.name,
        {split.name: len(split.rows) for split in dataset.splits},
        dict(Counter(row.example.source for row in dataset.rows)),
        tuple(seen),
        has_videos,
    )


def _ways(row: DatasetRow, index: SeenIndex, digest_of: Mapping[Path, str]) -> Iterator[By]:
    example = row.example
    sources = (plain_source(example.source), _ANY)
    if digest_of.get(example.video, _ANY) in index.digests:
        yield "video"
    if any((source, example.episode_id) in index.episodes for source in sources):
        yield "episode"
    names = {example.group, plain_group(row), *_sessions(example)}
    if any((source, name) in index.groups for source in sources for name in names):
        yield "group"


def _sessions(example: Example) -> Iterator[str]:
    for key in _SESSION_KEYS:
        if isinstance(example.extra.get(key), str):
            yield example.extra[key]


def _entry(example: Example, digest_of: Mapping[Path, str]) -> dict[str, str]:
    entry = {"source": example.source, "group": example.group}
    if example.episode_id is not None:
        entry["episode_id"] = example.episode_id
    if digest := digest_of.get(example.video):
        entry["sha256"] = digest
    for session in _sessions(example):
        entry["session"] = session
    return entry


def _plain_name(name: str, source: str) -> str:
    head, slash, tail = name.partition("/")
    return f"{source}/{tail}" if slash and plain_source(head) == source else name


def _text(value: Any, key: str, path: Path, number: int) -> str:
    if not isinstance(value, str):
        raise DataError(f"{path}:{number}: {key!r} must be a text, got {shorten(repr(value))}.")
    return value


def _digest(value: str, path: Path, number: int) -> str:
    digest = value.lower()
    if len(digest) != _HEX_DIGITS or not set(digest) <= set("0123456789abcdef"):
        raise DataError(
            f"{path}:{number}: 'sha256' must be 64 hex digits, got {shorten(repr(value))}."
        )
    return digest
