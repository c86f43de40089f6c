"""A Gymnasium environment whose reward is a reward model's verdict at the end of the episode."""

from collections import Counter
from typing import Any

import gymnasium as gym

from roboreward.core import SUCCESS_SCORE, Query, RewardModel
from roboreward.rl.frame_memory import FrameMemory
from roboreward.rl.judging import Judgement, Judging, OnError
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


class RewardModelWrapper(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Replaces an environment's reward by a reward model's verdict at the end of each episode.

    Every step pays `reward_offset`; the last one pays `mapping(verdict) * reward_scale + reward_offset`. With
    `mapping="success"` and `reward_offset=-1.0` these are the rewards of DSRL (github.com/ajwagen/dsrl): -1 a step
    and 0 for success. The environment's own reward is reported and otherwise not used.

    A verdict without a score never becomes a number. With `on_error="raise"` the episode's last step raises `NoReward`.
    With "drop" its reward is NaN and `info["is_dropped"]` is true: a learner must leave the whole episode out. Paying 0
    instead would invent a reward, the same as for a clean failure, and teach the policy to avoid whatever the reward
    model could not judge. NaN makes it loud to forget this: one update with it turns losses and weights into NaN.

    `info` of every step: `env_reward`, the environment's own reward. Of the last step also:

    - `reward_model`: the verdict, see `RewardInfo`.
    - `is_dropped`: whether there is no score.
    - `is_cut_short`: whether this wrapper ended the episode, at `max_episode_steps`. `truncated` is then true.
    - `succeed`: the reward model's opinion of success, for HIL-SERL code; absent when there is no score, and left as it
      is when the environment has one. The environment's `is_success` is ground truth and never touched.

    Put time limits inside this wrapper (`gymnasium.make` does), and `Autoreset` outside: an episode that a wrapper
    outside ends early is never judged (see `num_unfinished`). `spec` names the model by its `name`, from which
    `spec.make()` loads it again.

    Args:
        env: The environment.
        model: A reward model, or the name of one for `roboreward.load_model`.
        task: The task of each episode: a text; a function of the first observation and info; None for `info["task"]` of
            `reset`.
        image_key: Where the picture, uint8 (H, W, 3), is in the observation, such as "image" or "pixels/top"; "" for
            the observation itself. None for what `env.render()` returns, called only for frames that are needed.
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
        UsageError: An argument is out of range, there are no pictures, or no `fps`.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
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
        # A model may weigh gigabytes: the spec holds its name, and nothing is copied.
        gym.utils.RecordConstructorArgs.__init__(
            self,
            _disable_deepcopy=True,
            model=getattr(model, "name", model),
            task=task,
            image_key=image_key,
            mapping=mapping,
            reward_scale=reward_scale,
            reward_offset=reward_offset,
            on_error=on_error,
            max_episode_steps=max_episode_steps,
            fps=fps,
            success_score=success_score,
        )
        gym.Wrapper.__init__(self, env)
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
        self._memory: FrameMemory | None = None
        self._task = ""
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
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode, and remember its task and first frame.

        Raises:
            UsageError: There is no task, or the frame is no picture.
        """
        self.num_unfinished += self._memory is not None and self._memory.num_frames > 1
        self._memory = None
        observation, info = self.env.reset(seed=seed, options=options)
        self._task = task_from(self._task_source, observation, info)
        memory = FrameMemory(self._judging.model.frame_policy, fps=self._fps)
        memory.add(self._picture(observation))
        self._memory = memory
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step, and judge the episode if it has ended.

        Raises:
            EpisodeNotRunning: There was no `reset`, or the episode has ended.
            UsageError: The action holds NaN or infinity (the environment has not seen it), or a frame is no picture.
            NoReward: The episode has ended without a score, and `on_error` is "raise".
        """
        memory = self._memory
        if memory is None:
            raise EpisodeNotRunning(
                "No episode is running: call reset() before step(), at first and after each end. "
                "An Autoreset wrapper belongs outside this one."
            )
        check_finite(action)
        observation, env_reward, terminated, truncated, own_info = self.env.step(action)
        info = {**own_info, "env_reward": env_reward}
        has_ended = bool(terminated or truncated)
        is_cut_short = not has_ended and memory.num_frames >= self._max_steps
        if not (has_ended or is_cut_short):
            if memory.is_next_held:
                memory.add(self._picture(observation))
            else:
                memory.skip()
            return observation, self._judging.offset, terminated, truncated, info
        memory.add(self._picture(observation))
        self.num_cut_short += is_cut_short
        judgement = self._judge(memory)
        info |= judgement.outcome(is_cut_short=is_cut_short, has_succeed="succeed" in own_info)
        return observation, judgement.reward, terminated, truncated or is_cut_short, info

    def _judge(self, memory: FrameMemory) -> Judgement:
        self._memory = None
        name = f"episode {self.num_judged}"
        return self._judging.judge([Query(memory.sample(origin=name), self._task, name)])[0]

    def _picture(self, observation: Any) -> Any:
        if self._image_key is None:
            return self.env.render()
        return image_at(observation, self._image_key)
