"""Labels in what a model or its loader may read beside the video: file names, folders, ids.

The known spellings are found by rule. What no rule knows is found by counting: a part of a name that goes with some
labels far more often than its source as a whole tells the label, whatever it means.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final

from roboreward.core import SCORES, Example, shorten
from roboreward.dataset.lint_finding import Finding, finding
from roboreward.dataset.splits import Dataset, DatasetRow

_SCORE: Final = re.compile(r"(?<![a-z])(?:score|reward|rating|label|grade)[\W_]*[0-5](?!\d)", re.I)
_OUTCOME: Final = re.compile(
    r"(?:un)?success(?:es|ful|fully)?|succe(?:ed|eded|eds)|fail(?:s|ed|ure|ures|ing)?|suboptimal"
)
_TOKENS: Final = re.compile(r"[a-z]+|\d+")
_FEWEST_GROUPS: Final = 10
_LEAST_LIFT: Final = 0.2
_MOST_P: Final = 1e-3
"""Chance, over all parts and levels looked at, of a finding in a set whose names say nothing."""
_NUM_NAMED: Final = 3

_Unit = tuple[str, str, int]
"""(source, group, score): three views of one rollout, or its row repeated, are one observation."""


def told_by(text: str) -> str | None:
    """Return the part of a name that states a score or an outcome by a known spelling, or None."""
    if found := _SCORE.search(text):
        return found[0]
    words = _TOKENS.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())
    return next((word for word in words if _OUTCOME.fullmatch(word)), None)


def name_findings(dataset: Dataset) -> Iterator[Finding]:
    """Yield findings about file names, folders and ids."""
    yield from _by_rule(dataset, "label-in-file-name", "File name", _stem_of)
    yield from _by_rule(dataset, "label-in-folder", "Folder", _folder_of)
    yield from _by_rule(dataset, "label-in-id", "example_id", lambda e: e.example_id)
    yield from _by_counting(dataset.rows)


def _stem_of(example: Example) -> str:
    return PurePosixPath(example.file_name).stem


def _folder_of(example: Example) -> str:
    return str(PurePosixPath(example.file_name).parent)


def _by_rule(
    dataset: Dataset, code: str, what: str, part_of: Callable[[Example], str]
) -> Iterator[Finding]:
    for split in dataset.splits:
        told = [(row, part) for row in split.rows if (part := told_by(part_of(row.example)))]
        if told:
            row, part = told[0]
            text = f"{what} {shorten(repr(part_of(row.example)))} tells the label ({part!r})."
            yield finding(code, text, [row.where for row, _ in told])


@dataclass(frozen=True)
class _Telling:
    """A part of names that goes with a level; `share` of its observations have it, `expected` had it by source."""

    part: str
    score: int
    share: float
    expected: float
    strength: float


def _by_counting(rows: Sequence[DatasetRow]) -> Iterator[Finding]:
    parts = [_parts(row.example) for row in rows]
    seen = Counter(part for some in parts for part in some)
    common = {p for p, num in seen.items() if num >= _FEWEST_GROUPS and not told_by(p)}
    units: defaultdict[str, set[_Unit]] = defaultdict(set)
    everything: set[_Unit] = set()
    for row, some in zip(rows, parts, strict=True):
        example = row.example
        unit = (example.source, example.group, example.label.score)
        everything.add(unit)
        for part in some & common:
            units[part].add(unit)
    telling = _telling(units, everything)
    if not telling:
        return
    names = {found.part for found in telling}
    places = [row.where for row, some in zip(rows, parts, strict=True) if names & some]
    said = "; ".join(_in_words(found) for found in telling[:_NUM_NAMED])
    rest = len(telling) - _NUM_NAMED
    tail = f"; and {rest} more" if rest > 0 else ""
    yield finding("name-predicts-label", f"Parts of paths predict the label: {said}{tail}.", places)


def _in_words(found: _Telling) -> str:
    return (
        f"{found.part} goes with score {found.score} in {100 * found.share:.0f} % of the cases, "
        f"where its sources would give {100 * found.expected:.0f} %"
    )


def _parts(example: Example) -> set[str]:
    """Return words, neighbouring pairs, and the shape of the file name, and its folders."""
    path = PurePosixPath(example.file_name)
    folders = [part.lower() for part in path.parts[:-1]]
    words = _TOKENS.findall(path.stem.lower())
    # Published names begin with the source, which is no news within it.
    for folder in folders:
        own = _TOKENS.findall(folder)
        if own and words[: len(own)] == own:
            words = words[len(own) :]
    shape = "_".join("#" if word.isdigit() else word for word in words)
    return {
        *(f"{word!r}" for word in words),
        *(f"'{a}_{b}'" for a, b in pairwise(words)),
        *(f"folder {folder!r}" for folder in folders),
        f"the shape '{shape}'",
    }


def _telling(units: dict[str, set[_Unit]], everything: set[_Unit]) -> list[_Telling]:
    """Return the parts that tell a level, the strongest first.

    A stratified test (Mantel-Haenszel, by source) of each part against each level, corrected by Bonferroni for their
    number, and with a least size of the effect, since in a large set anything is significant.
    """
    base: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for source, _, score in everything:
        base[source][score] += 1
    tested = {
        part: found
        for part, found in units.items()
        if len({group for _, group, _ in found}) >= _FEWEST_GROUPS
    }
    telling: list[_Telling] = []
    for part, found in tested.items():
        best = max((_test(part, found, base, score) for score in SCORES), key=lambda t: t.strength)
        p = math.erfc(best.strength / math.sqrt(2)) * len(tested) * len(SCORES)
        if p < _MOST_P and abs(best.share - best.expected) >= _LEAST_LIFT:
            telling.append(best)
    return sorted(telling, key=lambda t: (-abs(t.share - t.expected), -t.strength, t.part))


def _test(part: str, found: set[_Unit], base: dict[str, Counter[int]], score: int) -> _Telling:
    num_by_source = Counter(source for source, _, _ in found)
    expected = variance = 0.0
    for source, num in num_by_source.items():
        total = base[source].total()
        share = base[source][score] / total
        expected += num * share
        if total > 1:
            variance += num * share * (1 - share) * (total - num) / (total - 1)
    observed = sum(1 for _, _, label in found if label == score)
    excess = max(0.0, abs(observed - expected) - 0.5)
    strength = excess / math.sqrt(variance) if variance > 0 else 0.0
    return _Telling(part, score, observed / len(found), expected / len(found), strength)
