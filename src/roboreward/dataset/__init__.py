"""Example sets: the published layout, built-in simulated sets, and demonstrations to learn from.

What simulates is loaded when it is asked for: reading a set does not load MuJoCo.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from roboreward.dataset.layout import BadRow, ExampleSet, read_set, set_hash_of, write_set
from roboreward.dataset.sets import GENERATION, SIM_SETS, SimSet, open_set

if TYPE_CHECKING:
    from roboreward.dataset.demo_files import load_demos, save_demos
    from roboreward.dataset.demos import DemoTable, simulate_demos, simulated_words
    from roboreward.dataset.simulated import build_sim_set, example_of_rollout

__all__ = [
    "BadRow",
    "DemoTable",
    "ExampleSet",
    "GENERATION",
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

_FILE_OF = {
    "DemoTable": "demos",
    "build_sim_set": "simulated",
    "example_of_rollout": "simulated",
    "load_demos": "demo_files",
    "save_demos": "demo_files",
    "simulate_demos": "demos",
    "simulated_words": "demos",
}


def __getattr__(name: str) -> Any:
    if name not in _FILE_OF:
        raise AttributeError(f"module 'roboreward.dataset' has no attribute {name!r}")
    return getattr(import_module(f"roboreward.dataset.{_FILE_OF[name]}"), name)
