"""Many episodes: order, processes, balance."""

from collections import Counter

import pytest

from roboreward.core import RoboRewardError, UsageError
from roboreward.sim import EpisodeSpec, balanced_specs, generate, simulate_states_only


def test_two_processes_give_what_one_gives_in_the_same_order() -> None:
    specs = [EpisodeSpec("test", i, None, num_frames=2, size_px=24) for i in range(18)]
    pairs = list(zip(generate(specs, num_workers=2), generate(specs, num_workers=1), strict=True))
    assert [a.spec for a, _ in pairs] == specs
    assert all(a.frames_THWC.tobytes() == b.frames_THWC.tobytes() for a, b in pairs)
    assert all(a.label == b.label and a.task_text == b.task_text for a, b in pairs)


def test_an_error_in_a_worker_process_reaches_the_caller() -> None:
    good = EpisodeSpec("test", 0, num_frames=2, size_px=24)
    bad = EpisodeSpec("test", 0, num_frames=2, size_px=24)
    object.__setattr__(bad, "split", "nowhere")
    with pytest.raises(RoboRewardError, match="nowhere"):
        list(generate([good, bad], num_workers=2))


def test_balanced_specs_hold_as_many_of_each_score() -> None:
    specs = balanced_specs("test", per_level=3, num_frames=4, num_workers=1)
    scores = Counter(simulate_states_only(spec).label.score for spec in specs)
    assert scores == {1: 3, 2: 3, 3: 3, 4: 3, 5: 3}
    assert {(spec.failure, spec.num_frames) for spec in specs} == {(None, 4)}
    assert [spec.index for spec in specs] == sorted(spec.index for spec in specs)


def test_a_longer_balanced_list_extends_a_shorter_one() -> None:
    short = balanced_specs("test-combos", per_level=1, num_workers=1)
    assert set(short) <= set(balanced_specs("test-combos", per_level=2, num_workers=1))


def test_nonsense_counts_are_refused() -> None:
    with pytest.raises(UsageError):
        balanced_specs("test", per_level=0)
    with pytest.raises(UsageError):
        generate([], num_workers=0)
