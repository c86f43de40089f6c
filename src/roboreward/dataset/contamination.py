"""Which examples a model has seen: an index of what it was trained on, held against a dataset.

Bytes are compared by SHA-256: those of the video, and those of the file it was made from where the row states them. A
clip or a re-encoded copy may state none, so the recorded attempt (`episode_id`), the group (parent video) and the
session are compared too, within one source. A group counts with and without its source before it: a build writes
"<source>/<the corpus's group>".
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from roboreward.core import DataError, Example, shorten
from roboreward.dataset.lint_sharing import plain_group, plain_source
from roboreward.dataset.splits import Dataset, DatasetRow, refuse_own_file
from roboreward.dataset.videos import Progress, hash_videos
from roboreward.store import read_jsonl, write_atomic

By = Literal["video", "episode", "group"]
_KEYS: Final = ("sha256", "episode_id", "group", "session", "source_sha256")
_SESSION_KEYS: Final = ("session", "session_id")
_SOURCE_SHA256: Final = "source_sha256"
_ANY: Final = ""
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
Names = frozenset[tuple[str, str]]
"""(source, name) pairs; the source is "" where an index names none, which fits every source."""


@dataclass(frozen=True)
class SeenIndex:
    """What a model was trained on.

    Attributes:
        digests: SHA-256 of videos and of the files they were made from, 64 lower-case hex digits.
        episodes, groups, sessions: What the index names.
        num_lines: Lines of the index; at least one.
    """

    digests: frozenset[str]
    episodes: Names
    groups: Names
    sessions: Names
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
            yield "Videos were not compared by their bytes, only by what the rows say of them."
        by: Counter[str] = Counter(one.by[0] for one in self.seen)
        for name, says in (
            ("video", "the same video, or the same original file"),
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
        Number of lines: distinct combinations of video, original file, episode, group, session and source.

    Raises:
        UsageError: The file is a part of the dataset.
        DataError: A split that is not there, or that has no usable row.
        StoreError: The file cannot be written.
    """
    wanted = set(splits)
    if unknown := wanted - {split.name for split in dataset.splits}:
        there = ", ".join(split.name for split in dataset.splits)
        raise DataError(f"{dataset.folder} has no split {min(unknown)!r}; there is: {there}.")
    refuse_own_file(path, dataset)
    rows = [row for row in dataset.rows if not wanted or row.split in wanted]
    if not rows:
        named = " and ".join(sorted(wanted))
        raise DataError(
            f"{dataset.folder}: no usable row in {named}, so there is nothing to index."
        )
    paths = [row.example.video for row in rows] if has_videos else []
    digest_of = hash_videos(paths, num_workers=num_workers, progress=progress)
    lines = {json.dumps(_entry(row.example, digest_of), sort_keys=True) for row in rows}
    write_atomic(path, "".join(f"{line}\n" for line in sorted(lines)))
    return len(lines)


def read_index(path: Path) -> SeenIndex:
    """Read an index: JSON lines with `source` and at least one of `sha256`, `episode_id`, `group`, `session` and
    `source_sha256`.

    Raises:
        DataError: The file cannot be read or is empty, or a line says nothing that can be compared; names file and row.
    """
    digests: set[str] = set()
    names: dict[str, set[tuple[str, str]]] = {"episode_id": set(), "group": set(), "session": set()}
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
            if key in names:
                names[key].add((source, name if key == "episode_id" else _plain_name(name, source)))
            else:
                digests.add(_digest(name, key, path, number))
    if not num:
        raise DataError(
            f"{path}: there is no line in it, so it says of nothing that it was seen. Name the index of the model's "
            "training data (--write-index makes one)."
        )
    return SeenIndex(
        digests=frozenset(digests),
        episodes=frozenset(names["episode_id"]),
        groups=frozenset(names["group"]),
        sessions=frozenset(names["session"]),
        num_lines=num,
    )


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
        has_videos: Whether to hash the videos; without it, and where the index has no digests, only what the rows say
            is compared.
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
    groups, sessions = _groups(row), set(_sessions(example))
    if {digest_of.get(example.video, _ANY), _source_digest(example)} & index.digests:
        yield "video"
    if any((source, example.episode_id) in index.episodes for source in sources):
        yield "episode"
    is_seen = any(
        (source, name) in named
        for source in sources
        # A row that names no session may have it as its group.
        for names, named in (
            (groups | sessions, index.groups),
            (sessions or groups, index.sessions),
        )
        for name in names
    )
    if is_seen:
        yield "group"


def _groups(row: DatasetRow) -> set[str]:
    """Return a row's group as it stands, without its source before it, and with it in both spellings."""
    source, group = row.example.source, row.example.group
    head, slash, tail = group.partition("/")
    bare = tail if slash and plain_source(head) == plain_source(source) else group
    return {group, plain_group(row), bare, f"{source}/{bare}", f"{plain_source(source)}/{bare}"}


def _sessions(example: Example) -> Iterator[str]:
    for key in _SESSION_KEYS:
        value = example.extra.get(key)
        if isinstance(value, str) and value:
            yield value


def _source_digest(example: Example) -> str:
    """Return the SHA-256 of the file that a video was made from; "" where the row states none."""
    value = str(example.extra.get(_SOURCE_SHA256, "")).lower()
    return value if _SHA256.fullmatch(value) else ""


def _entry(example: Example, digest_of: Mapping[Path, str]) -> dict[str, str]:
    entry = {"source": example.source, "group": example.group}
    if example.episode_id is not None:
        entry["episode_id"] = example.episode_id
    if digest := digest_of.get(example.video):
        entry["sha256"] = digest
    if digest := _source_digest(example):
        entry[_SOURCE_SHA256] = digest
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


def _digest(value: str, key: str, path: Path, number: int) -> str:
    digest = value.lower()
    if not _SHA256.fullmatch(digest):
        raise DataError(
            f"{path}:{number}: {key!r} must be 64 hex digits, got {shorten(repr(value))}."
        )
    return digest
