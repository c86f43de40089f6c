"""The same scenes before and after: the base policy's attempt above that of the policy that a reward steered."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from roboreward.core import shorten
from roboreward.pages import strip_markup, text
from roboreward.studies.cells import Cell
from roboreward.studies.results import NONE, TRUE_SUCCESS, Rollout, StudyRun

MAX_PAIRS: Final = 4
_MAX_PICTURES: Final = 8
_MAGIC: Final = (b"\xff\xd8", b"\x89PNG")


def before_and_after(cell: Cell, *, main: str, folder: Path, most: int = MAX_PAIRS) -> str:
    """Return the kept scenes of one seed, base policy and steered policy; "" when no scene was kept of both.

    The scenes with the lowest numbers are shown, whatever their outcome, and the count over all kept scenes is given.
    """
    runs = _runs_with_common_scenes(cell, main)
    if runs is None or main == NONE:
        return ""
    base, steered = ({r.scene: r for r in run.rollouts} for run in runs)
    scenes = sorted(set(base) & set(steered))
    cards = "".join(
        _card(base[scene], steered[scene], main=main, folder=folder) for scene in scenes[:most]
    )
    return f'<p class="facts">{_counted(base, steered, scenes, most=most, main=main)}</p>{cards}'


def first_difference(cell: Cell, *, main: str, folder: Path) -> str:
    """Return the kept scene with the lowest number in which the two policies end with other scores; "" without one."""
    runs = _runs_with_common_scenes(cell, main)
    if runs is None or main == NONE:
        return ""
    base, steered = ({r.scene: r for r in run.rollouts} for run in runs)
    for scene in sorted(set(base) & set(steered)):
        if base[scene].true_score != steered[scene].true_score:
            return _card(base[scene], steered[scene], main=main, folder=folder)
    return ""


def _runs_with_common_scenes(cell: Cell, main: str) -> tuple[StudyRun, StudyRun] | None:
    """Return the base run and the steered run with the lowest seed, the same for both where that is possible."""
    pairs = [
        (base, steered)
        for base in cell.runs_of(NONE)
        for steered in cell.runs_of(main)
        if {r.scene for r in base.rollouts} & {r.scene for r in steered.rollouts}
    ]
    return min(pairs, key=lambda pair: pair[0].seed != pair[1].seed, default=None)


def _counted(
    base: dict[int, Rollout],
    steered: dict[int, Rollout],
    scenes: Sequence[int],
    *,
    most: int,
    main: str,
) -> str:
    before, after = (
        sum(kept[scene].true_score == TRUE_SUCCESS for scene in scenes) for kept in (base, steered)
    )
    which = "All of them" if len(scenes) <= most else f"The first {most} by number"
    return (
        f"Of {len(scenes)} scene{'s' if len(scenes) != 1 else ''} that {'were' if len(scenes) != 1 else 'was'} "
        f"kept with pictures, the base policy succeeds in {before}, the policy steered by {text(main)} in {after}. "
        f"{which} {'is' if len(scenes) == 1 else 'are'} shown, not chosen by outcome."
    )


def _card(base: Rollout, steered: Rollout, *, main: str, folder: Path) -> str:
    same_task = "" if base.task == steered.task else f" / {text(shorten(steered.task, 200))}"
    return (
        f'<article class="pair-card"><h3>{text(shorten(base.task, 200))}{same_task}</h3>'
        f'<p class="from">scene {base.scene}</p>'
        f"{_try('Before: the base policy', base, said_by='', folder=folder)}"
        f"{_try(f'After: steered by {main}', steered, said_by=main, folder=folder)}</article>"
    )


def _try(name: str, rollout: Rollout, *, said_by: str, folder: Path) -> str:
    pictures = [_picture(folder, picture) for picture in _thinned(rollout.pictures)]
    strip = (
        strip_markup(pictures) if pictures else '<p class="unreadable">No pictures were kept.</p>'
    )
    return (
        f'<div class="try">{strip}<div class="said"><h4>{text(name)}</h4>'
        f'<p class="truth"><span class="score truth-score">{rollout.true_score}</span>'
        f"<span><b>true score</b> {text(shorten(rollout.true_reason, 300))}</span></p>"
        f"{_said(rollout, said_by)}</div></div>"
    )


def _said(rollout: Rollout, said_by: str) -> str:
    """Return what the reward said, coloured by how far it is off; nothing for the base policy, which has no reward."""
    if rollout.reward_score is None:
        if not said_by:
            return ""
        return f'<p class="what-it-said"><span class="score e-none">&ndash;</span>{text(said_by)} gave no score</p>'
    off = min(2, abs(rollout.reward_score - rollout.true_score))
    who = said_by or "the reward"
    return (
        f'<p class="what-it-said"><span class="score e-{off}">{rollout.reward_score}</span>'
        f"<span>said {text(who)}</span></p>"
    )


def _thinned(pictures: Sequence[str]) -> list[str]:
    """Return at most `_MAX_PICTURES`, evenly spread, with the first and the last."""
    num = len(pictures)
    if num <= _MAX_PICTURES:
        return list(pictures)
    return [pictures[round(n * (num - 1) / (_MAX_PICTURES - 1))] for n in range(_MAX_PICTURES)]


def _picture(folder: Path, name: str) -> bytes | None:
    """Return an encoded picture of the study's folder; None when it is missing, is none, or lies elsewhere."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        return None
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return data if data.startswith(_MAGIC) else None
