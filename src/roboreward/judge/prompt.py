"""The prompts that models are asked with, kept as data files beside their source and licence."""

import hashlib
import sys
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from roboreward.core import DataError, UnknownName
from roboreward.judge.task import check_task, neutralize

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Order = Literal["text-then-video", "video-then-text"]
DEFAULT_PROMPT: Final = "roboreward-v1"
PROMPTS: Final = (DEFAULT_PROMPT,)


@dataclass(frozen=True)
class Prompt:
    """A template and where it comes from.

    Attributes:
        name: Its name in `PROMPTS`.
        text: The template, to the letter, with one `placeholder` for the task.
        placeholder: What the task takes the place of.
        sha256: Digest of `text` in UTF-8.
        order: Whether the text comes before the video or after it, as published.
        source, paper, licence: Where it was published and under what terms.
    """

    name: str
    text: str
    placeholder: str
    sha256: str
    order: Order
    source: str
    paper: str
    licence: str

    @property
    def version(self) -> str:
        """Name and content, such as "roboreward-v1@1a2b3c4d5e6f"."""
        return f"{self.name}@{self.sha256[:12]}"


class PromptConfig(BaseModel):
    """How a model is asked.

    Attributes:
        template: One of `PROMPTS`.
        order: The published checkpoints were trained with the text before the video.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    template: str = Field(default=DEFAULT_PROMPT, json_schema_extra={"role": "identity"})
    order: Order = Field(default="text-then-video", json_schema_extra={"role": "identity"})

    @field_validator("template")
    @classmethod
    def _is_known(cls, template: str) -> str:
        return load_prompt(template).name

    @property
    def version(self) -> str:
        """For `Verdict.prompt`: the template's version, and the order when it is not the published one."""
        prompt = load_prompt(self.template)
        return prompt.version if self.order == prompt.order else f"{prompt.version}+{self.order}"

    def text(self, task: str) -> str:
        """Return the prompt for `task`; see `prompt_text`."""
        return prompt_text(task, template=self.template)


@cache
def load_prompt(name: str = DEFAULT_PROMPT) -> Prompt:
    """Read a template.

    Raises:
        UnknownName: There is no such template.
        DataError: The installed file is not the one that was released.
    """
    if name not in PROMPTS:
        raise UnknownName("prompt template", name, PROMPTS)
    folder = files("roboreward.judge") / "prompts"
    text = folder.joinpath(f"{name}.txt").read_text("utf-8").removesuffix("\n")
    prompt = Prompt(
        name=name, text=text, **tomllib.loads(folder.joinpath(f"{name}.toml").read_text("utf-8"))
    )
    if hashlib.sha256(text.encode()).hexdigest() != prompt.sha256:
        raise DataError(
            f"The installed prompt {name}.txt was altered, so answers to it could not be compared with others. "
            "Install the package again."
        )
    return prompt


def prompt_text(task: str, *, template: str = DEFAULT_PROMPT) -> str:
    """Return the prompt for a task.

    The task is cleaned by `check_task`, and sequences that could pass for the model's own markers are defused by
    `neutralize`; everything else of the template is as published.

    Raises:
        UsageError: The task is empty or too long.
        UnknownName: There is no such template.
    """
    prompt = load_prompt(template)
    return prompt.text.replace(prompt.placeholder, neutralize(check_task(task)).text, 1)


def prompt_order(template: str = DEFAULT_PROMPT) -> Order:
    """Return whether the text comes before the video or after it, as the template was published."""
    return load_prompt(template).order


def prompt_version(template: str = DEFAULT_PROMPT) -> str:
    """Return the template's name and content hash, such as "roboreward-v1@1a2b3c4d5e6f"."""
    return load_prompt(template).version
