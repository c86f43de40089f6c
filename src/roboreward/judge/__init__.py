"""Prompt from a task, verdict from a text: the same objects in validation, training, benchmark and server."""

from roboreward.judge.helm import HELM_UNPARSED_ERROR, HelmReading, helm_error, parse_helm
from roboreward.judge.parser import PARSE_V1, parse
from roboreward.judge.prompt import (
    DEFAULT_PROMPT,
    PROMPTS,
    Order,
    Prompt,
    PromptConfig,
    load_prompt,
    prompt_order,
    prompt_text,
    prompt_version,
)
from roboreward.judge.task import MAX_TASK_CHARS, Neutralized, check_task, neutralize

PARSERS = (PARSE_V1, "parse-helm")
"""The rules that read a text. `parse-v1` gives verdicts; `parse-helm` only serves comparison with print."""

__all__ = [
    "DEFAULT_PROMPT",
    "HELM_UNPARSED_ERROR",
    "HelmReading",
    "MAX_TASK_CHARS",
    "Neutralized",
    "Order",
    "PARSERS",
    "PARSE_V1",
    "PROMPTS",
    "Prompt",
    "PromptConfig",
    "check_task",
    "helm_error",
    "load_prompt",
    "neutralize",
    "parse",
    "parse_helm",
    "prompt_order",
    "prompt_text",
    "prompt_version",
]
