"""Many environments at once are judged as each would be alone, in one call, whichever way they reset."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers.vector import DictInfoToList

from roboreward.core import ENDS_ONLY, Capability, FramePolicy, Query, UsageError, Verdict
from roboreward.rl.judging import NoReward, RewardInfo
from roboreward.rl.observing import EpisodeNotRunning
from roboreward.rl.vector import RewardModelVectorWrapper
from roboreward.rl.wrapper import RewardModelWrapper
from roboreward.sim import register_env

NEXT, SAME, OFF = AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED
LENGTHS = ((5, 1, 9), (3,), (7, 2))
NEVER = 10**6


class FilmEnv(gym.Env[Any, Any]):
    """Episodes of given lengths, in turn. Each picture says which environment, episode and step it is of."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012
    render_mode = "rgb_array"
    observation_space = spaces.Dict({"image": spaces.Box(0, 255, (4, 6, 3), np.uint8)})
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(
        self, number: int, lengths: Sequence[int], own_info: dict[str, Any] | None = None
    ) -> None:
        self.number, self.lengths, self.own_info = number, lengths, own_info or {}
        self.num_resets = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.num_resets += 1
        self.num_steps = 0
        return {"image": self.render()}, {"task": f"task {self.num_resets} of {self.number}"}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.num_steps += 1
        length = self.lengths[(self.num_resets - 1) % len(self.lengths)]
        is_over = self.num_steps >= length
        is_odd = bool(self.num_resets % 2)
        ends = (is_over and is_odd, is_over and not is_odd)
        return {"image": self.render()}, 1000.0, *ends, dict(self.own_info)

    def render(self) -> Any:
        code = np.array([self.number, self.num_resets % 251, self.num_steps % 251], np.uint8)
        return np.broadcast_to(code, (4, 6, 3)).copy()


class Film(NamedTuple):
    """What the model was asked about one episode."""

    task: str
    codes: tuple[tuple[int, ...], ...]
    indices: tuple[int, ...]
    num_frames: int


class Judge:
    """Answers from the last picture's step, modulo five. Remembers what it was asked, call by call."""

    name, revision = "judge", "v1"
    capabilities: frozenset[Capability] = frozenset({"distribution"})

    def __init__(self, policy: FramePolicy = ENDS_ONLY, *, unknown: Sequence[int] = ()) -> None:
        self.frame_policy, self.unknown = policy, unknown
        self.asked: list[list[Query]] = []

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        self.asked.append(list(queries))
        return [self._answer(query) for query in queries]

    def films_of(self, number: int) -> list[Film]:
        queries = [query for call in self.asked for query in call]
        films = [_film_of(query) for query in queries]
        return [film for film in films if film.codes[0][0] == number]

    def _answer(self, query: Query) -> Verdict:
        number, _, step = query.sample.frames_THWC[-1, 0, 0].tolist()
        if number in self.unknown:
            return Verdict.without_score("abstained", "I do not know this robot.")
        return Verdict.scored((1, 2, 3, 4, 5)[step % 5])


def _film_of(query: Query) -> Film:
    codes = tuple(tuple(map(int, frame[0, 0])) for frame in query.sample.frames_THWC)
    return Film(query.task, codes, query.sample.record.indices, query.sample.record.num_frames)


def _vector(
    mode: AutoresetMode,
    *,
    lengths: Sequence[Sequence[int]] = LENGTHS,
    own_info: dict[str, Any] | None = None,
    **kwargs: Any,
) -> RewardModelVectorWrapper:
    makers = [lambda n=n: FilmEnv(n, lengths[n], own_info) for n in range(len(lengths))]
    kwargs.setdefault("model", Judge())
    kwargs.setdefault("image_key", "image")
    return RewardModelVectorWrapper(SyncVectorEnv(makers, autoreset_mode=mode), **kwargs)


def _actions(env: VectorEnv[Any, Any, Any]) -> Any:
    return np.zeros((env.num_envs, 2), np.float32)


def _play(env: VectorEnv[Any, Any, Any], num_steps: int, *, mode: AutoresetMode) -> list[Any]:
    """Step and, where nobody else does, reset what has ended. Return what each step returned."""
    env.reset(seed=0)
    steps = []
    for _ in range(num_steps):
        steps.append(env.step(_actions(env)))
        ended = steps[-1][2] | steps[-1][3]
        if mode is OFF and ended.any():
            env.reset(options={"reset_mask": ended})
    return steps


def _alone(
    number: int, num_episodes: int, *, policy: FramePolicy = ENDS_ONLY, **kwargs: Any
) -> tuple[list[Film], list[float]]:
    """Play one environment alone; return what the model was asked, and the last reward of each episode."""
    model = Judge(policy)
    lengths = kwargs.pop("lengths", LENGTHS)
    env = RewardModelWrapper(
        FilmEnv(number, lengths[number]), model=model, image_key="image", **kwargs
    )
    rewards = []
    for _ in range(num_episodes):
        env.reset()
        is_over = False
        while not is_over:
            _, reward, terminated, truncated, _ = env.step(np.zeros(2, np.float32))
            is_over = terminated or truncated
        rewards.append(reward)
    return model.films_of(number), rewards


@pytest.mark.parametrize("policy", [ENDS_ONLY, FramePolicy(min_frames=3, max_frames=3)])
@pytest.mark.parametrize(
    ("mode", "image_key"),
    [(NEXT, "image"), (NEXT, None), (SAME, "image"), (OFF, "image"), (OFF, None)],
)
def test_each_environment_is_judged_as_it_would_be_alone(
    mode: AutoresetMode, image_key: str | None, policy: FramePolicy
) -> None:
    model = Judge(policy)
    steps = _play(_vector(mode, model=model, image_key=image_key), 60, mode=mode)
    for number in range(3):
        films = model.films_of(number)
        expected, rewards = _alone(number, len(films), policy=policy)
        assert len(films) >= 8
        assert films == expected
        is_last = [bool(step[2][number] or step[3][number]) for step in steps]
        paid = [float(step[1][number]) for step in steps]
        assert [r for r, last in zip(paid, is_last, strict=True) if last] == rewards
        assert {r for r, last in zip(paid, is_last, strict=True) if not last} == {0.0}


@pytest.mark.parametrize("mode", [NEXT, SAME, OFF])
def test_a_long_episode_is_judged_as_it_would_be_alone(mode: AutoresetMode) -> None:
    model, policy = Judge(FramePolicy()), FramePolicy()
    lengths = ((200,), (63, 150))
    _play(_vector(mode, model=model, lengths=lengths), 220, mode=mode)
    for number in range(2):
        films = model.films_of(number)
        assert films
        assert films == _alone(number, len(films), policy=policy, lengths=lengths)[0]


@pytest.mark.parametrize("mode", [NEXT, SAME, OFF])
def test_episodes_that_end_together_are_one_call(mode: AutoresetMode) -> None:
    model = Judge()
    env = _vector(mode, model=model, lengths=((4,), (4,), (4,), (NEVER,)))
    _play(env, 4, mode=mode)
    assert [len(call) for call in model.asked] == [3]
    assert env.num_judged == 3


@pytest.mark.parametrize("mode", [NEXT, SAME, OFF])
def test_the_environments_reward_is_reported_and_never_mixed_in(mode: AutoresetMode) -> None:
    for _, rewards, _, _, infos in _play(_vector(mode), 20, mode=mode):
        assert rewards.dtype == np.float64
        assert ((rewards >= 0) & (rewards <= 1)).all()
        assert (infos["env_reward"][infos["_env_reward"]] == 1000.0).all()
        assert infos["_env_reward"].all() or mode is NEXT


def test_the_step_that_only_resets_pays_zero_and_tells_nothing() -> None:
    env = _vector(NEXT, lengths=((2,), (NEVER,)), reward_offset=-1.0)
    steps = _play(env, 4, mode=NEXT)
    assert [step[1][0] for step in steps] == [-1.0, -0.5, 0.0, -1.0]
    assert [step[1][1] for step in steps] == [-1.0] * 4
    assert [step[4]["_env_reward"].tolist() for step in steps] == [
        [True, True],
        [True, True],
        [False, True],
        [True, True],
    ]
    assert "reward_model" not in steps[2][4]


@pytest.mark.parametrize("mode", [NEXT, SAME, OFF])
def test_infos_follow_gymnasiums_vector_form(mode: AutoresetMode) -> None:
    infos = _play(_vector(mode, lengths=((2,), (NEVER,))), 2, mode=mode)[-1][4]
    assert infos["_reward_model"].tolist() == [True, False]
    told = infos["reward_model"][0]
    assert isinstance(told, RewardInfo)
    assert infos["reward_model"][1] is None
    assert (told["score"], told["task"], told["frame_indices"]) == (3, "task 1 of 0", (0, 2))
    for key, value in (("is_dropped", False), ("is_cut_short", False), ("succeed", False)):
        assert infos[key].dtype == bool
        assert bool(infos[key][0]) is value
        assert infos[f"_{key}"].tolist() == [True, False]


@pytest.mark.parametrize("mode", [NEXT, SAME, OFF])
def test_it_tells_what_a_vector_of_single_wrappers_tells(mode: AutoresetMode) -> None:
    makers: list[Callable[[], gym.Env[Any, Any]]] = [
        lambda n=n: RewardModelWrapper(FilmEnv(n, LENGTHS[n]), model=Judge(), image_key="image")
        for n in range(3)
    ]
    singles = SyncVectorEnv(makers, autoreset_mode=mode)
    outside = _play(_vector(mode), 25, mode=mode)
    for ours, theirs in zip(outside, _play(singles, 25, mode=mode), strict=True):
        assert (ours[0]["image"] == theirs[0]["image"]).all()
        for i in (1, 2, 3):
            assert ours[i].tolist() == theirs[i].tolist()
        told, expected = ours[4], theirs[4]
        if mode is SAME:
            told, expected = told.get("final_info", {}), expected.get("final_info", {})
            assert ("reward_model" in ours[4]) == bool(told)
        _assert_same_infos(told, expected)


def _assert_same_infos(told: dict[str, Any], expected: dict[str, Any]) -> None:
    # Rewards of the environment are floats for all where ours are an array from the start; a mask says the same.
    assert told.keys() == expected.keys() | ({"env_reward", "_env_reward"} & told.keys())
    for key in expected:
        assert list(told[key]) == list(expected[key]), key


def test_infos_can_be_turned_into_a_list() -> None:
    infos = _play(DictInfoToList(_vector(NEXT, lengths=((2,), (NEVER,)))), 2, mode=NEXT)[-1][4]  # type: ignore[var-annotated]
    assert infos[0]["reward_model"]["score"] == 3
    assert infos[0].keys() == {
        "env_reward",
        "reward_model",
        "is_dropped",
        "is_cut_short",
        "succeed",
    }
    assert infos[1].keys() == {"env_reward"}


@pytest.mark.parametrize("mode", [NEXT, SAME, OFF])
def test_the_environments_own_word_on_success_is_left_alone(mode: AutoresetMode) -> None:
    own = {"is_success": True, "succeed": True}
    infos = _play(_vector(mode, lengths=((2,),), own_info=own), 2, mode=mode)[-1][4]
    told = infos["final_info"] if mode is SAME else infos
    assert told["is_success"].tolist() == told["succeed"].tolist() == [True]
    assert infos["reward_model"][0]["is_success"] is False


@pytest.mark.parametrize("mode", [NEXT, SAME, OFF])
def test_a_dropped_episode_costs_the_others_nothing(mode: AutoresetMode) -> None:
    model = Judge(unknown=(1,))
    env = _vector(mode, model=model, lengths=((4,), (4,), (4,)), on_error="drop")
    _, rewards, _, _, infos = _play(env, 4, mode=mode)[-1]
    assert rewards[[0, 2]].tolist() == [1.0, 1.0]
    assert math.isnan(rewards[1])
    assert infos["is_dropped"].tolist() == [False, True, False]
    assert infos["_succeed"].tolist() == [True, False, True]
    assert [told["score"] for told in infos["reward_model"]] == [5, None, 5]
    assert env.num_dropped == Counter(abstained=1)


@pytest.mark.parametrize("mode", [NEXT, SAME, OFF])
def test_without_a_score_the_step_raises_and_names_the_environment(mode: AutoresetMode) -> None:
    model = Judge(unknown=(1,))
    env = _vector(mode, model=model, lengths=((4,), (4,), (4,)))
    with pytest.raises(NoReward, match=r"sub-environment 1 \(1 of 3 episodes that ended together"):
        _play(env, 4, mode=mode)
    model.unknown = ()
    _play(env, 4, mode=mode)
    assert model.films_of(1)[-1].num_frames == 5


@pytest.mark.parametrize("mode", [NEXT, SAME, OFF])
def test_an_environment_that_never_ends_is_truncated_and_judged(mode: AutoresetMode) -> None:
    model = Judge()
    lengths = ((NEVER,), (3,), (4, NEVER, 6, 7))
    env = _vector(mode, model=model, lengths=lengths, max_episode_steps=6)
    steps = _play(env, 40, mode=mode)
    for number in range(3):
        films = model.films_of(number)
        expected, rewards = _alone(number, len(films), lengths=lengths, max_episode_steps=6)
        assert films == expected
        paid = [float(s[1][number]) for s in steps if s[2][number] or s[3][number]]
        assert paid == rewards
    told = steps[5][4]
    assert told["is_cut_short"].tolist()[0] is True
    assert steps[5][3].tolist()[0] is True
    endless = [film for film in model.films_of(2) if film.codes[0][1] % 4 in (2, 0)]
    assert env.num_cut_short == len(model.films_of(0)) + len(endless)
    assert endless
    if mode is SAME:
        assert told["final_obs"][0]["image"][0, 0].tolist() == [0, 1, 6]
        assert steps[5][0]["image"][0, 0, 0].tolist() == [0, 2, 0]
        assert bool(told["final_info"]["is_cut_short"][0])
    if mode is NEXT:
        assert steps[6][0]["image"][0, 0, 0].tolist() == [0, 2, 0]
        assert steps[6][4]["task"][0] == "task 2 of 0"


class ForeignVector(VectorEnv[Any, Any, Any]):
    """Not Gymnasium's: tasks as a list, a batch of last observations, no way to reset one alone."""

    metadata = {"autoreset_mode": SAME, "render_fps": 4}  # noqa: RUF012
    num_envs = 2

    def __init__(self, *, length: int, has_final: bool = True) -> None:
        self.length, self.has_final = length, has_final
        self.observation_space = spaces.Box(0, 255, (2, 4, 6, 3), np.uint8)
        self.action_space = spaces.Box(-1.0, 1.0, (2, 2), np.float32)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.num_steps = 0
        return self._observe(), {"task": ["left", "right"]}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        self.num_steps += 1
        ended = np.full(2, self.num_steps == self.length)
        infos: dict[str, Any] = {"task": ["up", "down"]}
        if ended[0]:
            infos |= {"final_obs": self._observe()} if self.has_final else {}
            self.num_steps = 0
        return self._observe(), np.ones(2), ended, np.zeros(2, bool), infos

    def _observe(self) -> Any:
        return np.full((2, 4, 6, 3), self.num_steps, np.uint8)


def test_a_vector_environment_that_is_not_gymnasiums_is_judged() -> None:
    model = Judge()
    env = RewardModelVectorWrapper(ForeignVector(length=3), model=model, image_key="")
    _play(env, 6, mode=SAME)
    assert [[query.task for query in call] for call in model.asked] == [
        ["left", "right"],
        ["up", "down"],
    ]
    assert _film_of(model.asked[1][1]).codes == ((0, 0, 0), (3, 3, 3))


def test_a_lost_last_frame_is_an_error() -> None:
    inner = ForeignVector(length=3, has_final=False)
    env = RewardModelVectorWrapper(inner, model=Judge(), image_key="")
    with pytest.raises(UsageError, match='infos has no "final_obs"'):
        _play(env, 3, mode=SAME)


def test_a_foreign_environment_that_never_ends_cannot_be_truncated() -> None:
    inner = ForeignVector(length=NEVER)
    env = RewardModelVectorWrapper(inner, model=Judge(), image_key="", max_episode_steps=3)
    with pytest.raises(UsageError, match=r"max_episode_steps=3.*ForeignVector.*time limit"):
        _play(env, 3, mode=SAME)


def test_a_task_function_is_given_one_environments_observation_and_info() -> None:
    model = Judge()

    def task_of(observation: Any, info: dict[str, Any]) -> str:
        return f"{info['task']}, {observation['image'].shape}, {observation['image'][0, 0, 0]}"

    _play(_vector(SAME, model=model, task=task_of), 12, mode=SAME)
    assert [film.task for film in model.films_of(2)] == [
        "task 1 of 2, (4, 6, 3), 2",
        "task 2 of 2, (4, 6, 3), 2",
    ]


def test_a_fixed_task_is_asked_about_everywhere() -> None:
    model = Judge()
    _play(_vector(NEXT, model=model, task="open the drawer"), 9, mode=NEXT)
    assert {query.task for call in model.asked for query in call} == {"open the drawer"}


def test_with_autoreset_disabled_an_ended_environment_must_be_reset() -> None:
    env = _vector(OFF, lengths=((2,), (5,)))
    _play(env, 1, mode=OFF)
    env.step(_actions(env))
    with pytest.raises(EpisodeNotRunning, match="sub-environment 0: call reset"):
        env.step(_actions(env))
    env.reset(options={"reset_mask": np.array([True, False])})
    env.step(_actions(env))
    assert env.num_unfinished == 0


@pytest.mark.parametrize("mode", [NEXT, SAME, OFF])
def test_a_step_before_reset_is_an_error(mode: AutoresetMode) -> None:
    env = _vector(mode)
    with pytest.raises(EpisodeNotRunning, match="sub-environment 0, 1, 2"):
        env.step(_actions(env))


@pytest.mark.parametrize("mode", [NEXT, SAME, OFF])
def test_episodes_left_by_reset_are_counted_and_not_judged(mode: AutoresetMode) -> None:
    model = Judge()
    env = _vector(mode, model=model, lengths=((2,), (5,), (5,)))
    env.reset()
    env.step(_actions(env))
    env.step(_actions(env))
    env.reset()
    assert env.num_unfinished == 2
    assert env.num_judged == 1
    _play(env, 5, mode=mode)
    assert model.films_of(1)[-1].codes[0][1] == model.films_of(1)[-1].codes[-1][1]


def test_an_action_that_is_no_number_is_named_with_its_environment() -> None:
    env = _vector(NEXT)
    env.reset()
    actions = _actions(env)
    actions[2, 1] = np.nan
    with pytest.raises(UsageError, match=r"action\[2, 1\] is nan"):
        env.step(actions)


@pytest.mark.parametrize("named", [None, "Sometimes"])
def test_an_unknown_way_of_resetting_is_refused(named: str | None) -> None:
    inner = SyncVectorEnv([lambda: FilmEnv(0, (3,))])
    inner.metadata["autoreset_mode"] = named
    with pytest.raises(UsageError, match=r'has .* for "autoreset_mode"'):
        RewardModelVectorWrapper(inner, model=Judge(), image_key="image")


def test_a_way_of_resetting_may_be_named_by_its_text() -> None:
    inner = SyncVectorEnv([lambda: FilmEnv(0, (3,))])
    inner.metadata["autoreset_mode"] = "NextStep"
    RewardModelVectorWrapper(inner, model=Judge(), image_key="image")


def test_rendered_pictures_cannot_be_had_of_an_episode_that_was_reset() -> None:
    with pytest.raises(UsageError, match="can no longer be rendered"):
        _vector(SAME, image_key=None)


def test_buffers_that_are_not_copied_do_no_harm() -> None:
    model = Judge(FramePolicy())
    makers = [lambda n=n: FilmEnv(n, LENGTHS[n]) for n in range(3)]
    inner = SyncVectorEnv(makers, copy=False, autoreset_mode=SAME)
    env = RewardModelVectorWrapper(inner, model=model, image_key="image", max_episode_steps=6)
    steps = _play(env, 30, mode=SAME)
    for number in range(3):
        films = model.films_of(number)
        assert films == _alone(number, len(films), policy=FramePolicy(), max_episode_steps=6)[0]
    assert steps[5][4]["final_obs"][2]["image"][0, 0].tolist() == [2, 1, 6]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("mode", [NEXT, SAME])
def test_environments_in_other_processes_are_judged_here(mode: AutoresetMode) -> None:
    model = Judge()
    makers = [lambda n=n: FilmEnv(n, LENGTHS[n]) for n in range(3)]
    env = RewardModelVectorWrapper(
        AsyncVectorEnv(makers, autoreset_mode=mode),  # type: ignore[arg-type]
        model=model,
        image_key="image",
        max_episode_steps=4,
    )
    _play(env, 20, mode=mode)
    env.close()
    for number in range(3):
        films = model.films_of(number)
        assert films
        assert films == _alone(number, len(films), max_episode_steps=4)[0]


def test_the_real_tabletop_is_judged_by_the_batch() -> None:
    model = Judge()
    inner = gym.make_vec(register_env(), num_envs=2, size_px=24, max_steps=2)
    env = RewardModelVectorWrapper(inner, model=model, image_key="image")
    _, infos = env.reset(seed=1)
    for _ in range(2):
        *_, last = env.step(np.zeros((2, 4), np.float32))
    assert [query.task for query in model.asked[0]] == infos["task"].tolist()
    assert last["is_success"].tolist() == [False, False]
    env.close()


@pytest.mark.parametrize("mode", [NEXT, SAME])
def test_a_truncated_environment_tells_what_a_reset_tells(mode: AutoresetMode) -> None:
    env = _vector(mode, lengths=((NEVER,), (2,)), own_info={"stage": 3}, max_episode_steps=3)
    infos = _play(env, 4 if mode is NEXT else 3, mode=mode)[-1][4]
    assert infos["_stage"].tolist() == [False, True]
    assert infos["_task"].tolist()[0] is True
    assert infos["task"][0] == "task 2 of 0"
