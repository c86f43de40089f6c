"""The embedded tabletop world: scenes, scripted experts and failures, exact scores, a Gymnasium environment.

The names below are loaded on first use: importing the room does not import MuJoCo.
"""

from typing import TYPE_CHECKING

from roboreward.core import lazy_door

if TYPE_CHECKING:
    from roboreward.sim.env import TabletopEnv, register_env
    from roboreward.sim.episode import EpisodeSpec, SimEpisode, simulate, simulate_states_only
    from roboreward.sim.expert import FAILURES, Failure
    from roboreward.sim.generation import balanced_specs, generate
    from roboreward.sim.layout import (
        Camera,
        Layout,
        Lighting,
        ObjectSpec,
        ReceptacleSpec,
        project,
        sample_layout,
    )
    from roboreward.sim.opengl import render_opengl
    from roboreward.sim.phrasing import VOCABULARY, phrase, task_text
    from roboreward.sim.render import RayRenderer, RenderedImage
    from roboreward.sim.scoring import SceneState, score_task
    from roboreward.sim.skills import ACTION_M, SkillEnv
    from roboreward.sim.splits import (
        HELD_OUT_OBJECTS,
        HELD_OUT_RECEPTACLES,
        SPLITS,
        Split,
        episode_seed,
    )
    from roboreward.sim.tasks import RELATIONS, Relation, Task, all_tasks

__all__ = [
    "ACTION_M",
    "Camera",
    "EpisodeSpec",
    "FAILURES",
    "Failure",
    "HELD_OUT_OBJECTS",
    "HELD_OUT_RECEPTACLES",
    "Layout",
    "Lighting",
    "ObjectSpec",
    "RELATIONS",
    "RayRenderer",
    "ReceptacleSpec",
    "Relation",
    "RenderedImage",
    "SPLITS",
    "SceneState",
    "SkillEnv",
    "SimEpisode",
    "Split",
    "TabletopEnv",
    "Task",
    "VOCABULARY",
    "all_tasks",
    "balanced_specs",
    "episode_seed",
    "generate",
    "phrase",
    "project",
    "register_env",
    "render_opengl",
    "sample_layout",
    "score_task",
    "simulate",
    "simulate_states_only",
    "task_text",
]

_HOMES = {
    "env": ("TabletopEnv", "register_env"),
    "episode": ("EpisodeSpec", "SimEpisode", "simulate", "simulate_states_only"),
    "expert": ("FAILURES", "Failure"),
    "generation": ("balanced_specs", "generate"),
    "layout": (
        "Camera",
        "Layout",
        "Lighting",
        "ObjectSpec",
        "ReceptacleSpec",
        "project",
        "sample_layout",
    ),
    "opengl": ("render_opengl",),
    "phrasing": ("VOCABULARY", "phrase", "task_text"),
    "render": ("RayRenderer", "RenderedImage"),
    "scoring": ("SceneState", "score_task"),
    "skills": ("ACTION_M", "SkillEnv"),
    "splits": ("HELD_OUT_OBJECTS", "HELD_OUT_RECEPTACLES", "SPLITS", "Split", "episode_seed"),
    "tasks": ("RELATIONS", "Relation", "Task", "all_tasks"),
}
__getattr__, __dir__ = lazy_door(__name__, globals(), _HOMES)
