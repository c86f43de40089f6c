"""Does a source keep the contract of `sources.Source`? For our readers and for plug-ins."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from multiprocessing.reduction import ForkingPickler
from typing import Any, Final, get_args

from roboreward.core import SCORES, DataError, Label, Origin, shorten
from roboreward.judge import MAX_TASK_CHARS
from roboreward.sources import Footage, Skip, Source, SourceEpisode
from roboreward.testing.conformance import ConformanceError
from roboreward.testing.footage_conformance import first_digest, footage_findings

_REASON: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_Rule = Callable[[SourceEpisode], str]


def check_source(
    open_again: Callable[[], Source],
    *,
    open_spoilt: Callable[[], Source] | None = None,
    num_episodes: int | None = 16,
) -> None:
    """Check that a source keeps the contract.

    Checked: name and licence; `episodes` is an iterator of `SourceEpisode`; ids occur once; texts are there; the judged
    view is one of the views; label and `extra` are what they must be; a second reading, and one of a source that was
    opened again, give the same; an episode survives the way to a worker process; fps, and the frames of all views:
    uint8 (H, W, 3), one size, arrays of their own, the same when read again, as many as announced (one fewer is
    allowed), and those of `take` where there is one. With `open_spoilt`, and wherever episodes are skipped: a bad
    episode costs no other; without `on_skip` it is a `DataError`, with it a `Skip` that says where and why.

    Not checked: that colours are RGB and not BGR, that groups are right, that memory is bounded. What is wrong at one
    step hides the steps after it. An exception that the source lets out passes through, but for those of the spoilt
    corpus.

    Args:
        open_again: Opens the corpus; called several times. A small one, all of whose videos are there.
        open_spoilt: Opens a corpus in which at least one episode cannot be used (no task, a damaged picture, a row that
            makes no sense) and at least one can.
        num_episodes: So many are looked at from the start, None for all. Their frames are read three times.

    Raises:
        ConformanceError: With everything that was found.
    """
    source = open_again()
    findings = list(_attribute_findings(source))
    if not findings:
        findings = list(_reading_findings(source, open_again, num_episodes))
    if open_spoilt is not None and not findings:
        findings = list(_spoilt_findings(open_spoilt))
    if findings:
        name = str(getattr(source, "name", type(source).__name__))
        raise ConformanceError(name, findings, contract="a source")


def _attribute_findings(source: Any) -> Iterator[str]:
    if not isinstance(source, Source):
        yield "it lacks one of: name, licence, episodes"
        return
    if not _is_text(source.name):
        yield f"name must be a printable text, got {source.name!r}"
    if source.licence is not None and not _is_text(source.licence):
        yield f"licence must be a text, or None where none is stated, got {source.licence!r}"
    if (source.name, source.licence) != (source.name, source.licence):
        yield "name or licence changes from one look to the next"


def _reading_findings(
    source: Source, open_again: Callable[[], Source], num: int | None
) -> Iterator[str]:
    skips: list[Any] = []
    stream = source.episodes(on_skip=skips.append)
    if not isinstance(stream, Iterator):
        yield f"episodes() must be an iterator, got a {type(stream).__name__}; yield one by one"
        return
    episodes: list[Any] = list(islice(stream, num))
    findings = [*_type_findings(episodes), *_skip_findings(skips)]
    if not findings:
        findings = [*_episode_findings(episodes), *_id_findings(episodes)]
    yield from findings
    if findings:
        return
    for which, again in (("a second reading", source), ("the source, opened again,", open_again())):
        yield from _repeat_findings(which, again, num, episodes, skips)
    yield from _strict_findings(open_again(), num, has_skips=bool(skips))
    for episode in episodes:
        yield from (f"{_of(episode)}: {text}" for text in _travel_findings(episode))
        for name, footage in episode.views.items():
            yield from (
                f"{_of(episode)}, view {name!r}: {text}" for text in footage_findings(footage)
            )


def _type_findings(episodes: Sequence[Any]) -> Iterator[str]:
    if not episodes:
        yield "episodes() gave no episode, so that nothing could be checked; open a corpus with some"
    other = next((e for e in episodes if not isinstance(e, SourceEpisode)), None)
    if other is not None:
        yield f"episodes() must give SourceEpisode, got a {type(other).__name__}"


def _episode_findings(episodes: Sequence[SourceEpisode]) -> Iterator[str]:
    """Yield each rule's first offence, and how many more there are."""
    for rule in _RULES:
        offences = [(episode, text) for episode in episodes if (text := rule(episode))]
        if offences:
            episode, text = offences[0]
            more = f" (and {len(offences) - 1} more)" if len(offences) > 1 else ""
            yield f"{_of(episode)}{more}: {text}"


def _text_fault(name: str, episode: SourceEpisode) -> str:
    value = getattr(episode, name)
    if isinstance(value, str) and value.strip():
        return ""
    return (
        f"{name} must be a text that is not empty, got {value!r}; fill it in, or skip the episode"
    )


def _length_fault(episode: SourceEpisode) -> str:
    if not isinstance(episode.task, str) or len(episode.task) <= MAX_TASK_CHARS:
        return ""
    text = f"the task has {len(episode.task):,} characters, models are asked at most {MAX_TASK_CHARS:,}"
    return f"{text}; skip the episode"


def _folder_fault(episode: SourceEpisode) -> str:
    name = str(episode.source)
    if not set(name) & set("/\\\0") and name.strip() not in (".", ".."):
        return ""
    return f"source names a folder of a built dataset, which {name!r} cannot; leave slashes out"


def _view_fault(episode: SourceEpisode) -> str:
    views = episode.views
    if not isinstance(views, Mapping) or not views:
        return f"views must be a mapping with at least one view, got {shorten(repr(views))}"
    if episode.judged_view not in views:
        return f"the judged view {episode.judged_view!r} is none of {', '.join(map(str, views))}"
    for name, footage in views.items():
        if not isinstance(name, str) or not name:
            return f"views have names, got {name!r}"
        if not isinstance(footage, Footage):
            kind = type(footage).__name__
            return f"view {name!r} is a {kind}, which lacks one of: fps, num_frames, frames"
    return ""


def _label_fault(episode: SourceEpisode) -> str:
    label: Any = episode.label
    if label is None:
        return ""
    if not isinstance(label, Label):
        return f"label must be a Label or None, got a {type(label).__name__}"
    if type(label.score) is not int or label.score not in SCORES:
        return f"a score is an integer from 1 to 5, got {label.score!r}; leave the label out where nobody states it"
    return "" if _is_text(label.author) else f"a label has an author, got {label.author!r}"


def _extra_fault(episode: SourceEpisode) -> str:
    extra = episode.extra
    if not isinstance(extra, Mapping):
        return f"extra must be a mapping, got a {type(extra).__name__}"
    try:
        is_kept = bool(json.loads(json.dumps(dict(extra), allow_nan=False)) == dict(extra))
    except (TypeError, ValueError, RecursionError) as error:
        return f"extra holds JSON values only ({shorten(error)}); convert numbers of numpy, leave NaN out"
    if not is_kept:
        return "extra does not survive JSON; use lists for tuples, and texts as keys"
    origin = extra.get("origin")
    if origin is not None and origin not in get_args(Origin):
        known = ", ".join(get_args(Origin))
        return f"extra['origin'] is the origin of a row ({known}), got {shorten(repr(origin))}; rename it"
    return ""


_RULES: Final[tuple[_Rule, ...]] = (
    *(partial(_text_fault, name) for name in ("episode_id", "task", "source", "group", "where")),
    _length_fault,
    _folder_fault,
    _view_fault,
    _label_fault,
    _extra_fault,
)


def _id_findings(episodes: Sequence[SourceEpisode]) -> Iterator[str]:
    twice = [name for name, num in Counter(e.episode_id for e in episodes).items() if num > 1]
    if twice:
        names = shorten(", ".join(map(repr, twice)))
        yield f"ids occur more than once: {names}; make them of file and row, or skip 'duplicate_id'"


def _repeat_findings(
    which: str, source: Source, num: int | None, before: Sequence[SourceEpisode], skips: list[Any]
) -> Iterator[str]:
    skipped: list[Any] = []
    now = list(islice(source.episodes(on_skip=skipped.append), num))
    if len(now) != len(before):
        yield f"{which} gave {len(now)} episodes, the first gave {len(before)}; make no use of what was read before"
        return
    if Counter(e.episode_id for e in now) == Counter(e.episode_id for e in before):
        place = next((i for i, e in enumerate(now) if e.episode_id != before[i].episode_id), None)
        if place is not None:
            text = f"gave {now[place].episode_id!r} at place {place} in place of {before[place].episode_id!r}"
            yield f"{which} {text}; sort what is listed"
            return
    for old, new in zip(before, now, strict=True):
        facts, others = _facts(old), _facts(new)
        changed = [key for key, value in facts.items() if others[key] != value]
        if changed:
            yield f"{which} gave another {', '.join(changed)} for {_of(old)}; make it of what the corpus holds"
            return
    if skipped != skips:
        yield f"{which} skipped other episodes; the same corpus gives the same"


def _facts(episode: SourceEpisode) -> dict[str, Any]:
    names = ("episode_id", "task", "source", "group", "judged_view", "label", "where")
    facts = {name: getattr(episode, name) for name in names}
    footage = episode.views.values()
    return facts | {
        "views": list(episode.views),
        "extra": json.dumps(dict(episode.extra)),
        "fps": [repr(one.fps) for one in footage],
        "num_frames": [one.num_frames for one in footage],
    }


def _strict_findings(source: Source, num: int | None, *, has_skips: bool) -> Iterator[str]:
    """Check what happens to bad episodes without `on_skip`."""
    try:
        for _ in islice(source.episodes(), num):
            pass
    except DataError as error:
        if not has_skips:
            yield f"without on_skip a DataError was raised, with it nothing was skipped: {shorten(error, 200)}"
    except Exception as error:  # whatever it is, it is a finding
        yield f"without on_skip a bad episode raised {_told(error)}; raise a DataError (Unusable) with file and row"
    else:
        if has_skips:
            yield "without on_skip a bad episode was left out in silence; raise a DataError (sources.leave_out does)"


def _skip_findings(skips: Sequence[Any]) -> Iterator[str]:
    for skip in skips:
        if not isinstance(skip, Skip):
            yield f"on_skip must get a Skip, got a {type(skip).__name__}"
            return
        if not isinstance(skip.reason, str) or not _REASON.fullmatch(skip.reason):
            yield f"the reason of a Skip is one short word such as 'no_task', got {shorten(repr(skip.reason))}"
            return
        for name in ("where", "message"):
            if not _is_text(getattr(skip, name), may_break=True):
                yield f"the Skip {skip.reason!r} says nothing in {name}; name file and row, and what to do"
                return


def _travel_findings(episode: SourceEpisode) -> Iterator[str]:
    """Send the episode as `store.run_in_order` does, and compare what arrives."""
    advice = "a build sends episodes to worker processes: keep paths and numbers, open files inside frames()"
    try:
        arrived = ForkingPickler.loads(ForkingPickler.dumps(episode))
    except Exception as error:  # what a class raises when it is taken apart is up to the class
        yield f"it cannot be sent to another process ({_told(error)}); {advice}"
        return
    if _facts(arrived) != _facts(episode):
        yield f"it arrives in another process with other facts; {advice}"
        return
    view = episode.judged_view
    if first_digest(arrived.views[view]) != first_digest(episode.views[view]):
        yield f"its frames in another process are others; {advice}"


def _spoilt_findings(open_spoilt: Callable[[], Source]) -> Iterator[str]:
    skips: list[Any] = []
    try:
        episodes = list(open_spoilt().episodes(on_skip=skips.append))
    except Exception as error:  # whatever it is, it is a finding
        yield f"with on_skip a bad episode still raised {_told(error)}; hand it to on_skip and go on"
        return
    if not episodes:
        yield "one bad episode lost all the others; hand it to on_skip and go on"
    num_unreadable = 0
    for episode in episodes:
        try:
            num_unreadable += _is_unreadable(episode)
        except Exception as error:  # whatever it is, it is a finding
            yield f"{_of(episode)}: frames() raised {_told(error)}; raise a DataError with file and row"
            return
    if not skips and not num_unreadable:
        yield "a bad episode was neither skipped nor raised by its frames; is one there, and is it looked at?"
    yield from _skip_findings(skips)
    yield from _strict_findings(open_spoilt(), None, has_skips=bool(skips))


def _is_unreadable(episode: SourceEpisode) -> bool:
    try:
        for footage in episode.views.values():
            for _ in footage.frames():
                pass
    except DataError:
        return True
    return False


def _is_text(value: Any, *, may_break: bool = False) -> bool:
    is_text = isinstance(value, str) and bool(value.strip())
    return is_text and (may_break or value.isprintable())


def _of(episode: SourceEpisode) -> str:
    return f"episode {shorten(repr(episode.episode_id))}"


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {shorten(error, 200)}"
