"""RoboArena's dumps: real policies, tried in pairs on the same task, with a person's score for each attempt.

Layout, as published (card of RoboArena/DataDump_02-03-2026) and as others found it in the dumps: a folder
`evaluation_sessions/<session>/` with `metadata.yaml` and, for each policy, `<letter>_<policy>/` with videos whose names
end in `left`, `right` or `wrist` (`*_video_left.mp4`, `left_shoulder.mp4`). Some sessions lack a view. The metadata
hold `language_instruction`, `preference` (A, B or TIE), `longform_feedback` and, under `policies` by letter,
`policy_name`, `partial_success`, `binary_success` and `duration`. The `.npz` files beside the videos need unpickling
and are never opened.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from roboreward.core import DataError, Label, UsageError, shorten
from roboreward.sources.footage import VideoFootage, check_fps
from roboreward.sources.oxe import oxe_dataset
from roboreward.sources.partial_success import (
    RUBRIC_MAPPING,
    Maximum,
    as_number,
    detect_maximum,
    score_mapping,
)
from roboreward.sources.session_file import read_session_file
from roboreward.sources.source import OnSkip, SourceEpisode
from roboreward.sources.unusable import Unusable, leave_out

_METADATA_NAMES: Final = ("metadata.json", "metadata.yaml", "metadata.yml")
_POLICY_FOLDER: Final = re.compile(r"([A-Za-z0-9]+)_.+")
_VIEW: Final = re.compile(r"(?:.*_)?(left|right|wrist)(?:_shoulder)?", re.DOTALL)
_MAX_TEXT_CHARS: Final = 4000


@dataclass(frozen=True)
class _Session:
    """One session's folder and what its metadata say; `fault` where they cannot be read."""

    folder: Path
    path: Path
    content: Mapping[str, Any]
    fault: str | None = None

    @property
    def policies(self) -> Mapping[str, Any]:
        policies = self.content.get("policies")
        return (
            {str(key): value for key, value in policies.items()}
            if isinstance(policies, dict)
            else {}
        )


class RoboArenaSource:
    """The sessions of one dump; each policy's attempt is an episode, each camera a view of it, each session a group.

    `extra` holds `policy`, `policy_letter`, `session`, `partial_success` (0..1), `binary_success`, `preference` ("A",
    "B", "TIE" or None, for the session), `feedback` (free text, for the session), `duration_steps`, `location` and
    `embodiment`. The evaluator's name, which is an address, is left out.

    Args:
        folder: The dump, or its `evaluation_sessions`.
        thresholds: A mapping of partial success to scores by name (`MAPPINGS`), or four thresholds; the authors' own
            are not known.
        partial_success_max: 1 or 100; None to find out from the whole dump, which reads all metadata first.
        view: The camera to judge; None for left, or right where there is no left one.
        fps: Frames a second. The client steps at 15 Hz at most, and its videos wrongly claim 10.
        allow_wrist_views: Whether wrist views are given.

    Attributes:
        folder: Where the sessions are.
        mapping: Of partial success to scores; its name is part of the label's author.

    Raises:
        DataError: There are no sessions.
        UsageError: An argument makes no sense.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        thresholds: str | Sequence[float] = RUBRIC_MAPPING,
        partial_success_max: Maximum | None = None,
        view: str | None = None,
        fps: float | None = None,
        allow_wrist_views: bool = True,
    ) -> None:
        known = oxe_dataset("robo_arena")
        root = Path(folder)
        sessions = root / "evaluation_sessions"
        self.folder = sessions if sessions.is_dir() else root
        self.mapping = score_mapping(thresholds)
        self._maximum: Maximum | None = partial_success_max
        self._judged = known.judged if view is None else (view,)
        if partial_success_max not in (None, 1, 100):
            raise UsageError(f"partial_success_max must be 1 or 100, got {partial_success_max}.")
        if view == "wrist" and not allow_wrist_views:
            raise UsageError(f"{folder}: view is 'wrist', and allow_wrist_views is False.")
        rate = known.control_hz if fps is None else fps
        if rate is None:
            raise UsageError(f"{folder}: the rate of the frames is not known. Pass fps=.")
        self.fps = check_fps(rate, where=str(folder))
        self._embodiment = known.embodiment
        self._allow_wrist_views = allow_wrist_views
        self._folders = _session_folders(self.folder)

    @property
    def name(self) -> str:
        """RoboReward's name of the corpus."""
        return "robo_arena"

    @property
    def licence(self) -> str | None:
        """As the cards of the dumps state it."""
        return oxe_dataset(self.name).licence

    def episodes(self, *, on_skip: OnSkip | None = None) -> Iterator[SourceEpisode]:
        """Yield the attempts by session and letter; see `Source`.

        Reasons of a `Skip`: "no_metadata", "bad_metadata" (both stand for a whole session), "no_policy", "no_task",
        "bad_score", "no_view", "ambiguous_view".

        Raises:
            MissingExtra: Metadata are YAML, and PyYAML is not installed.
        """
        for folder in self._folders:
            session = _read_session(folder)
            if session.fault is not None or not session.policies:
                reason = "bad_metadata" if session.path.is_file() else "no_metadata"
                fault = session.fault or "no policies are listed. Copy it again."
                leave_out(Unusable(reason, str(session.path), fault), on_skip)
                continue
            for letter in sorted({*session.policies, *_letters(session.folder)}):
                try:
                    episode = self._episode(session, letter)
                except Unusable as error:
                    leave_out(error, on_skip)
                    continue
                yield episode

    def _episode(self, session: _Session, letter: str) -> SourceEpisode:
        where = f"{session.path}: policy {letter}"
        policy = session.policies.get(letter)
        if not isinstance(policy, dict):
            text = (
                "there is a folder and no data for it"
                if letter not in session.policies
                else "no data"
            )
            raise Unusable("no_policy", where, f"{text}. Copy the session again.")
        task = session.content.get("language_instruction")
        if not isinstance(task, str) or not task.strip():
            raise Unusable(
                "no_task", where, f"language_instruction is {shorten(task)!r}. Fill it in."
            )
        partial = self._partial_success(policy, where)
        views = self._views(session.folder, letter, where)
        judged = next((name for name in self._judged if name in views), None)
        if judged is None:
            text = f"no {' or '.join(self._judged)} view among {sorted(views)}. Judge another one with view=."
            raise Unusable("no_view", where, text)
        return SourceEpisode(
            episode_id=f"{self.name}-{session.folder.name}-{letter}",
            task=task.strip(),
            source=self.name,
            group=f"{self.name}-{session.folder.name}",
            views=views,
            judged_view=judged,
            label=self._label(partial),
            where=where,
            extra=_extra(session, letter, policy, partial, self._embodiment),
        )

    def _partial_success(self, policy: Mapping[str, Any], where: str) -> float | None:
        """Return it in [0, 1], or None where there is none."""
        value = policy.get("partial_success")
        if value is None:
            return None
        number = as_number(value)
        if number is None or number > (maximum := self._scale()):
            text = f"partial_success is {shorten(value)!r}, a number of 0 to 1 or 100 is wanted. Correct it."
            raise Unusable("bad_score", where, text)
        return number / maximum

    def _scale(self) -> Maximum:
        """Return the scale of the dump, found out once."""
        if self._maximum is None:
            numbers = (
                number
                for folder in self._folders
                for policy in _read_session(folder).policies.values()
                if isinstance(policy, dict)
                and (number := as_number(policy.get("partial_success"))) is not None
            )
            self._maximum = detect_maximum(numbers, where=str(self.folder))
        return self._maximum

    def _label(self, partial: float | None) -> Label | None:
        if partial is None:
            return None
        author = f"roboarena-evaluator+{self.mapping.name}"
        reason = f"An evaluator gave {100 * partial:g} % of partial success."
        return Label(score=self.mapping.score(partial), author=author, reason=reason)

    def _views(self, folder: Path, letter: str, where: str) -> dict[str, VideoFootage]:
        folders = [path for path in sorted(folder.iterdir()) if _letter_of(path) == letter]
        if len(folders) != 1:
            text = f"{len(folders)} folders are named {letter}_..., one is wanted. Copy the session again."
            raise Unusable("no_view" if not folders else "ambiguous_view", where, text)
        views: dict[str, VideoFootage] = {}
        for path in sorted(folders[0].glob("*.mp4")):
            match = _VIEW.fullmatch(path.stem)
            name = match[1] if match else path.stem
            if name in views:
                text = f"two videos of the {name} view: {views[name].path.name} and {path.name}. Remove one."
                raise Unusable("ambiguous_view", where, text)
            if name != "wrist" or self._allow_wrist_views:
                views[name] = VideoFootage(path, fps=self.fps, where=where)
        return dict(sorted(views.items()))


def _session_folders(folder: Path) -> tuple[Path, ...]:
    try:
        folders = tuple(path for path in sorted(folder.iterdir()) if path.is_dir())
    except OSError as error:
        raise DataError(f"Cannot read {folder}: {error.strerror or error}.") from error
    if not folders:
        text = "holds no sessions; a RoboArena dump has them in evaluation_sessions/"
        raise DataError(f"{folder} {text}. Name another folder.")
    return folders


def _read_session(folder: Path) -> _Session:
    path = next((folder / name for name in _METADATA_NAMES if (folder / name).is_file()), None)
    if path is None:
        return _Session(
            folder, folder / _METADATA_NAMES[1], {}, "is missing. Copy the session again."
        )
    try:
        return _Session(folder, path, read_session_file(path))
    except DataError as error:
        return _Session(folder, path, {}, str(error))


def _letter_of(path: Path) -> str | None:
    match = _POLICY_FOLDER.fullmatch(path.name)
    return match[1] if match and path.is_dir() else None


def _letters(folder: Path) -> set[str]:
    return {letter for path in folder.iterdir() if (letter := _letter_of(path)) is not None}


def _extra(
    session: _Session,
    letter: str,
    policy: Mapping[str, Any],
    partial: float | None,
    embodiment: str | None,
) -> dict[str, Any]:
    binary, duration = policy.get("binary_success"), policy.get("duration")
    preference = session.content.get("preference")
    return {
        "embodiment": embodiment,
        "session": session.folder.name,
        "policy_letter": letter,
        "policy": _text(policy.get("policy_name")),
        "partial_success": partial,
        "binary_success": bool(binary) if binary in (0, 1) else None,
        "preference": preference.upper() if isinstance(preference, str) else None,
        "feedback": _text(session.content.get("longform_feedback")),
        "duration_steps": duration if type(duration) is int else None,
        "location": _text(session.content.get("evaluation_location")),
    }


def _text(value: Any) -> str | None:
    return value[:_MAX_TEXT_CHARS] if isinstance(value, str) else None
