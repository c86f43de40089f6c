"""An environment's reward is replaced by a reward model's verdict, which never lies about not having one."""

import copy
import math
import pickle
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from roboreward.core import (
    ENDS_ONLY,
    Capability,
    FramePolicy,
    FrameSample,
    Query,
    UnknownName,
    UsageError,
    Verdict,
)
from roboreward.rl.judging import NoReward
from roboreward.rl.observing import EpisodeNotRunning, check_finite, image_at
from roboreward.rl.wrapper import RewardModelWrapper
from roboreward.sim import TabletopEnv, register_env

UNWRAPPED_WARNING = "ignore:.*is different from the unwrapped version"
Action = np.zeros(2, np.float32)


class PayingEnv(gym.Env[Any, Any]):
    """Pays 1000 a step. Its pictures count the steps, in one buffer that it uses again and again."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012
    render_mode = "rgb_array"
    observation_space = spaces.Dict(
        {
            "image": spaces.Box(0, 255, (4, 6, 3), np.uint8),
            "pixels": spaces.Dict({"top": spaces.Box(0, 255, (4, 6, 3), np.uint8)}),
        }
    )
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(
        self, length: int = 12, *, is_truncated: bool = False, info: dict[str, Any] | None = None
    ) -> None:
        self.length, self.is_truncated, self.own_info = length, is_truncated, info or {}
        self.buffer = np.zeros((4, 6, 3), np.uint8)
        self.num_resets = self.num_renders = 0
        self.actions: list[Any] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.num_resets += 1
        self.num_steps = 0
        return self._observe(), {"task": f"lift block {self.num_resets}"}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.actions.append(action)
        self.num_steps += 1
        is_over = self.num_steps == self.length
        ends = (is_over and not self.is_truncated, is_over and self.is_truncated)
        return self._observe(), 1000.0, *ends, dict(self.own_info)

    def render(self) -> Any:
        self.num_renders += 1
        self.buffer[:] = self.num_steps % 251
        return self.buffer

    def _observe(self) -> Any:
        self.buffer[:] = self.num_steps % 251
        return {"image": self.buffer, "pixels": {"top": self.buffer}}


class Judge:
    """Answers from what it sees: the last frame's brightness, modulo five. Remembers what it was asked."""

    name, revision = "judge", "v1"
    capabilities: frozenset[Capability] = frozenset({"distribution"})

    def __init__(self, policy: FramePolicy = ENDS_ONLY) -> None:
        self.frame_policy = policy
        self.asked: list[list[Query]] = []

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        self.asked.append(list(queries))
        return [self._answer(query.sample) for query in queries]

    def _answer(self, sample: FrameSample) -> Verdict:
        probs = [0.05] * 5
        probs[int(sample.frames_THWC[-1, 0, 0, 0]) % 5] = 0.8
        verdict = Verdict.from_probs(tuple(probs), source="head")  # type: ignore[arg-type]
        return verdict.model_copy(update={"latency_s": 0.25, "revision": "v1"})


class Broken(Judge):
    """Lets an exception out."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        raise self.error


def _play(env: gym.Env[Any, Any], action: Any = Action) -> list[Any]:
    """Play one episode and return what each step returned."""
    env.reset(seed=0)
    steps = []
    while not steps or not (steps[-1][2] or steps[-1][3]):
        steps.append(env.step(action))
    return steps


def _wrap(env: gym.Env[Any, Any] | None = None, **kwargs: Any) -> RewardModelWrapper:
    kwargs.setdefault("model", Judge())
    return RewardModelWrapper(PayingEnv() if env is None else env, **kwargs)


def test_only_the_last_step_pays_and_it_pays_the_verdict() -> None:
    steps = _play(_wrap(PayingEnv(length=13)))
    assert [step[1] for step in steps] == [0.0] * 12 + [0.75]
    assert isinstance(steps[0][1], float)
    assert [step[2] for step in steps] == [False] * 12 + [True]


def test_the_environments_reward_is_reported_and_never_mixed_in() -> None:
    steps = _play(_wrap())
    assert all(step[4]["env_reward"] == 1000.0 for step in steps)
    assert all(0.0 <= step[1] <= 1.0 for step in steps)
    assert "reward" not in steps[0][4]


@pytest.mark.parametrize("policy", [ENDS_ONLY, FramePolicy()])
@pytest.mark.parametrize("source", [{"image_key": "image"}, {"image_key": "pixels/top"}, {}])
def test_the_reward_is_the_models_own_score_on_the_same_frames(
    policy: FramePolicy, source: dict[str, Any]
) -> None:
    model = Judge(policy)
    steps = _play(_wrap(PayingEnv(length=150), model=model, **source))
    asked = model.asked[0][0]
    seen = [int(frame[0, 0, 0]) for frame in asked.sample.frames_THWC]
    assert seen == list(asked.sample.record.indices)
    assert (seen[0], seen[-1], asked.sample.record.num_frames) == (0, 150, 151)
    assert asked.sample.record.timestamps_s[-1] == 150 / 4
    again = Judge(policy).score([asked])[0]
    assert steps[-1][1] == again.progress
    assert len(model.asked) == 1


def test_the_info_of_the_last_step_tells_everything_about_the_verdict() -> None:
    info = _play(_wrap(PayingEnv(length=3), mapping="expected"))[-1][4]
    told = dict(info["reward_model"])
    assert told == {
        "status": "scored",
        "score": 4,
        "reason": None,
        "probs": (0.05, 0.05, 0.05, 0.8, 0.05),
        "expected": pytest.approx(3.75),
        "success_prob": pytest.approx(0.85),
        "progress": 0.75,
        "reward": pytest.approx(0.6875),
        "is_success": True,
        "rationale": None,
        "model": "judge",
        "revision": "v1",
        "mapping": "expected",
        "task": "lift block 1",
        "frame_indices": (0, 3),
        "timestamps_s": (0.0, 0.75),
        "num_frames": 4,
        "latency_s": 0.25,
    }
    assert info["is_dropped"] is False
    assert info["is_cut_short"] is False
    assert info["succeed"] is True


def test_steps_before_the_last_hold_no_verdict() -> None:
    assert _play(_wrap())[0][4] == {"env_reward": 1000.0}


def test_scale_and_offset_make_the_rewards_of_dsrl() -> None:
    success = _play(_wrap(PayingEnv(length=4), mapping="success", reward_offset=-1.0))
    failure = _play(_wrap(PayingEnv(length=5), mapping="success", reward_offset=-1.0))
    assert [step[1] for step in success] == [-1.0, -1.0, -1.0, 0.0]
    assert [step[1] for step in failure] == [-1.0] * 5
    scaled = _play(_wrap(PayingEnv(length=4), reward_scale=10.0, reward_offset=-1.0))[-1]
    assert scaled[1] == 9.0
    assert scaled[4]["reward_model"]["reward"] == 1.0


def test_the_environments_own_word_on_success_is_left_alone() -> None:
    env = PayingEnv(length=4, info={"is_success": False, "succeed": False})
    info = _play(_wrap(env))[-1][4]
    assert info["reward_model"]["is_success"] is True
    assert info["is_success"] is False
    assert info["succeed"] is False


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (None, "lift block 1"),
        ("open the drawer", "open the drawer"),
        (lambda obs, info: f"{info['task']} from {obs['image'].shape}", "lift block 1 from (4, 6"),
    ],
)
def test_the_task_comes_from_info_or_text_or_function(task: Any, expected: str) -> None:
    model = Judge()
    _play(_wrap(model=model, task=task))
    assert model.asked[0][0].task.startswith(expected)


def test_each_episode_is_judged_with_its_own_task_and_frames() -> None:
    model = Judge()
    env = _wrap(PayingEnv(length=3), model=model)
    _play(env)
    _play(env)
    assert [queries[0].task for queries in model.asked] == ["lift block 1", "lift block 2"]
    assert [q[0].sample.record.num_frames for q in model.asked] == [4, 4]
    assert env.num_judged == 2


@pytest.mark.parametrize("task", ["", "  ", 7])
def test_a_task_that_is_none_is_refused_at_reset(task: Any) -> None:
    with pytest.raises(UsageError, match="task"):
        _wrap(task=lambda obs, info: task).reset()


def test_an_info_without_a_task_is_an_error_that_lists_what_there_is() -> None:
    class Taskless(PayingEnv):
        def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
            return super().reset(**kwargs)[0], {"stage": 3}

    with pytest.raises(UsageError, match=r'no "task" \(it has: stage\)'):
        _wrap(Taskless()).reset()


def test_without_a_score_the_episode_stops_the_program_and_says_why() -> None:
    env = _wrap(model="mock:I cannot tell", task="open the drawer")
    with pytest.raises(NoReward) as caught:
        _play(env)
    message = str(caught.value)
    for part in ("unparsed", "mock:I cannot tell", "open the drawer", 'on_error="drop"'):
        assert part in message
    assert caught.value.verdict is not None
    assert caught.value.verdict.status == "unparsed"
    assert caught.value.task == "open the drawer"
    assert caught.value.verdict.reason is not None
    assert caught.value.verdict.reason in message
    with pytest.raises(EpisodeNotRunning):
        env.step(Action)


def test_the_error_survives_the_way_from_another_process() -> None:
    error = NoReward("why", verdict=Verdict.without_score("refused", "no"), task="lift it")
    back = pickle.loads(pickle.dumps(error))
    assert (str(back), back.verdict, back.task) == ("why", error.verdict, "lift it")
    assert str(NoReward(error)) == "why"


def test_a_dropped_episode_pays_nan_and_is_counted_by_status() -> None:
    env = _wrap(model="mock:I cannot tell", on_error="drop", reward_offset=-1.0)
    steps = _play(env)
    assert [step[1] for step in steps[:-1]] == [-1.0] * 11
    assert math.isnan(steps[-1][1])
    info = steps[-1][4]
    assert info["is_dropped"] is True
    assert "succeed" not in info
    told = info["reward_model"]
    assert told["status"] == "unparsed"
    assert told["reason"]
    for key in ("score", "reward", "progress", "probs", "is_success"):
        assert told[key] is None
    _play(env)
    assert env.num_dropped == Counter(unparsed=2)


def test_an_error_of_this_package_in_the_model_counts_as_failed() -> None:
    env = _wrap(model=Broken(UsageError("the server is gone")), on_error="drop")
    told = _play(env)[-1][4]["reward_model"]
    assert (told["status"], told["reason"]) == ("failed", "the server is gone")
    assert env.num_dropped == Counter(failed=1)
    with pytest.raises(NoReward, match="the server is gone"):
        _play(_wrap(model=Broken(UsageError("the server is gone"))))


def test_a_bug_in_the_model_passes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        _play(_wrap(model=Broken(ZeroDivisionError()), on_error="drop"))


def test_a_model_that_loses_an_answer_is_found_out() -> None:
    class Forgetful(Judge):
        def score(self, queries: Sequence[Query]) -> list[Verdict]:
            return []

    with pytest.raises(UsageError, match=r"0 verdicts for 1 queries.*check_reward_model"):
        _play(_wrap(model=Forgetful()))


@pytest.mark.parametrize(
    ("action", "place"),
    [
        (np.array([0.0, np.nan], np.float32), r"action\[1\] is nan"),
        (np.array([[0.0, 1.0], [-np.inf, 0.0]]), r"action\[1, 0\] is -inf"),
        ({"arm": (np.zeros(2), np.array(np.inf))}, r"action\['arm'\]\[1\] is inf"),
        ([0.0, float("nan")], r"action\[1\] is nan"),
        (float("nan"), "action is nan"),
    ],
)
def test_an_action_that_is_no_number_never_reaches_the_environment(action: Any, place: str) -> None:
    inner = PayingEnv()
    env = _wrap(inner)
    env.reset()
    with pytest.raises(UsageError, match=place):
        env.step(action)
    assert inner.actions == []
    env.step(Action)


def test_actions_of_every_kind_of_space_pass_when_they_are_finite() -> None:
    nested = spaces.Dict(
        {
            "a": spaces.Box(-1.0, 1.0, (2, 3)),
            "b": spaces.Tuple((spaces.Discrete(3), spaces.MultiBinary(4))),
            "c": spaces.MultiDiscrete([2, 3]),
            "d": spaces.Text(5),
            "e": spaces.Graph(spaces.Box(0.0, 1.0, (2,)), None),
            "f": spaces.Sequence(spaces.Box(0.0, 1.0, (2,))),
        },
        seed=1,
    )
    for _ in range(10):
        check_finite(nested.sample())


def test_a_step_before_reset_or_after_the_end_is_an_error() -> None:
    env = _wrap(PayingEnv(length=2))
    with pytest.raises(EpisodeNotRunning, match="call reset"):
        env.step(Action)
    _play(env)
    with pytest.raises(gym.error.ResetNeeded):
        env.step(Action)
    _play(env)


def test_an_environment_that_never_ends_is_truncated_and_judged() -> None:
    env = _wrap(PayingEnv(length=10**9), max_episode_steps=5)
    steps = _play(env)
    assert len(steps) == 5
    assert steps[-1][2:4] == (False, True)
    assert steps[-1][4]["is_cut_short"] is True
    assert steps[-1][4]["reward_model"]["frame_indices"] == (0, 5)
    assert env.num_cut_short == 1


def test_an_end_in_the_last_allowed_step_is_the_environments_own() -> None:
    env = _wrap(PayingEnv(length=5), max_episode_steps=5)
    step = _play(env)[-1]
    assert step[2:4] == (True, False)
    assert step[4]["is_cut_short"] is False
    assert env.num_cut_short == 0


def test_a_truncated_episode_is_judged_like_any_other() -> None:
    step = _play(_wrap(PayingEnv(length=4, is_truncated=True)))[-1]
    assert step[1:4] == (1.0, False, True)


def test_an_episode_left_by_reset_is_counted_and_not_judged() -> None:
    env = _wrap()
    env.reset()
    env.reset()
    env.step(Action)
    env.reset()
    assert env.num_unfinished == 1
    assert env.num_judged == 0


def test_the_memory_of_a_long_episode_is_bounded() -> None:
    env = _wrap(PayingEnv(length=5001), model=Judge(FramePolicy()), image_key="image")
    env.reset()
    most = 0
    for _ in range(5000):
        env.step(Action)
        assert env._memory is not None
        most = max(most, env._memory.num_held)
    assert most <= 33


def test_only_the_frames_that_are_needed_are_rendered() -> None:
    env = PayingEnv(length=500)
    _play(_wrap(env))
    assert env.num_renders == 2


def test_an_environment_without_pictures_is_refused_at_once() -> None:
    env = PayingEnv()
    env.render_mode = None  # type: ignore[assignment]
    with pytest.raises(UsageError, match='render_mode="rgb_array", or give image_key'):
        _wrap(env)
    _play(_wrap(env, image_key="image"))


def test_a_wrong_key_is_an_error_that_lists_the_keys() -> None:
    with pytest.raises(UsageError, match="no 'wrist' among image, pixels"):
        _wrap(image_key="wrist").reset()
    with pytest.raises(UsageError, match="no 'side' among top"):
        _wrap(image_key="pixels/side").reset()
    with pytest.raises(UsageError, match="there is a ndarray where 'top'"):
        _wrap(image_key="image/top").reset()


def test_a_key_may_hold_a_slash_and_an_observation_may_be_the_picture() -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    assert image_at({"cam/top": picture}, "cam/top") is picture
    assert image_at({"pixels": {"cam/top": picture}}, "pixels/cam/top") is picture
    assert image_at(picture, "") is picture


def test_the_rate_is_the_environments_or_the_callers_or_an_error() -> None:
    model = Judge()
    _play(_wrap(PayingEnv(length=3), model=model, fps=10.0))
    assert model.asked[0][0].sample.record.timestamps_s == (0.0, 0.3)
    silent = PayingEnv()
    silent.metadata = {"render_modes": ["rgb_array"]}
    with pytest.raises(UsageError, match='no "render_fps"; give fps'):
        _wrap(silent)
    with pytest.raises(UsageError, match="fps is 0"):
        _wrap(fps=0)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"mapping": "progres"}, "Did you mean progress"),
        ({"on_error": "skip it"}, "Known: drop, raise"),
        ({"model": "nanno"}, "Unknown model"),
    ],
)
def test_an_unknown_name_is_refused_at_once(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        _wrap(**kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"mapping": "expected", "model": "mock:4"}, "distribution, which the model 'mock:4'"),
        ({"model": 4}, "model is a int, which is not a reward model"),
        ({"max_episode_steps": 0}, "max_episode_steps is 0"),
        ({"reward_scale": math.nan}, "reward_scale is nan"),
        ({"success_score": 1}, "give 2, 3, 4 or 5"),
    ],
)
def test_a_wrong_argument_is_refused_before_an_episode_is_wasted(
    kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        _wrap(**kwargs)


def _tabletop(**kwargs: Any) -> gym.Env[Any, Any]:
    return gym.make(
        register_env(), size_px=24, max_steps=4, render_mode="rgb_array", disable_env_checker=True
    )


@pytest.mark.filterwarnings(UNWRAPPED_WARNING)
@pytest.mark.parametrize("image_key", [None, "image"])
def test_gymnasiums_own_checker_finds_nothing(image_key: str | None) -> None:
    check_env(RewardModelWrapper(_tabletop(), model="mock:4", image_key=image_key))


def test_a_spec_builds_the_wrapper_again() -> None:
    env = RewardModelWrapper(_tabletop(), model="mock:4", mapping="success", reward_offset=-1.0)
    assert env.spec is not None
    text = env.spec.to_json()
    again = gym.envs.registration.EnvSpec.from_json(text).make()
    assert isinstance(again, RewardModelWrapper)
    assert [step[1] for step in _play(again, np.zeros(4, np.float32))] == [-1.0, -1.0, -1.0, 0.0]
    again.close()


def test_a_loaded_model_is_named_in_the_spec_and_not_copied() -> None:
    class Heavy(Judge):
        name = "mock:4"

        def __deepcopy__(self, memo: Any) -> Any:
            raise AssertionError("a model of gigabytes was copied")

    env = RewardModelWrapper(_tabletop(), model=Heavy())
    outer = gym.wrappers.TransformReward(env, float)
    assert outer.spec is not None
    assert copy.deepcopy(outer.spec.additional_wrappers[0].kwargs)["model"] == "mock:4"


def test_a_task_may_come_from_an_object_that_cannot_be_copied() -> None:
    class Operator:
        def __init__(self) -> None:
            self.lock = threading.Lock()

        def task_of(self, observation: Any, info: dict[str, Any]) -> str:
            return "open the drawer"

    model = Judge()
    _play(_wrap(model=model, task=Operator().task_of))
    assert model.asked[0][0].task == "open the drawer"


def test_the_real_tabletop_is_judged_on_its_own_pictures() -> None:
    model = Judge()
    env = RewardModelWrapper(TabletopEnv(size_px=24, max_steps=3), model=model, image_key="image")
    observation, info = env.reset(seed=1)
    steps = [env.step(np.array((1, 0, 0, -1), np.float32)) for _ in range(3)]
    sample = model.asked[0][0].sample
    assert (sample.frames_THWC[0] == observation["image"]).all()
    assert (sample.frames_THWC[1] == steps[-1][0]["image"]).all()
    assert sample.record.timestamps_s == (0.0, 3 / env.metadata["render_fps"])
    assert model.asked[0][0].task == info["task"]
    assert "is_success" in steps[-1][4]


def test_it_can_stand_inside_a_vector_environment_where_some_are_dropped() -> None:
    def make(model: Any) -> Callable[[], gym.Env[Any, Any]]:
        return lambda: _wrap(PayingEnv(length=2), model=model, on_error="drop", image_key="image")

    envs = SyncVectorEnv(
        [make(Judge()), make("mock:I cannot tell")], autoreset_mode=AutoresetMode.NEXT_STEP
    )
    envs.reset()
    envs.step(np.zeros((2, 2), np.float32))
    _, rewards, _, _, infos = envs.step(np.zeros((2, 2), np.float32))
    assert rewards[0] == 0.5
    assert math.isnan(rewards[1])
    assert infos["is_dropped"].tolist() == [False, True]
    assert [told["score"] for told in infos["reward_model"]] == [3, None]
