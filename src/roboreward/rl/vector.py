"""A Gymnasium vector environment whose rewards are a reward model's verdicts, asked for in batches."""

from collections import Counter
from copy import deepcopy
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper
from gymnasium.vector.utils import iterate

from roboreward.core import SUCCESS_SCORE, Query, RewardModel, UsageError, shorten
from roboreward.rl.frame_memory import FrameMemory
from roboreward.rl.judging import Judging, OnError
from roboreward.rl.mapping import RewardMapping
from roboreward.rl.observing import (
    DEFAULT_MAX_EPISODE_STEPS,
    EpisodeNotRunning,
    TaskSource,
    check_finite,
    check_image_source,
    check_max_steps,
    find_fps,
    image_at,
    task_from,
)
from roboreward.rl.vector_infos import forget, has_key, info_of

Mask = npt.NDArray[np.bool_]
Infos = dict[str, Any]


class RewardModelVectorWrapper(VectorWrapper):
    """`RewardModelWrapper` for a vector environment: one call of the model for all episodes that end in a step.

    Rewards, errors and dropped episodes are as in `RewardModelWrapper`, with float64 rewards (num_envs,) and infos in
    Gymnasium's vector form: `infos["env_reward"]` (float64), `infos["reward_model"]` (objects: a `RewardInfo` for each
    sub-environment that ended, else None), `infos["is_dropped"]`, `infos["is_cut_short"]` and `infos["succeed"]`
    (bool), each with its mask `infos["_..."]`. Values under a False mask mean nothing.

    All of Gymnasium's autoreset modes work, as named by `env.metadata["autoreset_mode"]`:

    - NEXT_STEP: the step after an end only resets. It pays 0.0, has no `env_reward`, and is to be left out by the
      learner, as always in this mode.
    - SAME_STEP: the last frame is taken from `infos["final_obs"]`, so `image_key` is needed. The keys above also stand
      in `infos["final_info"]`.
    - DISABLED: reset ended sub-environments with `reset(options={"reset_mask": mask})`.

    A sub-environment that does not end is truncated at `max_episode_steps`. In the first two modes this needs a
    `SyncVectorEnv` or `AsyncVectorEnv`, since others cannot be asked to reset one sub-environment; in NEXT_STEP mode
    the sub-environment makes one more step, which nobody sees, before it resets.

    Args:
        env: The vector environment.
        model: A reward model, or the name of one for `roboreward.load_model`.
        task: As in `RewardModelWrapper`; a function is given the observation and info of one sub-environment.
        image_key: As in `RewardModelWrapper`. None for what `env.render()` returns, a picture a sub-environment.
        mapping: From verdict to reward in [0, 1]; see `RewardMapping`.
        reward_scale: Multiplies the mapped verdict.
        reward_offset: Added to the reward of every step.
        on_error: "raise" or "drop": what to do with an episode that has no score.
        max_episode_steps: An episode is truncated after this many steps, and judged.
        fps: Steps a second, for the times of the frames; None for `env.metadata["render_fps"]`.
        success_score: Lowest score that counts as a success.

    Attributes:
        num_cut_short: Episodes that were truncated at `max_episode_steps`.
        num_unfinished: Episodes that were left by `reset` after a step, and so never judged.

    Raises:
        UnknownName: There is no such model, mapping or `on_error`.
        UsageError: An argument is out of range, there are no pictures, no `fps`, or no autoreset mode.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        *,
        model: RewardModel | str,
        task: TaskSource = None,
        image_key: str | None = None,
        mapping: RewardMapping = "progress",
        reward_scale: float = 1.0,
        reward_offset: float = 0.0,
        on_error: OnError = "raise",
        max_episode_steps: int = DEFAULT_MAX_EPISODE_STEPS,
        fps: float | None = None,
        success_score: int = SUCCESS_SCORE,
    ) -> None:
        super().__init__(env)
        self._mode = _autoreset_mode(env, image_key)
        check_image_source(image_key, env.render_mode)
        self._judging = Judging(
            model,
            mapping=mapping,
            reward_scale=reward_scale,
            reward_offset=reward_offset,
            on_error=on_error,
            success_score=success_score,
        )
        self._task_source, self._image_key = task, image_key
        self._fps, self._max_steps = find_fps(fps, env.metadata), check_max_steps(max_episode_steps)
        self._tasks = [""] * env.num_envs
        self._memories: list[FrameMemory | None] = [None] * env.num_envs
        self._num_steps = np.zeros(env.num_envs, np.int64)
        # Ended in the last step, and of these the ones that the environment does not know to have ended.
        self._has_ended, self._is_overdue = self._nobody(), self._nobody()
        self.num_cut_short = self.num_unfinished = 0

    @property
    def num_dropped(self) -> Counter[str]:
        """Episodes without a score, by status of the verdict."""
        return self._judging.num_dropped

    @property
    def num_judged(self) -> int:
        """Episodes that the model was asked about, dropped ones included."""
        return self._judging.num_judged

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, Infos]:
        """Start episodes: of all sub-environments, or of those in `options["reset_mask"]`.

        Raises:
            UsageError: A sub-environment has no task, or its frame is no picture.
        """
        # Taken out before the call: Gymnasium's vector environments remove it from the caller's options.
        mask = (options or {}).get("reset_mask")
        begun = ~self._nobody() if mask is None else np.array(mask, bool)
        left = begun & ~self._has_ended & (self._num_steps > 0)
        self.num_unfinished += int(left.sum())
        observations, infos = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        self._has_ended[begun] = self._is_overdue[begun] = False
        self._begin(begun, observations, infos)
        return observations, infos

    def step(
        self, actions: Any
    ) -> tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], Infos]:
        """Step all sub-environments, and judge the episodes that have ended.

        Raises:
            EpisodeNotRunning: There was no `reset`, or, with autoreset disabled, a sub-environment has ended.
            UsageError: An action holds NaN or infinity (no environment has seen it), a frame is no picture, or a
                sub-environment that does not end cannot be truncated.
            NoReward: An episode has ended without a score, and `on_error` is "raise".
        """
        self._check_running()
        check_finite(actions)
        observations, env_rewards, terminations, truncations, own_infos = self.env.step(actions)
        terminated, truncated = np.array(terminations, bool), np.array(truncations, bool)
        infos = dict(own_infos)

        resets = self._has_ended if self._mode is AutoresetMode.NEXT_STEP else self._nobody()
        if (overdue := self._is_overdue & resets).any():
            observations, infos = self._reset_some(overdue, infos)
            terminated[overdue] = truncated[overdue] = False

        self._num_steps[~resets] += 1
        ended = (terminated | truncated) & ~resets
        late = ~resets & ~ended & (self._num_steps >= self._max_steps)
        truncated |= late
        final = ended | late
        self._film(~resets, observations, infos, ended=ended, late=late)
        queries = [self._query(i) for i in _indices(final)]
        self.num_cut_short += int(late.sum())

        if self._mode is AutoresetMode.SAME_STEP:
            if late.any():
                observations, infos = self._reset_late(late, observations, infos)
            self._begin(final, observations, infos)
        else:
            self._begin(resets, observations, infos)
            self._has_ended, self._is_overdue = final, late
        rewards = self._pay(queries, infos, env_rewards, resets=resets, final=final, late=late)
        return observations, rewards, terminated, truncated, infos

    def _nobody(self) -> Mask:
        return np.zeros(self.env.num_envs, bool)

    def _check_running(self) -> None:
        is_stopped = self._has_ended & (self._mode is AutoresetMode.DISABLED)
        waiting = [i for i, memory in enumerate(self._memories) if memory is None or is_stopped[i]]
        if waiting:
            raise EpisodeNotRunning(
                f"No episode is running in sub-environment {shorten(', '.join(map(str, waiting)))}: call reset() "
                'first, and after each end reset(options={"reset_mask": terminated | truncated}).'
            )

    def _begin(self, begun: Mask, observations: Any, infos: Infos) -> None:
        """Remember the tasks and first frames of new episodes."""
        if not begun.any():
            return
        images = self._images(observations)
        for i in _indices(begun):
            self._memories[i] = None
            self._tasks[i] = self._task_of(i, observations, infos)
            memory = FrameMemory(self._judging.model.frame_policy, fps=self._fps)
            memory.add(images[i])
            self._memories[i], self._num_steps[i] = memory, 0

    def _task_of(self, index: int, observations: Any, infos: Infos) -> str:
        if isinstance(self._task_source, str):
            return self._task_source
        observation = None
        if self._task_source is not None:
            observation = next(
                islice(iterate(self.env.observation_space, observations), index, None)
            )
        return task_from(self._task_source, observation, info_of(infos, index))

    def _film(
        self, running: Mask, observations: Any, infos: Infos, *, ended: Mask, late: Mask
    ) -> None:
        """Remember the frames of this step that are needed."""
        wanted = []
        for i in _indices(running):
            memory = self._memory(i)
            if ended[i] or late[i] or memory.is_next_held:
                wanted.append(i)
            else:
                memory.skip()
        if not wanted:
            return
        images = self._images(observations)
        for i in wanted:
            is_gone = ended[i] and self._mode is AutoresetMode.SAME_STEP
            self._memory(i).add(self._final_image(infos, i) if is_gone else images[i])

    def _memory(self, index: int) -> FrameMemory:
        memory = self._memories[index]
        assert memory is not None
        return memory

    def _images(self, observations: Any) -> Any:
        if self._image_key is not None:
            return image_at(observations, self._image_key)
        rendered = self.env.render()
        if rendered is None or len(rendered) != self.env.num_envs:
            raise UsageError(
                "render() of the vector environment gave no picture a sub-environment. Give image_key, where the "
                "picture is in the observation."
            )
        return rendered

    def _final_image(self, infos: Infos, index: int) -> Any:
        finals = infos.get("final_obs")
        if finals is None:
            raise UsageError(
                f'Sub-environment {index} ended and was reset in the same step, but infos has no "final_obs", so its '
                "last frame is lost. Use another autoreset mode."
            )
        key = self._image_key or ""
        # Gymnasium's own hold one observation each; others give a batch, as for observations.
        is_batch = isinstance(finals, dict)
        return image_at(finals, key)[index] if is_batch else image_at(finals[index], key)

    def _query(self, index: int) -> Query:
        name = f"sub-environment {index}"
        return Query(self._memory(index).sample(origin=name), self._tasks[index], name)

    def _pay(
        self,
        queries: list[Query],
        infos: Infos,
        env_rewards: Any,
        *,
        resets: Mask,
        final: Mask,
        late: Mask,
    ) -> npt.NDArray[np.float64]:
        """Return the rewards of a step, and write what they stand on into `infos`."""
        infos["env_reward"] = np.where(resets, 0.0, np.asarray(env_rewards, np.float64))
        infos["_env_reward"] = ~resets
        rewards = np.where(resets, 0.0, self._judging.offset)
        if not queries:
            return rewards
        # Vector environments that are not Gymnasium's may lack it, or hold a list.
        has_final_info = isinstance(infos.get("final_info"), dict)
        for i, judgement in zip(_indices(final), self._judging.judge(queries), strict=True):
            rewards[i] = judgement.reward
            last = infos["final_info"] if has_final_info else infos
            has_succeed = has_key(last, "succeed", i)
            outcome = judgement.outcome(is_cut_short=bool(late[i]), has_succeed=has_succeed)
            self._add_info(infos, outcome, i)
            if has_final_info:
                outcome["env_reward"] = infos["env_reward"][i]
                self._add_info(infos, {"final_info": outcome}, i)
        return rewards

    def _reset_some(self, which: Mask, infos: Infos) -> tuple[Any, Infos]:
        """Reset some sub-environments, and put their infos in place of those of the step."""
        if not isinstance(self.env.unwrapped, SyncVectorEnv | AsyncVectorEnv):
            raise UsageError(
                f"A sub-environment has not ended after max_episode_steps={self._max_steps}, and a "
                f"{type(self.env.unwrapped).__name__} cannot be asked to reset it alone. Give its sub-environments a "
                "time limit, or use autoreset mode DISABLED."
            )
        observations, reset_infos = self.env.reset(options={"reset_mask": which.copy()})
        for i in _indices(which):
            forget(infos, i)
            self._add_info(infos, info_of(reset_infos, i), i)
        return observations, infos

    def _reset_late(self, late: Mask, observations: Any, infos: Infos) -> tuple[Any, Infos]:
        """Do for sub-environments that do not end what SAME_STEP autoreset does for those that do."""
        singles = list(iterate(self.env.observation_space, observations))
        lasts = {
            i: {"final_obs": deepcopy(singles[i]), "final_info": info_of(infos, i)}
            for i in _indices(late)
        }
        observations, infos = self._reset_some(late, infos)
        for i, last in lasts.items():
            self._add_info(infos, last, i)
        return observations, infos


def _indices(mask: Mask) -> list[int]:
    return [int(i) for i in np.flatnonzero(mask)]


def _autoreset_mode(env: VectorEnv[Any, Any, Any], image_key: str | None) -> AutoresetMode:
    """Return how ended sub-environments are reset. A guess would put frames of two episodes into one."""
    named = env.metadata.get("autoreset_mode")
    mode = next((mode for mode in AutoresetMode if named in (mode, mode.value)), None)
    if mode is None:
        raise UsageError(
            f'The vector environment\'s metadata has {named!r} for "autoreset_mode", so it is unknown how ended '
            "sub-environments are reset. Set it to one of gymnasium.vector.AutoresetMode."
        )
    if mode is AutoresetMode.SAME_STEP and image_key is None:
        raise UsageError(
            "With autoreset in the same step, an episode's last picture can no longer be rendered. Give image_key, "
            "or use another autoreset mode."
        )
    return mode
