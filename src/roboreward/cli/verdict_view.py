"""A verdict as a person reads it: plain lines, in colour where the terminal has colour."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from roboreward.cli.edge import plain
from roboreward.core import RUBRIC_V1, SCORES, FrameRecord, Verdict

_BAR_WIDTH = 24
_COLOURS = {1: "red", 2: "orange3", 3: "yellow", 4: "green_yellow", 5: "green"}


def print_verdict(video: Path, verdict: Verdict) -> None:
    """Print one verdict on stdout.

    Colour is left out when stdout is not a terminal or NO_COLOR is set.

    Args:
        video: The file it is about.
        verdict: What to show.
    """
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(plain(str(video)), style="bold"))
    for line in _lines(verdict):
        console.print(line)


def print_curve(curve: Sequence[tuple[int, Verdict]]) -> None:
    """Print the verdicts along one video, a line each: how many frames from the start, and what they are worth."""
    console = Console(highlight=False, soft_wrap=True)
    for place, (num_frames, verdict) in enumerate(curve):
        console.print(_line("curve" if place == 0 else "", _anchor_line(num_frames, verdict)))


def _anchor_line(num_frames: int, verdict: Verdict) -> str:
    start = f"first {num_frames:>3}"
    if verdict.frames is not None:
        start += f", to {verdict.frames.timestamps_s[-1]:6.2f} s"
    if not verdict.is_scored:
        return f"{start}: {verdict.status} ({plain(verdict.reason or '')})"
    expected = "" if verdict.expected is None else f", expected {verdict.expected:.2f}"
    return f"{start}: {verdict.score} of 5{expected}"


def _lines(verdict: Verdict) -> list[Text]:
    lines = _scored(verdict) if verdict.score is not None else _without_score(verdict)
    if verdict.rationale:
        lines.append(_line("because", plain(verdict.rationale)))
    if verdict.frames is not None:
        lines.append(_line("frames", frames_seen(verdict.frames)))
    lines.append(_line("model", plain(" ".join(filter(None, (verdict.model, verdict.revision))))))
    return lines


def _scored(verdict: Verdict) -> list[Text]:
    score = verdict.score or 1
    level = RUBRIC_V1.level(score)
    head = Text("  score     ")
    head.append(f"{score} of 5, {level.name}", style=f"bold {_COLOURS[score]}")
    lines = [head, _line("meaning", level.meaning), _line("progress", f"{verdict.progress:.0%}")]
    if verdict.probs is None:
        return lines
    block = "\u2588" if (sys.stdout.encoding or "").lower().startswith("utf") else "#"
    for value, prob in zip(SCORES, verdict.probs, strict=True):
        bar = Text(f"  {value} {RUBRIC_V1.level(value).name:<19}")
        bar.append(f"{block * round(prob * _BAR_WIDTH):<{_BAR_WIDTH}}", style=_COLOURS[value])
        bar.append(f" {prob:6.1%}", style="bold" if value == score else "")
        lines.append(bar)
    if verdict.expected is not None and verdict.success_prob is not None:
        text = f"{verdict.expected:.2f}; a success (4 or 5) with {verdict.success_prob:.0%}"
        lines.append(_line("expected", text))
    if verdict.level_set is not None:
        levels = " or ".join(str(level) for level in verdict.level_set)
        lines.append(_line("set", f"{levels}, as likely as its calibration states"))
    return lines


def _without_score(verdict: Verdict) -> list[Text]:
    head = Text("  no score  ")
    head.append(verdict.status, style="bold magenta")
    lines = [head, _line("reason", plain(verdict.reason or ""))]
    if verdict.status == "abstained":
        lines.append(
            _line("instead", "`roboreward models` lists what else can answer, and what it needs")
        )
    elif verdict.raw_text:
        lines.append(_line("answer", plain(repr(verdict.raw_text[:200]))))
    return lines


def _line(name: str, text: str) -> Text:
    return Text(f"  {name:<10}{text}")


def frames_seen(record: FrameRecord) -> str:
    """Return which frames were seen, in words: indices, and times in seconds."""
    indices = ", ".join(str(i) for i in record.indices)
    times = ", ".join(f"{t:.2f}" for t in record.timestamps_s)
    return f"{len(record.indices)} of {record.num_frames}: {indices} (at {times} s)"
