"""Videos in different splits that look the same although their bytes differ: re-encoded, scaled, or recorded twice."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from roboreward.core import MediaRefused
from roboreward.dataset.lint_finding import Finding, finding
from roboreward.dataset.splits import Dataset, DatasetRow
from roboreward.dataset.videos import Progress
from roboreward.media import Fingerprint, near_pairs
from roboreward.store import run_in_order

FingerprintOf = Callable[[Path], Fingerprint]
"""Returns a video's `media.Fingerprint`, as `media.perceptual_fingerprint` does; MediaRefused leaves the video out."""


def near_findings(
    dataset: Dataset,
    digest_of: Mapping[Path, str],
    *,
    fingerprint: FingerprintOf,
    num_workers: int = 1,
    progress: Progress | None = None,
) -> Iterator[Finding]:
    """Yield one finding for each two splits that share pictures; files with the same bytes are left to others.

    Args:
        dataset: Its videos are read.
        digest_of: SHA-256 by path.
        fingerprint: What is compared.
        num_workers: Processes; more than one need a function that can be pickled.
        progress: Called with (videos done, videos in all).
    """
    rows = _one_row_a_file(dataset)
    results = run_in_order(
        _OrNone(fingerprint),
        [row.example.video for row in rows],
        num_workers=num_workers,
        batch=16,
        what="comparing the videos",
    )
    found: list[tuple[DatasetRow, Fingerprint]] = []
    for number, (row, mark) in enumerate(zip(rows, results, strict=True), start=1):
        if mark is not None:
            found.append((row, mark))
        if progress:
            progress(number, len(rows))
    if len(found) < 2:
        return
    near: defaultdict[tuple[str, str], list[tuple[DatasetRow, DatasetRow, float]]] = defaultdict(
        list
    )
    for i, j, distance in near_pairs(np.stack([mark for _, mark in found])):
        one, other = found[i][0], found[j][0]
        is_same = digest_of.get(one.example.video) == digest_of.get(other.example.video)
        if one.split != other.split and not is_same:
            near[one.split, other.split].append((one, other, distance))
    for pairs in near.values():
        yield _finding(pairs)


@dataclass(frozen=True)
class _OrNone:
    """The fingerprint, or None for a video that cannot be read."""

    fingerprint: FingerprintOf

    def __call__(self, path: Path) -> Fingerprint | None:
        try:
            return self.fingerprint(path)
        except MediaRefused:
            return None


def _one_row_a_file(dataset: Dataset) -> list[DatasetRow]:
    first: dict[Path, DatasetRow] = {}
    for row in dataset.rows:
        first.setdefault(row.example.video, row)
    return list(first.values())


def _finding(pairs: Sequence[tuple[DatasetRow, DatasetRow, float]]) -> Finding:
    one, other, distance = min(pairs, key=lambda pair: pair[2])
    text = (
        f"{len(pairs)} pair{'' if len(pairs) == 1 else 's'} of videos in {one.split} and {other.split} look the same, "
        f"such as {one.example.file_name!r} ({one.where}) and {other.example.file_name!r} ({other.where}), whose "
        f"fingerprints differ in {distance:.1f} of 64 bits."
    )
    return finding("near-video-in-splits", text, [other.where for _, other, _ in pairs])
