"""Whole episodes: the expert, the failures, and that a spec decides everything."""

from typing import Any, cast

import numpy as np
import pytest

from roboreward.core import UnknownName, UsageError
from roboreward.sim import (
    FAILURES,
    HELD_OUT_OBJECTS,
    EpisodeSpec,
    Failure,
    SimEpisode,
    score_task,
    simulate,
    simulate_states_only,
)
from roboreward.sim.episode import write_script


def _same(a: SimEpisode, b: SimEpisode) -> bool:
    states = all(
        np.array_equal(x.objects_xyz, y.objects_xyz) and x.held == y.held
        for x, y in zip(a.states, b.states, strict=True)
    )
    words = (a.task, a.task_text, a.label, a.failure, a.duration_s, a.layout)
    return states and words == (b.task, b.task_text, b.label, b.failure, b.duration_s, b.layout)


def test_the_expert_does_nearly_every_task() -> None:
    scores = [simulate_states_only(EpisodeSpec("train", index)).label.score for index in range(60)]
    assert scores.count(5) >= 59


@pytest.mark.parametrize("failure", [kind for kind in FAILURES if kind != "none"])
def test_every_kind_of_failure_fails_sometimes(failure: Failure) -> None:
    episodes = (simulate_states_only(EpisodeSpec("train", i, failure)) for i in range(30))
    assert any(episode.label.score < 5 for episode in episodes)


def test_organic_episodes_reach_every_level() -> None:
    episodes = [simulate_states_only(EpisodeSpec("test", i, None)) for i in range(60)]
    assert {episode.label.score for episode in episodes} == {1, 2, 3, 4, 5}


def test_the_same_spec_gives_the_same_bits_whatever_came_before() -> None:
    spec = EpisodeSpec("test", 3, None, num_frames=3, size_px=32)
    first = simulate(spec)
    simulate_states_only(EpisodeSpec("train", 8, "bump"))
    again = simulate(spec)
    assert _same(first, again)
    assert first.frames_THWC.tobytes() == again.frames_THWC.tobytes()


def test_leaving_out_the_pictures_changes_nothing_else() -> None:
    spec = EpisodeSpec("test-phrasing", 5, None, num_frames=4, size_px=24)
    full, bare = simulate(spec), simulate_states_only(spec)
    assert _same(full, bare)
    assert full.frames_THWC.shape == (4, 24, 24, 3)
    assert bare.frames_THWC.shape == (0, 24, 24, 3)


def test_frames_states_and_times_belong_together() -> None:
    episode = simulate(EpisodeSpec("train", 0, num_frames=5, size_px=24))
    assert len(episode.frames_THWC) == len(episode.states) == len(episode.times_s) == 5
    assert episode.times_s[0] == 0.0
    assert episode.times_s[-1] == pytest.approx(episode.duration_s)
    uv = episode.pixels_uv(episode.states[0].objects_xyz)
    assert uv.shape == (4, 2)
    assert 0 < uv.min() < uv.max() < 24


def test_the_label_is_the_rule_applied_to_the_first_and_last_state() -> None:
    episode = simulate_states_only(EpisodeSpec("test", 11, None))
    states = episode.states
    assert episode.label == score_task(episode.task, episode.layout, states[0], states[-1])


def test_the_failure_changes_neither_the_scene_nor_the_task() -> None:
    scripts = [write_script(EpisodeSpec("test", 7, kind)) for kind in ("none", "noise", None)]
    assert len({script.task_text for script in scripts}) == 1
    assert all(script.layout == scripts[0].layout for script in scripts)


def test_tasks_of_the_combination_split_name_a_held_out_object() -> None:
    names = {" ".join(look) for look in HELD_OUT_OBJECTS}
    texts = [write_script(EpisodeSpec("test-combos", i)).task_text for i in range(40)]
    assert all(any(name in text for name in names) for text in texts)
    others = [write_script(EpisodeSpec("test", i)).task_text for i in range(40)]
    assert not any(name in text for name in names for text in others)


def test_a_spec_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(UnknownName, match="forced_drop"):
        EpisodeSpec("train", 0, "forced_dop")
    with pytest.raises(UnknownName):
        EpisodeSpec(cast(Any, "testing"), 0)
    for wrong in ({"num_frames": 1}, {"size_px": 4}):
        with pytest.raises(UsageError):
            EpisodeSpec("train", 0, **wrong)
    with pytest.raises(UsageError):
        EpisodeSpec("train", -1)
