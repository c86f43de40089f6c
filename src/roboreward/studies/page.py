"""The page of a study: for a stranger who has ten seconds, then ten minutes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from roboreward.core import UsageError
from roboreward.pages import page_header, section, text, write_page
from roboreward.studies.before_after import first_difference
from roboreward.studies.cell_section import anchor_of, cell_section, spaced, unbroken
from roboreward.studies.cells import (
    TOO_FEW,
    Cell,
    cells_of,
    main_reward,
    percent,
    rewards_of,
    share,
)
from roboreward.studies.charts import tones_of
from roboreward.studies.headline import oracle_sentence, start_of, study_headline
from roboreward.studies.results import FLOOR, NONE, ORACLE, Row, StudyRun
from roboreward.studies.table import false_positives, study_markdown, study_table

__all__ = ["study_markdown", "study_table", "write_study_page"]

_MEANS: Final = {
    ORACLE: "1 for a full success, 0 for anything else, from the simulator: what a person watching would report",
    "oracle-1-5": "the simulator's exact score from 1 to 5",
    "nano": "a small reward model, trained in simulation; it sees pictures of the attempt and the task in words",
    "nano-no-relabels": "nano, trained without counterfactual relabels of its successes",
    "nano-no-negatives": "nano, trained without clips and relabels: on successes, and on tasks of other scenes",
    FLOOR: "scores by chance, which say nothing about the attempt: what learning alone does",
    NONE: "the base policy as it is, without any training from rewards",
}


def write_study_page(
    path: Path,
    *,
    title: str,
    runs: Sequence[StudyRun],
    folder: Path,
    facts: Mapping[str, str],
    lead_html: str = "",
) -> Path:
    """Write a study as a self-contained page.

    Args:
        path: The file to write, atomically.
        title: Heading; plain text.
        runs: All runs of the study.
        folder: Where the pictures of rollouts lie. They are embedded; one that cannot be read leaves a note in its
            place.
        facts: Where the numbers come from, such as commit, versions, machine, budget and command; plain text.
        lead_html: Trusted markup to put below the header. Style attributes and scripts in it do not take effect.

    Returns:
        `path`.

    Raises:
        UsageError: No runs.
        StoreError: The file cannot be written.
    """
    if not runs:
        raise UsageError("A study's page needs at least one run. Run the study first.")
    cells = cells_of(runs)
    main, tones = main_reward(cells), tones_of(cells)
    parts = [
        _header(title, cells, main),
        section("lead", lead_html) if lead_html else "",
        _look(cells[0], main, Path(folder)),
        _overview(cells),
        *(cell_section(cell, main=main, tones=tones, folder=Path(folder)) for cell in cells),
        _limits(cells),
        _footer(runs, facts),
    ]
    return write_page(path, title=title, body_html="".join(parts))


def _header(title: str, cells: Sequence[Cell], main: str) -> str:
    seeds = sorted({len(row.seeds) for cell in cells for row in cell.rows})
    num_seeds = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else str(seeds[0])
    num_runs = sum(len(cell.runs) for cell in cells)
    facts = (
        f'<span class="also">{spaced(oracle_sentence(cells))}</span>'
        "True success: everything that the simulator's own rule asks for. Square brackets: 95&nbsp;% intervals over "
        f"seeds. {num_runs:,} runs, {num_seeds} seed{'' if num_seeds == '1' else 's'} a reward."
    )
    return page_header(
        title,
        over="roboreward study: learning from a reward alone",
        headline=unbroken(study_headline(cells)),
        facts_html=facts,
        tiles=_tiles(cells, main),
        tiles_label=f"Key numbers of {main}",
    )


def _tiles(cells: Sequence[Cell], main: str) -> list[tuple[str, str, str]]:
    """Return the main reward's success in up to three cells, filled up with references, and its false positives."""
    wanted = [(cell, main) for cell in cells]
    wanted += [(cells[0], reward) for reward in (ORACLE, FLOOR, NONE) if reward != main]
    found = [
        (_tile_name(cell, row, main), row.success, _start(cell, row))
        for cell, reward in wanted
        if (row := cell.row(reward)) is not None
    ]
    tiles = []
    for name, success, start in found[:3]:
        value, _, interval = share(success).partition(" [")
        tiles.append((name, value, ", ".join(filter(None, [interval and f"[{interval}", start]))))
    judged = [(row.false_positive, row) for cell in cells if (row := cell.row(main)) is not None]
    known = [(value, row) for value, row in judged if value is not None]
    if known:
        worst = max(known, key=lambda pair: pair[0])[1]
        under = f"at most, on {worst.base}" if len(known) > 1 else "of those in training"
        tiles.append((f"failures that {main} called a 5", false_positives(worst), under))
    return tiles


def _tile_name(cell: Cell, row: Row, main: str) -> str:
    where = cell.base if cell.variant == "one-decision" else f"{cell.base}, {cell.variant}"
    return f"true success, {where}" if row.reward == main else f"{row.reward}, {where}"


def _start(cell: Cell, row: Row) -> str:
    return "" if row.reward == NONE else start_of(row, cell.row(NONE))


def _look(cell: Cell, main: str, folder: Path) -> str:
    pair = first_difference(cell, main=main, folder=folder)
    if not pair:
        return ""
    return section(
        "look",
        f'<h2>What it looks like</h2><p class="facts">The {text(cell.base)} policy: the kept scene with the '
        f"lowest number in which the two policies end differently. More below.</p>{pair}",
    )


def _overview(cells: Sequence[Cell]) -> str:
    """Return final success of every reward in every cell, with what the rewards are."""
    heads = "".join(
        f'<th scope="col"><a href="#{anchor_of(cell)}">{text(cell.base)}</a><small>{cell.variant}</small></th>'
        for cell in cells
    )
    rows = "".join(_overview_row(name, cells) for name in rewards_of(cells))
    return section(
        "rewards",
        '<h2>Final true success, by what the learner was told</h2><p class="lead">A frozen policy is steered through '
        "its noise, and one number an episode is all that the learner is told. Only the source of that number "
        'differs.</p><div class="wide" tabindex="0"><table class="overview"><thead><tr><th scope="col">reward</th>'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></div>",
    )


def _overview_row(name: str, cells: Sequence[Cell]) -> str:
    found = []
    for cell in cells:
        row = cell.row(name)
        value, _, interval = share(row.success).partition(" [") if row else ("", "", "")
        small = f"[{interval}" if interval else TOO_FEW if row else "not run"
        found.append(f"<td><b>{spaced(value)}</b><small>{small}</small></td>")
    css = "floor" if name in (NONE, FLOOR) else "model"
    return (
        f'<tr class="{css}"><th scope="row">{text(name)}<small>{_MEANS.get(name, "")}</small></th>'
        f"{''.join(found)}</tr>"
    )


def _limits(cells: Sequence[Cell]) -> str:
    num = max(len(row.seeds) for cell in cells for row in cell.rows)
    limits = [
        ("A table in a simulator.", "No robot was moved, and no camera looked at anything real."),
        (
            "A policy that is told where things are.",
            "It acts from exact positions that the simulator gives it, not from pictures. Learning from pictures is "
            "harder, and nothing here says how much.",
        ),
        (
            "Mistakes made by us.",
            "The base policies are wrong in ways that we chose and that steering can undo. Real policies have other "
            "faults, and some cannot be steered away.",
        ),
        (
            "A reward model at home.",
            "nano was trained in the same simulated world, on other scenes. A reward model that comes from elsewhere "
            "will be wrong more often and in other ways.",
        ),
        (
            "One base policy and one trained reward model each.",
            "Seeds vary scenes, learner and exploration. Another cloning, or another training of a reward model, would "
            "give other numbers, and the intervals do not hold that.",
        ),
        (
            f"{num} seed{'s' if num != 1 else ''} a reward.",
            "So few see only large differences. “Not separable” means that these runs cannot tell, not that there is "
            "no difference; and each interval is at 95 % by itself, without a correction for their number.",
        ),
    ]
    if any(cell.variant == "one-decision" for cell in cells):
        limits.insert(
            3,
            (
                "One decision is a bandit.",
                "With one decision an episode there is nothing to find out about which of many actions earned the "
                "reward. The chunked variant is a small step towards that, no more.",
            ),
        )
    items = "".join(f"<li><b>{name}</b> {why}</li>" for name, why in limits)
    return section("limits", f'<h2>What this does not show</h2><ul class="limits">{items}</ul>')


def _footer(runs: Sequence[StudyRun], facts: Mapping[str, str]) -> str:
    given = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in facts.items())
    seeds = ", ".join(str(seed) for seed in sorted({run.seed for run in runs}))
    cpu_h = sum(run.cpu_s for run in runs) / 3600
    lines = "".join(
        f"<li><code>{text(r.run_id)}</code> {text(r.variant)}, {text(r.base)}, {text(r.reward)} "
        f"{text(r.revision)}, seed {r.seed}: {percent(r.success)}</li>"
        for r in runs
    )
    return (
        "<footer><h2>How to check this</h2><p>Every number here is computed from the records of these runs.</p>"
        f'<dl class="meanings">{given}<dt>seeds</dt><dd>{seeds}</dd>'
        f"<dt>CPU hours, all runs</dt><dd>{cpu_h:.1f}</dd></dl>"
        f"<details><summary>All {len(runs)} runs</summary><ul>{lines}</ul></details></footer>"
    )
