"""The page of the miniature: what was learned, in the order in which it was made, with links to the details."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from roboreward.bench import summarize
from roboreward.core import SCORES
from roboreward.dataset import ORIGINS, load_demos
from roboreward.media import jpeg_bytes
from roboreward.pages import page_header, section, strip_markup, text, write_page
from roboreward.store import environment
from roboreward.studies import headline_of, rows, study_table

if TYPE_CHECKING:
    from roboreward.bench import RunResult, Summary
    from roboreward.dataset import DemoTable
    from roboreward.studies import Row, StudyRun

_PACKAGES: Final = ("numpy", "mujoco", "torch")
_ORIGIN_SAYS: Final = {
    "original": "success, as demonstrated",
    "clip": "prefix of a success, same task",
    "counterfactual": "same video, another task",
    "counterfactual clip": "prefix, another task",
    "two tasks": "two tasks in a row, asked about one",
}
_LIMITS: Final = (
    "Everything happens on one simulated table: no real robot, no real camera.",
    "The simulator labels the negatives exactly; language models and people do not.",
    "The reward model first learns where things are from simulator positions, in place of large-scale pre-training.",
    "The policy is given positions, not pictures, and we built its mistakes in, of a kind that steering can undo.",
)


def write_miniature_page(
    out: Path,
    *,
    recipe: Path,
    results: "Sequence[RunResult]",
    runs: "Sequence[StudyRun]",
    wall_s: Mapping[str, float | None],
    is_quick: bool,
    command: str,
) -> Path:
    """Write `index.html` into the miniature's folder, which holds its parts; returns the page."""
    table = load_demos(out / "nano" / "demos-train")
    record = json.loads((out / "nano" / "nano.json").read_text())["training"]
    summaries = summarize(results)
    summaries.sort(key=lambda s: _or_last(s.estimates["mae"].value))
    parts = [
        _header(_nano_of(summaries, out), runs, is_quick=is_quick),
        _dataset(table) if table is not None else "",
        _model(record, recipe, summaries),
        _policy(runs),
        _footer(command, runs, wall_s, record),
    ]
    title = "From demonstrations to a better policy"
    return write_page(out / "index.html", title=title, body_html="".join(parts))


def _or_last(value: float | None) -> float:
    return math.inf if value is None else value


def _nano_of(summaries: "Sequence[Summary]", out: Path) -> "Summary":
    """The summary of the nano that was trained, and not of whichever of its ablations may be ahead of it."""
    return next(s for s in summaries if s.model == f"nano:{out / 'nano'}")


def _header(nano: "Summary", runs: "Sequence[StudyRun]", *, is_quick: bool) -> str:
    limits = "".join(f"<li>{escape(limit)}</li>" for limit in _LIMITS)
    warning = (
        "<p><b>This is the quick run: it shows that everything works, and its numbers mean little.</b> "
        "Its reward model uses the grounding half that comes with the package.</p>"
        if is_quick
        else ""
    )
    said, compared = headline_of(runs)
    return page_header(
        "From demonstrations to a better policy",
        over="roboreward miniature",
        headline=said,
        facts_html=f"{text(compared)} Demonstrations were turned into negatives, negatives into a reward "
        "model, and the reward model was the only teacher of the policy.",
        tiles=list(_tiles(nano, runs)),
        tiles_label="Key numbers",
    ) + section(
        "limits", f'{warning}<h2>What this does not show</h2><ul class="limits">{limits}</ul>'
    )


def _tiles(nano: "Summary", runs: "Sequence[StudyRun]") -> Iterator[tuple[str, str, str]]:
    mae, found = nano.estimates["mae"], rows(runs)
    yield "nano's mean error, 1 to 5 scale", _number(mae.value), _range(mae.lo, mae.hi)
    for row in [row for row in found if row.reward == "nano"][:3]:
        start = next((r for r in found if _is_start_of(r, row)), None)
        under = f"from {100 * start.success.value:.0f} %" if start is not None else ""
        where = row.base if row.variant == "one-decision" else f"{row.base}, {row.variant}"
        yield f"true success, {where}", f"{100 * row.success.value:.0f} %", under


def _is_start_of(start: "Row", row: "Row") -> bool:
    return start.reward == "none" and (start.base, start.variant) == (row.base, row.variant)


def _dataset(table: "DemoTable") -> str:
    heads = "".join(f'<th scope="col">{score}</th>' for score in SCORES)
    lines = []
    for number, origin in enumerate(ORIGINS):
        mine = table.ask_score[table.ask_origin == number]
        cells = "".join(f"<td>{int((mine == score).sum()):,}</td>" for score in SCORES)
        lines.append(
            f'<tr><th scope="row">{origin}<small>{_ORIGIN_SAYS[origin]}</small></th>{cells}'
            f"<td>{len(mine):,}</td></tr>"
        )
    shown = "".join(_example(table, origin, score) for origin, score in _EXAMPLES)
    return section(
        "dataset",
        f"<h2>1. Demonstrations become a dataset with failures</h2><p>{len(table.frames):,} demonstrations, all "
        f"of them successes. What they do not show is made from them: {len(table.ask_score):,} questions with an "
        'answer from 1 to 5, each judged by the simulator.</p><div class="wide" tabindex="0"><table class="overview">'
        f'<thead><tr><th scope="col">origin</th>{heads}<th scope="col">all</th></tr></thead>'
        f'<tbody>{"".join(lines)}</tbody></table></div><div class="cards">{shown}</div>',
    )


_EXAMPLES: Final = (("original", 5), ("clip", 2), ("counterfactual", 3), ("counterfactual", 1))
_DEMO_SHOWN: Final = 40
"""Examples are of the first demonstrations from this one on that have them."""


def _example(table: "DemoTable", origin: str, score: int) -> str:
    is_it = (table.ask_origin == ORIGINS.index(origin)) & (table.ask_score == score)
    late = is_it & (table.task_demo[table.ask_task] >= min(_DEMO_SHOWN, len(table.frames) // 2))
    if not late.any():
        return ""
    ask = int(late.argmax())
    task, end = int(table.ask_task[ask]), int(table.ask_t[ask])
    frames = table.frames[int(table.task_demo[task])][: end + 1]
    return (
        f'<article class="card">{strip_markup([jpeg_bytes(frame) for frame in frames])}'
        f'<div class="said"><h3>{text(table.task_texts[task][0])}</h3><p class="truth">'
        f'<span class="score truth-score">{score}</span><span>{_ORIGIN_SAYS[origin]}</span></p></div></article>'
    )


def _model(record: Mapping[str, Any], recipe: Path, summaries: "Sequence[Summary]") -> str:
    names = {
        "": "nano",
        "no-relabels": "without relabels",
        "no-negatives": "without clips and relabels",
    }
    lines = "".join(
        f'<tr class="{"floor" if s.is_floor else "model"}"><th scope="row">{text(_name(s.model, names))}</th>'
        f"<td><b>{_number(s.estimates['mae'].value)}</b></td>"
        f'<td class="left small">{_range(s.estimates["mae"].lo, s.estimates["mae"].hi)}</td>'
        f"<td>{_number(s.estimates['spearman'].value)}</td>"
        f"<td>{_percent(s.estimates['false_success'].value)}</td></tr>"
        for s in summaries
    )
    grounding = record.get("grounding", "trained by this recipe")
    return section(
        "model",
        f"<h2>2. A reward model learns from it</h2><p>{record['parameters']:,} parameters, trained as "
        f"<code>{escape(recipe.name)}</code> says, grounding half {escape(str(grounding))}. Tested on "
        f"{summaries[0].num_examples:,} rollouts of scenes it never saw, which succeed and fail as robots do.</p>"
        '<div class="wide" tabindex="0"><table><thead><tr><th scope="col">model</th><th scope="col">mean error</th>'
        '<th scope="col" class="left">95 % interval</th><th scope="col">rank correlation</th>'
        f'<th scope="col">1-2 called 4-5</th></tr></thead><tbody>{lines}</tbody></table></div>'
        '<p><a href="bench/index.html">All numbers, and the rollouts one by one</a></p>',
    )


def _name(model: str, names: Mapping[str, str]) -> str:
    if not model.startswith("nano:"):
        return model
    last = Path(model.removeprefix("nano:")).name
    return names.get(last, names[""])


def _policy(runs: "Sequence[StudyRun]") -> str:
    head, *body = study_table(runs)
    kept = [i for i, name in enumerate(head) if name not in ("seeds", "dropped", "CPU s")]
    heads = "".join(f'<th scope="col"{_left(i)}>{escape(head[i])}</th>' for i in kept)
    lines = "".join(
        "<tr>" + "".join(f"<td{_left(i)}>{text(row[i])}</td>" for i in kept) + "</tr>"
        for row in body
    )
    return section(
        "policy",
        "<h2>3. A policy gets better from that reward alone</h2><p>A policy cloned from demonstrations of mixed "
        "quality is frozen. Only the noise that it starts from is chosen, by a critic "
        "that is told one number an episode.</p>"
        f'<div class="wide" tabindex="0"><table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>'
        '<p><a href="study/index.html">Learning curves, and rollouts before and after</a></p>',
    )


def _left(column: int) -> str:
    return ' class="left"' if column < 3 else ""


def _footer(
    command: str,
    runs: "Sequence[StudyRun]",
    wall_s: Mapping[str, float | None],
    record: Mapping[str, Any],
) -> str:
    times = "".join(
        f"<dt>{escape(name)}</dt><dd>{'interrupted, so not known' if took is None else _minutes(took)}</dd>"
        for name, took in wall_s.items()
    )
    versions = ", ".join(f"{key} {value}" for key, value in environment(_PACKAGES).items())
    commits = {run.commit or "not from a checkout" for run in runs} | {str(record["commit"])}
    return (
        f'<footer><h2>How to check this</h2><dl class="meanings"><dt>command</dt><dd>{escape(command)}</dd>'
        f"<dt>commit</dt><dd>{escape(', '.join(sorted(commits)))}</dd><dt>versions</dt><dd>{text(versions)}</dd>"
        f"<dt>recipe</dt><dd>{escape(str(record['recipe_hash']))}</dd>{times}</dl></footer>"
    )


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _range(lo: float | None, hi: float | None) -> str:
    return "" if lo is None or hi is None else f"{lo:.2f} to {hi:.2f}"
