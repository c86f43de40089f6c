"""The flow policy: it imitates all that was shown, is the same from the same seed, and survives the disk."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the rl extra is not installed")

from safetensors.torch import load_file, save_file  # noqa: E402

from roboreward.core import DataError  # noqa: E402
from roboreward.rl import Demonstrations, FlowPolicy, clone, load_policy  # noqa: E402

pytestmark = pytest.mark.torch

CENTRES = np.array(((2.0, 0.0), (-2.0, 1.0)))


def two_ways(num: int = 2000, *, share: float = 0.7) -> Demonstrations:
    """Actions near the first centre with a probability of `share`, else near the second, shifted by the observation."""
    rng = np.random.default_rng(0)
    seen = rng.uniform(-1, 1, (num, 1))
    which = (rng.random(num) > share).astype(int)
    done = CENTRES[which] + seen * (0, 1) + rng.normal(0, 0.1, (num, 2))
    return Demonstrations(seen.astype(np.float32), done.astype(np.float32))


def noise(num: int, size: int = 2, *, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((num, size), np.float32)


@pytest.fixture(scope="module")
def policy() -> FlowPolicy:
    return clone(two_ways(), steps=800)


@pytest.mark.parametrize("seen", [-0.8, 0.0, 0.8])
def test_both_ways_are_imitated_as_often_as_shown_and_nothing_between(
    policy: FlowPolicy, seen: float
) -> None:
    actions = policy.actions(np.array([seen], np.float32), noise(1000))
    there = CENTRES + seen * np.array((0, 1))
    away = np.linalg.norm(actions[:, None] - there, axis=2)
    assert np.mean(away.min(1) < 0.6) > 0.9
    assert np.mean(away.argmin(1) == 0) == pytest.approx(0.7, abs=0.08)
    for way in (0, 1):
        mean = actions[away.argmin(1) == way].mean(0)
        assert mean == pytest.approx(there[way], abs=0.2)


def test_an_action_depends_on_its_own_noise_and_on_nothing_else(policy: FlowPolicy) -> None:
    seen, noises = np.array([0.3], np.float32), noise(48)
    actions = policy.actions(seen, noises)
    assert (actions.dtype, actions.shape) == (np.float32, (48, 2))
    assert np.array_equal(policy.actions(seen, noises), actions)
    alone = np.concatenate([policy.actions(seen, noises[i : i + 1]) for i in range(48)])
    assert alone == pytest.approx(actions, abs=1e-5)
    assert not np.allclose(policy.actions(-seen, noises), actions, atol=1e-3)
    assert np.array_equal(noises, noise(48))


def test_the_same_seed_is_the_same_policy_and_another_seed_another() -> None:
    shown = two_ways(100)
    digests = [clone(shown, steps=3, seed=seed).digest for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]
    assert clone(shown, steps=4).digest != digests[0]
    other = Demonstrations(shown.seen, shown.done + 0.01)
    assert clone(other, steps=3).digest != digests[0]


def test_cloning_loading_and_acting_leave_the_global_generators_alone(tmp_path: Path) -> None:
    def states() -> tuple[bytes, str]:
        return bytes(torch.get_rng_state().numpy()), repr(np.random.get_state())

    torch.manual_seed(5)
    before = states()
    found = clone(two_ways(50), steps=2)
    found.save(tmp_path / "base.safetensors")
    load_policy(tmp_path / "base.safetensors").actions(np.zeros(1, np.float32), noise(2))
    assert states() == before
    # And the other way round: what others draw does not change a policy.
    torch.rand(3)
    assert clone(two_ways(50), steps=2).digest == found.digest


def test_demonstrations_that_never_vary_in_a_number_do_not_break_cloning() -> None:
    shown = two_ways(100)
    still = Demonstrations(shown.seen, shown.done * np.array((1, 0), np.float32))
    actions = clone(still, steps=30).actions(np.zeros(1, np.float32), noise(20))
    assert np.isfinite(actions).all()
    assert np.abs(actions[:, 1]).max() < 0.02


def test_a_policy_is_frozen(policy: FlowPolicy) -> None:
    before = policy.digest
    actions = policy.actions(np.zeros(1, np.float32), noise(5))
    kept = actions.copy()
    actions += 1.0
    assert np.array_equal(policy.actions(np.zeros(1, np.float32), noise(5)), kept)
    assert policy.digest == before


def test_a_saved_policy_is_the_same_when_loaded(policy: FlowPolicy, tmp_path: Path) -> None:
    path = tmp_path / "policies" / "toy.safetensors"
    policy.save(path)
    loaded = load_policy(path)
    assert loaded.digest == policy.digest
    assert (loaded.num_seen, loaded.num_done) == (policy.num_seen, policy.num_done) == (1, 2)
    seen = np.array([0.5], np.float32)
    assert np.array_equal(loaded.actions(seen, noise(9)), policy.actions(seen, noise(9)))
    assert [p.name for p in path.parent.iterdir()] == ["toy.safetensors"]


@pytest.mark.parametrize(
    "damage",
    ["missing", "empty", "torn", "text", "stranger", "no mean", "scalar", "flat", "another size"],
)
def test_a_file_that_is_no_whole_policy_is_refused_by_name(
    policy: FlowPolicy, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "base.safetensors"
    policy.save(path)
    data, tensors = path.read_bytes(), load_file(path)
    changed = {
        "stranger": {"weights": torch.zeros(3)},
        "no mean": {k: v for k, v in tensors.items() if k != "mean"},
        "scalar": {**tensors, "mean": torch.tensor(0.0)},
        "flat": {**tensors, "net.0.weight": torch.zeros(5)},
        "another size": {**tensors, "net.2.weight": torch.zeros(4, 4)},
    }
    if damage == "missing":
        path.unlink()
    elif damage in changed:
        save_file(changed[damage], path)
    else:
        words = json.dumps({"not": "a policy"}).encode()
        path.write_bytes({"empty": b"", "torn": data[:-100], "text": words}[damage])
    with pytest.raises(
        DataError, match=r"(?s)Cannot read the policy .*base\.safetensors.*Delete it"
    ):
        load_policy(path)
