"""What the wrappers take from an environment: the rate, the picture, the task; and the actions they let through."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from roboreward.core import UsageError, shorten
from roboreward.judge import check_task

TaskSource = str | Callable[[Any, dict[str, Any]], str] | None
"""Where an episode's task comes from: a fixed text, a function of the first observation and info, or None for
`info["task"]`."""

DEFAULT_MAX_EPISODE_STEPS = 10_000


class EpisodeNotRunning(UsageError, gym.error.ResetNeeded):
    """`step` was called before `reset`, or after an episode's end. Also Gymnasium's `ResetNeeded`."""


def find_fps(fps: float | None, metadata: Mapping[str, Any]) -> float:
    """Return the environment's steps a second: `fps`, or `metadata["render_fps"]`.

    Raises:
        UsageError: There is neither, or it is not a positive number.
    """
    found = metadata.get("render_fps") if fps is None else fps
    if found is None:
        raise UsageError(
            'The environment\'s metadata has no "render_fps"; give fps, its steps a second, so that the reward model '
            "sees frames at the right times."
        )
    if not (isinstance(found, int | float | np.number) and math.isfinite(found) and found > 0):
        raise UsageError(f"fps is {shorten(repr(found))}; give the environment's steps a second.")
    return float(found)


def check_image_source(image_key: str | None, render_mode: str | None) -> None:
    """Check that pictures can be had.

    Raises:
        UsageError: `image_key` is None and the environment does not render arrays.
    """
    if image_key is None and render_mode != "rgb_array":
        raise UsageError(
            f"The environment's render_mode is {render_mode!r}, so there are no pictures. Make it with "
            'render_mode="rgb_array", or give image_key, where the picture is in the observation.'
        )


def check_max_steps(max_episode_steps: int) -> int:
    """Return `max_episode_steps` if it is at least 1.

    Raises:
        UsageError: It is not.
    """
    if max_episode_steps < 1:
        raise UsageError(f"max_episode_steps is {max_episode_steps}; give at least 1.")
    return max_episode_steps


def image_at(observation: Any, image_key: str) -> Any:
    """Return what is at `image_key` of an observation, or of a batch of them.

    Args:
        observation: Dicts inside dicts, or the picture itself.
        image_key: Such as "image" or "pixels/top"; "" for the observation itself. A key that holds a "/" is found, too.

    Raises:
        UsageError: There is nothing at that key; the message lists what there is.
    """
    node, rest = observation, image_key
    while rest:
        if isinstance(node, Mapping) and rest in node:
            return node[rest]
        head, _, rest = rest.partition("/")
        if not isinstance(node, Mapping) or head not in node:
            raise UsageError(
                f"The observation has no {image_key!r}: {_contents(node, head)}. Give image_key as one of its keys, "
                '"" for the observation itself, or None to use what the environment renders.'
            )
        node = node[head]
    return node


def task_from(source: TaskSource, observation: Any, info: dict[str, Any]) -> str:
    """Return the task of an episode that begins with this observation and info.

    Raises:
        UsageError: `source` is None and the info holds no "task", or the task is not text or empty.
    """
    if isinstance(source, str):
        task = source
    elif source is not None:
        task = source(observation, info)
    elif "task" in info:
        task = info["task"]
    else:
        raise UsageError(
            f'The info of reset has no "task" (it has: {shorten(_names(info))}). Give task: a text, or a function of '
            "the first observation and info."
        )
    check_task(task)
    return str(task)


def check_finite(action: Any) -> None:
    """Check an action, or a batch of them, before an environment or a robot sees it.

    Args:
        action: Numbers and arrays, in dicts, tuples and lists as action spaces nest them.

    Raises:
        UsageError: A number is NaN or infinite; the message says which one.
    """
    for place, value in _bad_numbers(action, ""):
        raise UsageError(
            f"action{place} is {value}. A policy that gives such numbers has diverged; the environment has not seen "
            "this action."
        )


def _bad_numbers(action: Any, place: str) -> Iterator[tuple[str, float]]:
    if isinstance(action, Mapping):
        for key, part in action.items():
            yield from _bad_numbers(part, f"{place}[{key!r}]")
    elif isinstance(action, Sequence) and not isinstance(action, str | bytes):
        for index, part in enumerate(action):
            yield from _bad_numbers(part, f"{place}[{index}]")
    else:
        numbers = np.asarray(action)
        if numbers.dtype.kind in "fc" and not (is_finite := np.isfinite(numbers)).all():
            at = tuple(int(i) for i in np.argwhere(~is_finite)[0])
            yield f"{place}{list(at) if at else ''}", numbers[at].item()


def _contents(node: Any, head: str) -> str:
    if isinstance(node, Mapping):
        return f"no {head!r} among {shorten(_names(node))}"
    return f"there is a {type(node).__name__} where {head!r} is looked for"


def _names(mapping: Mapping[str, Any]) -> str:
    return ", ".join(map(str, mapping)) or "nothing"
