"""What a lint check says: one record a kind of trouble and split, with where, how often, and what to do."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

Severity = Literal["error", "warning"]
NUM_PLACES: Final = 5
"""Places that a finding names; `count` says how many there are."""


@dataclass(frozen=True)
class Check:
    """A kind of trouble.

    Attributes:
        severity: "error" when numbers or models made from the set would be wrong; "warning" when they may be.
        means: What is looked for, in one line.
        advice: What to do about it.
    """

    severity: Severity
    means: str
    advice: str


CHECKS: Final[dict[str, Check]] = {
    "bad-row": Check("error", "a row that no example can be made of", "Mend or remove the row."),
    "missing-video": Check(
        "error", "a row whose video is not there", "Add the file or remove the row."
    ),
    "empty-task": Check("error", "a task without a word", "Give the instruction."),
    "repeated-id": Check(
        "error",
        "an example_id that two rows have",
        "Give each row an id of its own; leave the key out to have one made.",
    ),
    "label-in-file-name": Check(
        "error",
        "a file name with a score or an outcome in it",
        "Rename the videos to names that say nothing, and put the label into the metadata only.",
    ),
    "label-in-folder": Check(
        "error",
        "a folder of the video's path with a score or an outcome in its name",
        "Move the videos to folders named for their source.",
    ),
    "label-in-id": Check(
        "error", "an example_id with a score or an outcome in it", "Use ids that say nothing."
    ),
    "name-predicts-label": Check(
        "error",
        "a part of the path that goes with some labels far more often than chance within its source",
        "Rename the videos so that names carry no information about how they were made.",
    ),
    "label-in-task": Check(
        "error", "a task that states a score or an answer", "Remove it from the task."
    ),
    "task-ends-with-score": Check(
        "error", "a task that ends with a score", "Remove the score from the end of the task."
    ),
    "validator-text-in-task": Check(
        "error",
        "a task that holds what a validator or a labeller wrote",
        "Keep that text in `validator` or `label_reason`, which no model is shown.",
    ),
    "long-task": Check(
        "warning", "a task with very many words", "Shorten it, or check that it is one instruction."
    ),
    "odd-characters": Check(
        "warning",
        "a task with characters that are not ASCII",
        "Check that the text is not damaged; replace typographic characters by plain ones.",
    ),
    "contradicting-labels": Check(
        "error",
        "the same video under the same task with different labels",
        "Decide which label holds and remove the other rows.",
    ),
    "repeated-row": Check(
        "warning", "the same video under the same task more than once", "Remove the repeats."
    ),
    "group-straddles-splits": Check(
        "error",
        "a group with rows in more than one split",
        "Move all rows of a group into one split.",
    ),
    "same-video-in-splits": Check(
        "error",
        "the same bytes in more than one split",
        "Give the rows one group and keep it in one split.",
    ),
    "same-video-two-groups": Check(
        "error",
        "the same bytes in one split under different groups",
        "Give all rows of a video one group: statistics count groups as independent.",
    ),
    "same-video-two-names": Check(
        "warning",
        "the same bytes in one split under different names",
        "Keep one file; several rows may name it.",
    ),
    "near-video-in-splits": Check(
        "error",
        "videos in different splits that look the same",
        "Look at the pairs; where they are one recording, keep it in one split.",
    ),
    "views-in-groups": Check(
        "error",
        "camera views of one rollout as rows of different groups",
        "Give the views of one episode one `episode_id` and one `group`: they are one observation.",
    ),
    "source-spelling": Check(
        "error",
        "one source under several spellings",
        "Use one spelling: means over sources count each spelling as a source.",
    ),
    "columns-differ": Check(
        "warning",
        "metadata keys or types that differ between splits, or between rows",
        'Give every row the same keys, and "" in place of null: load_dataset("videofolder") refuses '
        "a set whose splits differ, also where one of them has nothing but nulls.",
    ),
    "text-shortcut": Check(
        "error",
        "labels that a model can tell from the words of the task, without the video",
        "Balance the tasks over the levels, or report every result beside the text-only floor.",
    ),
    "length-shortcut": Check(
        "error",
        "labels that go with the length of the task",
        "Write tasks of the same length for all levels, or report results beside the text-only floor.",
    ),
    "duration-shortcut": Check(
        "warning",
        "labels that go with the duration of the video",
        "Report results beside a floor that knows the duration only; show models frames, not times.",
    ),
    "undecodable-video": Check(
        "error", "a video that the reader refuses", "Copy or encode it again, or remove its rows."
    ),
    "no-frames": Check(
        "error", "a video without a single frame", "Record or copy it again, or remove its rows."
    ),
    "blank-video": Check(
        "error",
        "a video without a picture",
        "Remove the row, or judge another camera.",
    ),
    "frame-count": Check(
        "warning",
        "a header that announces more than one frame too many or too few",
        "Encode it again; readers that trust the header will miss the end.",
    ),
    "few-of-level": Check(
        "warning", "a level with few examples", "Add examples, or do not report by level."
    ),
    "few-of-source": Check(
        "warning", "a source with few examples", "Add examples, or merge or drop the source."
    ),
    "missing-parent": Check(
        "warning",
        "a clip whose parent is not in the dataset",
        "Add the parent, or check where the clip comes from.",
    ),
    "same-task-as-parent": Check(
        "error",
        "a counterfactual whose task is the one that its video fulfils",
        "Remove the row: its label contradicts the parent's.",
    ),
    "rejected-row": Check(
        "error", "a row that its validator rejected", "Remove the row, or have it labelled again."
    ),
}
"""Every kind of finding by its code. Codes are stable: programs may rely on them."""


@dataclass(frozen=True)
class Finding:
    """One kind of trouble in one place or more.

    Attributes:
        code: A key of `CHECKS`.
        severity: "error" or "warning".
        where: The first place: file and line relative to the dataset, or a split's name when it is about all of it.
        message: What was found, with the value.
        advice: What to do.
        count: Rows or files concerned.
        more: Up to four further places.
    """

    code: str
    severity: Severity
    where: str
    message: str
    advice: str
    count: int = 1
    more: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"more": list(self.more)}


def finding(
    code: str, message: str, places: Sequence[str], *, severity: Severity | None = None
) -> Finding:
    """Return a finding about `places` (at least one), with the severity and advice of its code."""
    check = CHECKS[code]
    return Finding(
        code,
        severity or check.severity,
        places[0],
        message,
        check.advice,
        len(places),
        tuple(places[1:NUM_PLACES]),
    )


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings with errors first, by the order of `CHECKS`, and within one code in the order given."""
    codes = list(CHECKS)
    return tuple(sorted(findings, key=lambda f: (f.severity != "error", codes.index(f.code))))
