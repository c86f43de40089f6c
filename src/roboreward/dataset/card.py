"""The dataset card: what the hub shows of a dataset, made from its rows, so that it cannot say more than they do."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from roboreward.core import RUBRIC_V1, SCORES, DataError, Example
from roboreward.dataset.features import NULL, Kind
from roboreward.dataset.lint import LintReport
from roboreward.dataset.lint_shortcuts import READS
from roboreward.dataset.splits import Dataset
from roboreward.dataset.stats import DatasetStats
from roboreward.sources import PUBLISHED_AUTHOR

TASK_CATEGORIES: Final = ("video-classification", "robotics")
"""Names from the hub's own list of tasks."""
UNKNOWN: Final = "unknown"
"""What stands where a publisher states no licence; a valid value of the hub's `license`."""
PLACE: Final = "PATH_OR_NAME_OF_THIS_DATASET"
"""What a reader of the card replaces in its example."""
_SIZES: Final = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_HUB_SPLITS: Final = {"val": "validation"}
"""The hub's word for a split whose folder is called otherwise."""
_LICENCE_KEYS: Final = ("licence", "license")
_ORIGIN_MEANS: Final = {
    "original": "the corpus's own attempt under its own task",
    "rollout": "a policy's real attempt, successful or not",
    "clip": "a prefix of an attempt under the same task, so that less of the task is done",
    "counterfactual": "the same video under another task, which it fulfils less well",
    "paraphrase": "the same video under the same task in other words",
}
_COLUMN_MEANS: Final = {
    "file_name": "path of the video, relative to the metadata file; `datasets` gives it as `video`",
    "task": "the instruction",
    "reward": "the score, 1 to 5",
    "example_id": "unique in the dataset",
    "episode_id": "the recorded attempt; its camera views share it",
    "group": "what never straddles splits, and what statistics should cluster on",
    "source": "corpus or subset",
    "origin": "how the example was made",
    "view": "camera",
    "label_author": "who gave the score",
    "label_reason": "why, in the author's words",
    "parent_id": "the example or episode it was made from",
    "cut_frac": "share of the parent's duration that a clip keeps; 1 where nothing was cut",
    "validator": "who accepted or rejected a generated example, and in which words; a JSON text",
    "provenance": "operation, parents, seed, model, prompt and code version; a JSON text",
    "session": "the recording session, as the corpus calls it",
    "source_sha256": "SHA-256 of the original video file, where the whole file is the episode",
    "licence": "what the corpus states as the licence of the episode",
    "source_facts": "what else the corpus says of the episode; a JSON text",
}


def dataset_card(
    dataset: Dataset,
    *,
    stats: DatasetStats,
    report: LintReport | None = None,
    name: str | None = None,
    licence: str | None = None,
    source_licences: Mapping[str, str] | None = None,
    summary: str = "",
) -> str:
    """Return a README.md with the hub's YAML front matter. The same inputs give the same text.

    Args:
        dataset: Read without bad rows, since loaders count every row.
        stats: Its counts.
        report: What the linter found; becomes the known limits. None says that nobody looked.
        name: For people; the folder's name when None.
        licence: The hub's identifier for the whole, such as "cc-by-4.0"; "unknown" when None.
        source_licences: Licence by source, for rows that do not state it. What neither states is "unknown"; where the
            rows of a source come under several, all are listed with their numbers.
        summary: A paragraph for the top; Markdown.
    """
    title = name or dataset.name
    parts = [
        "---",
        *_front_matter(dataset, stats, title=title, licence=licence or UNKNOWN),
        "---",
        "",
        f"# {_plain(title)}",
        "",
        *([summary, ""] if summary else []),
        *_overview(stats),
        *_labels(dataset, stats),
        *_licences(dataset, stats, licence or UNKNOWN, source_licences or {}),
        *_columns(dataset),
        *_limits(report),
    ]
    return "\n".join(parts).rstrip() + "\n"


def licences_of(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """Return what the rows of each source state as their licence: keys `licence` or `license`, also in provenance."""
    return {
        source: tuple(sorted(told for told in counts if told))
        for source, counts in sorted(_licence_counts(dataset).items())
    }


def licences_beside(folder: Path) -> dict[str, str]:
    """Return what `dataset build` noted of its sources in `sources.json`; nothing where there is no such file.

    Raises:
        DataError: The file is not what a build writes.
    """
    path = Path(folder) / "sources.json"
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))["licences"]
        return {str(source): str(licence) for source, licence in found.items() if licence}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: no licences by source in it. Build the dataset again.") from error


def _licence_counts(dataset: Dataset) -> dict[str, Counter[str]]:
    """Return how many rows of each source state which licence, "" for those that state none."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in dataset.rows:
        found[row.example.source].update(set(_stated(row.example)) or {""})
    return dict(found)


def _stated(example: Example) -> Iterator[str]:
    details = example.provenance.details if example.provenance else {}
    for place in (example.extra, details):
        for key in _LICENCE_KEYS:
            value = place.get(key)
            if isinstance(value, str) and value.strip():
                yield value.strip()


def hub_split(name: str) -> str:
    """Return the hub's name of a split, which has letters, digits and underscores only."""
    return _HUB_SPLITS.get(name) or re.sub(r"\W", "_", name)


def size_category(num: int) -> str:
    """Return the hub's size category of a number of examples."""
    return next((name for limit, name in _SIZES if num < limit), "n>10M")


def _front_matter(
    dataset: Dataset, stats: DatasetStats, *, title: str, licence: str
) -> Iterator[str]:
    yield f"license: {_scalar(licence)}"
    yield f"pretty_name: {_scalar(title)}"
    yield "task_categories:"
    yield from (f"- {category}" for category in TASK_CATEGORIES)
    yield "tags:"
    yield from (f"- {tag}" for tag in ("reward-model", "robot-learning"))
    yield "size_categories:"
    yield f"- {size_category(stats.num_rows)}"
    yield "configs:"
    yield "- config_name: default"
    yield "  data_files:"
    for split in dataset.splits:
        inside = "" if split.file.parent == dataset.folder else f"{split.name}/"
        yield f"  - split: {_scalar(hub_split(split.name))}"
        yield f"    path: {_scalar(f'{inside}**')}"
    yield "dataset_info:"
    yield "  features:"
    columns = dict(dataset.splits[0].columns.fields)
    for split in dataset.splits[1:]:
        columns |= {k: v for k, v in split.columns.fields if columns.get(k, NULL) == NULL}
    yield "  - name: video"
    yield "    dtype: video"
    for key, kind in columns.items():
        if key not in ("file_name", "video"):
            yield from _feature(key, kind, indent="  ")
    yield "  splits:"
    for split in dataset.splits:
        yield f"  - name: {_scalar(hub_split(split.name))}"
        # Without a size the loader passes over this list; the videos stay where they are and are not counted.
        yield f"    num_bytes: {split.file.stat().st_size}"
        yield f"    num_examples: {len(split.rows)}"


def _feature(key: str, kind: Kind, *, indent: str) -> Iterator[str]:
    yield f"{indent}- name: {_scalar(key)}"
    inner = indent + "  "
    if kind.name == "struct":
        yield f"{inner}struct:"
        for name, field in kind.fields:
            yield from _feature(name, field, indent=inner)
    elif kind.item is not None and kind.item.name == "struct":
        yield f"{inner}list:"
        for name, field in kind.item.fields:
            yield from _feature(name, field, indent=inner)
    elif kind.item is not None:
        yield f"{inner}sequence: {_dtype(kind.item)}"
    else:
        yield f"{inner}dtype: {_dtype(kind)}"


def _dtype(kind: Kind) -> str:
    return {"null": "'null'", "mixed": "string", "list": "string"}.get(kind.name, kind.name)


def _scalar(value: str) -> str:
    """Return a text as a YAML scalar; JSON texts are valid YAML, so anything unusual is written as one."""
    is_plain = value[:1].isalpha() and all(c.isalnum() or c in "_-." for c in value)
    is_word = value.lower() in ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
    return value if is_plain and value.isascii() and not is_word else json.dumps(value)


def _overview(stats: DatasetStats) -> Iterator[str]:
    yield (
        f"{stats.num_rows:,} examples of robots that try a task: a video, the task in words, and a score from 1 to 5. "
        f"{stats.num_videos:,} videos, {stats.num_groups:,} groups, {stats.num_tasks:,} different tasks."
    )
    yield ""
    yield "| score | name | meaning |"
    yield "|---|---|---|"
    yield from (f"| {level.score} | {level.name} | {level.meaning} |" for level in RUBRIC_V1.levels)
    yield ""
    yield from _counts("split", stats)
    yield from _counts("source", stats)
    yield "```python"
    yield "from datasets import Video, load_dataset"
    yield ""
    yield f'dataset = load_dataset("{PLACE}")'
    yield "# Rows give the path of their video. Leave this out to have it decoded, which needs torchcodec."
    yield 'dataset = dataset.cast_column("video", Video(decode=False))'
    yield "```"
    yield ""


def _counts(table: str, stats: DatasetStats) -> Iterator[str]:
    yield f"| {table} | {' | '.join(str(score) for score in SCORES)} | all | groups |"
    yield "|---|" + "---:|" * (len(SCORES) + 2)
    for tally in stats.tables[table]:
        cells = (*tally.by_level, tally.total, tally.num_groups)
        yield f"| {_plain(tally.name)} | {' | '.join(f'{num:,}' for num in cells)} |"
    yield ""


def _labels(dataset: Dataset, stats: DatasetStats) -> Iterator[str]:
    yield "## How the labels were made"
    yield ""
    yield "| origin | means | examples |"
    yield "|---|---|---:|"
    for tally in stats.tables["origin"]:
        yield f"| {tally.name} | {_ORIGIN_MEANS.get(tally.name, '')} | {tally.total:,} |"
    yield ""
    yield "| label author | examples |"
    yield "|---|---:|"
    for tally in stats.tables["label author"]:
        says = " (the metadata names no author)" if tally.name == PUBLISHED_AUTHOR else ""
        yield f"| {_plain(tally.name)}{says} | {tally.total:,} |"
    yield ""
    validators = Counter(
        (row.example.validation.validator, row.example.validation.is_accepted)
        for row in dataset.rows
        if row.example.validation is not None
    )
    for (validator, is_accepted), num in sorted(validators.items()):
        verb = "accepted" if is_accepted else "disagreed with"
        yield f"- Validator {_plain(validator)} {verb} {num:,} generated examples."
    yield from [""] if validators else []


def _licences(
    dataset: Dataset, stats: DatasetStats, licence: str, given: Mapping[str, str]
) -> Iterator[str]:
    yield "## Licences"
    yield ""
    yield f"The dataset as a whole: {_plain(licence)}. Its videos come under their publishers' terms:"
    yield ""
    yield "| source | licence | examples |"
    yield "|---|---|---:|"
    stated = _licence_counts(dataset)
    for tally in stats.tables["source"]:
        counts: Counter[str] = Counter()
        for own, num in stated.get(tally.name, {"": tally.total}).items():
            counts[own or given.get(tally.name, UNKNOWN)] += num
        told = [
            f"{name} ({num:,})" if len(counts) > 1 else name for name, num in sorted(counts.items())
        ]
        yield f"| {_plain(tally.name)} | {_plain(', '.join(told))} | {tally.total:,} |"
    yield ""


def _columns(dataset: Dataset) -> Iterator[str]:
    keys = sorted({key for split in dataset.splits for key, _ in split.columns.fields})
    known = [key for key in _COLUMN_MEANS if key in keys]
    yield "## Columns of the metadata"
    yield ""
    yield from (f"- `{key}`: {_COLUMN_MEANS[key]}" for key in known)
    yield from (f"- `{_plain(key)}`: as its source has it" for key in keys if key not in known)
    yield ""
    yield 'Show a model the video and `task` only; everything else tells, or may tell, the label. "" says nothing.'
    yield ""


def _limits(report: LintReport | None) -> Iterator[str]:
    yield "## Known limits"
    yield ""
    if report is None:
        yield "Not checked."
        return
    looked = (
        "rows and videos" if report.has_videos else "the metadata; the videos were not looked at"
    )
    yield f"Found by `roboreward dataset lint`, which looked at {looked}."
    yield ""
    yield from (
        f"- **{found.code}** ({found.severity}, {found.count:,}): {_plain(found.message)}"
        for found in report.findings
    )
    if report.is_clean:
        yield "- Nothing was found."
    for found in report.shortcuts:
        yield (
            f"- {found.split}: from {READS[found.reader]} alone, a mean absolute error of {found.mae:.3f}; the best "
            f"constant has {found.constant_mae:.3f}."
        )


def _plain(value: str) -> str:
    """Return text from outside so that it cannot turn the table or the page around it."""
    one_line = " ".join(value.split())
    for sign, instead in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|")):
        one_line = one_line.replace(sign, instead)
    return one_line.replace("`", "'").replace("](", "] (")
