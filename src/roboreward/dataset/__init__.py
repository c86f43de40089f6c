"""Example sets: the published layout, built-in simulated sets, and demonstrations to learn from.

What simulates is loaded when it is asked for: reading a set does not load MuJoCo.
"""

from typing import TYPE_CHECKING

from roboreward.core import lazy_door
from roboreward.dataset.layout import BadRow, ExampleSet, read_set, set_hash_of, write_set
from roboreward.dataset.sets import GENERATION, SIM_SETS, SimSet, open_set

if TYPE_CHECKING:
    from roboreward.dataset.demo_files import load_demos, save_demos
    from roboreward.dataset.demos import ORIGINS, DemoTable, simulate_demos, simulated_words
    from roboreward.dataset.simulated import build_sim_set, example_of_rollout

__all__ = [
    "BadRow",
    "DemoTable",
    "ExampleSet",
    "GENERATION",
    "ORIGINS",
    "SIM_SETS",
    "SimSet",
    "build_sim_set",
    "example_of_rollout",
    "load_demos",
    "open_set",
    "read_set",
    "save_demos",
    "set_hash_of",
    "simulate_demos",
    "simulated_words",
    "write_set",
]

_HOMES = {
    "demo_files": ("load_demos", "save_demos"),
    "demos": ("DemoTable", "ORIGINS", "simulate_demos", "simulated_words"),
    "simulated": ("build_sim_set", "example_of_rollout"),
}
__getattr__, __dir__ = lazy_door(__name__, globals(), _HOMES)
