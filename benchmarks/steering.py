"""What the choices in design/steering.md are worth: the learner as it is, and with one choice undone at a time.

    OMP_NUM_THREADS=1 python benchmarks/steering.py [--seeds 100 101 102] [--episodes 400]

Rewards are the simulator's (success), so that only the learner differs. Seeds from 100 on are the development seeds:
the study's own are not touched. Prints true success on 150 further scenes a seed. Needs the extra `rl`.
"""

import argparse
import time

import numpy as np

from roboreward.rl import Steering, SteeringBudget, clone, critic, demonstrate, play, use_one_thread
from roboreward.sim import SkillEnv

CELLS = (("wrong-object", 1, 2000), ("imprecise", 4, 1200))
NUM_EVAL = 150


class SeesNoise(Steering):
    """Undoes: the critic values a noise sample by the action it leads to. Here it sees the noise itself."""

    def __init__(self, policy, *, seed):
        super().__init__(policy, seed=seed)
        self._noise_of = {}
        add = self.critic.add
        self.critic.add = lambda decisions, reward: add(
            [(seen, self._noise_of[done.tobytes()]) for seen, done in decisions], reward
        )

    def draw(self, seen_S):
        return self._act(seen_S, self._noise(1), 0)

    def _by(self, head):
        def choose(seen_S):
            if len(self.critic) == 0:
                return self.draw(seen_S)
            noises = self._noise(48)
            return self._act(seen_S, noises, self.critic.best(seen_S, noises, head=head))

        return choose

    def _noise(self, num):
        return self._rng.standard_normal((num, self.policy.num_done), np.float32)

    def _act(self, seen_S, noises, place):
        action = self.policy.actions(seen_S, noises[place : place + 1])[0]
        self._noise_of[action.tobytes()] = noises[place]
        return action


def final_success(arm: str, policy, num_decisions: int, seed: int, num_episodes: int) -> float:
    critic._SHARPNESS = 1.0 if arm in ("actions not sharpened", "critic sees noise") else 3.0
    steering = (SeesNoise if arm == "critic sees noise" else Steering)(policy, seed=seed)
    env = SkillEnv(split="test", num_decisions=num_decisions)
    budget = SteeringBudget(num_episodes, num_random=60, num_updates=10)
    if arm != "base policy":
        steering.train(env, first_index=10_000_000 + 10_000 * seed, budget=budget)
    first = 20_000_000 + 10_000 * seed
    infos = [play(env, steering.choose, index=first + i)[2] for i in range(NUM_EVAL)]
    return float(np.mean([info["is_success"] for info in infos]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102])
    parser.add_argument("--episodes", type=int, default=400)
    args = parser.parse_args()
    use_one_thread()
    print("| base policy | decisions | learner | true success by seed | mean | CPU s a run |")
    print("|---|---|---|---|---|---|")
    for base, num_decisions, num_demos in CELLS:
        env = SkillEnv(split="train", num_decisions=num_decisions)
        shown = demonstrate(env, base=base, num=num_demos, first_index=50_000_000)
        policy = clone(shown, steps=2000)
        for arm in ("base policy", "as it is", "actions not sharpened", "critic sees noise"):
            start = time.process_time()
            found = [
                final_success(arm, policy, num_decisions, seed, args.episodes)
                for seed in args.seeds
            ]
            cpu_s = (time.process_time() - start) / len(found)
            seeds = ", ".join(f"{100 * share:.0f}" for share in found)
            print(
                f"| {base} | {num_decisions} | {arm} | {seeds} | {100 * np.mean(found):.0f} % | {cpu_s:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
