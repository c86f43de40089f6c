"""The texts of the zero-shot methods, kept as data files beside their source and licence."""

import hashlib
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from roboreward.judge import check_task, neutralize

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_BREAK: Final = "\n---\n"


@dataclass(frozen=True)
class MethodPrompt:
    """The text of a method; a change of one character changes its version.

    Attributes:
        name: Its file, such as "gvl-v1".
        parts: What stands between the lines "---".
        sha256: Digest of the whole text in UTF-8.
        source, paper, licence: Where wording and method come from, and under what terms.
    """

    name: str
    parts: tuple[str, ...]
    sha256: str
    source: str
    paper: str
    licence: str

    @property
    def version(self) -> str:
        """Name and content, such as "gvl-v1@1a2b3c4d5e6f"."""
        return f"{self.name}@{self.sha256[:12]}"

    def part(self, index: int, **blanks: str) -> str:
        """Return a part with `<name>` filled in for each name in `blanks`, all at once.

        `task` is cleaned and defused as in the published prompt, so that it cannot pass for a marker.

        Raises:
            UsageError: The task is empty or too long.
        """
        if "task" in blanks:
            blanks["task"] = neutralize(check_task(blanks["task"])).text
        return re.sub(r"<(\w+)>", lambda m: blanks.get(m[1], m[0]), self.parts[index])


@cache
def load_method_prompt(name: str) -> MethodPrompt:
    """Read the text of a method of this package."""
    folder = files("roboreward.models") / "prompts"
    text = folder.joinpath(f"{name}.txt").read_text("utf-8").removesuffix("\n")
    facts = tomllib.loads(folder.joinpath(f"{name}.toml").read_text("utf-8"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return MethodPrompt(name=name, parts=tuple(text.split(_BREAK)), sha256=digest, **facts)
