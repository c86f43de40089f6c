"""Episodes, views, examples and where they came from."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from roboreward.core.rubric import Score

Origin = Literal["original", "counterfactual", "clip", "paraphrase", "rollout"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class View(_Record):
    """One camera's video of an episode.

    Attributes:
        name: Camera name, unique within the episode.
        path: The video file.
        sha256: Digest of the file's bytes, when known.
    """

    name: str
    path: Path
    sha256: str | None = None


class Label(_Record):
    """A score with an author.

    Attributes:
        score: 1..5.
        author: Who says so: "sim-rule-v1", a model name, or a person's id.
        reason: Why, in words, when the author gives one.
    """

    score: Score
    author: str
    reason: str | None = None


class Episode(_Record):
    """One recorded attempt by a robot."""

    episode_id: str
    task: str
    source: str
    views: tuple[View, ...]
    group: str
    label: Label | None = None


class Provenance(_Record):
    """How an example came to be.

    Attributes:
        operation: "simulate", "clip", "relabel", "import", ...
        parent_ids: Examples or episodes it was made from.
        seed: Seed of the operation, when it has one.
        model: Model that proposed it, when one did.
        prompt_hash: Digest of the prompt, when there was one.
        code_version: Version of this package.
        details: Further facts of the operation; JSON values only.
    """

    operation: str
    parent_ids: tuple[str, ...] = ()
    seed: int | None = None
    model: str | None = None
    prompt_hash: str | None = None
    code_version: str | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class Validation(_Record):
    """What a validator said of a generated example."""

    validator: str
    is_accepted: bool
    text: str | None = None


class Example(_Record):
    """One row to learn from or to be tested on: a view, a task, a label, and how they came together.

    Attributes:
        example_id: Unique in its set.
        video: Absolute path of the video file.
        file_name: The path as the set's metadata writes it, relative to the metadata file.
        task: The instruction, as the judge sees it.
        label: Score and author.
        source: Corpus or subset; macro averages run over it.
        group: Unit that never straddles splits and that statistics cluster on.
        origin: How it was made.
        parent_id: The example it was derived from, for negatives.
        cut_frac: Share of the parent's duration kept, for clips, in (0, 1).
        extra: Keys of the metadata row that this package does not know, kept as they were.
    """

    example_id: str
    video: Path
    file_name: str
    task: str
    label: Label
    source: str
    group: str
    origin: Origin
    episode_id: str | None = None
    view: str | None = None
    parent_id: str | None = None
    cut_frac: float | None = Field(default=None, gt=0, lt=1)
    validation: Validation | None = None
    provenance: Provenance | None = None
    extra: dict[str, Any] = Field(default_factory=dict)
