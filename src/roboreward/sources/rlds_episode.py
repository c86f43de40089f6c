"""Makes an episode of one RLDS record: which pictures, which instruction, what else the corpus says of it."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from roboreward.core import DataError, UsageError, shorten
from roboreward.media import decode_image
from roboreward.sources.rlds_layout import STEPS, Feature
from roboreward.sources.source import Footage, Frame, SourceEpisode
from roboreward.sources.tf_example import Values, parse_example
from roboreward.sources.unusable import Unusable

BLACK_LEVEL: Final = 16
"""A picture with no value above this, of 255, counts as black: video black, and what JPEG makes of it."""

_MAX_TEXT_CHARS: Final = 2000
_MAX_VARIANTS: Final = 8
_FLAGS: Final = ("is_last", "is_terminal")


@dataclass(frozen=True, eq=False)
class EncodedFootage:
    """Pictures as they are stored, decoded when they are asked for.

    Attributes:
        pictures: PNG or JPEG, one a step.
        fps: Steps a second.
        feature: What `features.json` says of them.
        where: File and record.
    """

    pictures: tuple[bytes, ...]
    fps: float
    feature: Feature
    where: str

    @property
    def num_frames(self) -> int:
        """How many there are."""
        return len(self.pictures)

    def frames(self) -> Iterator[Frame]:
        """Decode the pictures in order; see `Footage`."""
        return self.take(range(self.num_frames))

    def take(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Decode only the pictures of these steps, from 0."""
        for step in indices:
            if not 0 <= step < self.num_frames:
                text = f"step {step} is wanted, there are {self.num_frames}. Count from 0."
                raise UsageError(f"{self.where}: {text}")
            where = f"{self.where}, {self.feature.key}, step {step} (from 0)"
            frame = decode_image(self.pictures[step], where=where)
            promised = zip(self.feature.shape, frame.shape, strict=True)
            if any(number not in (None, found) for number, found in promised):
                text = f"the picture is {frame.shape}, features.json says {self.feature.shape}"
                raise DataError(f"{where}: {text}. Write the data set again.")
            yield frame


def black_views(episode: SourceEpisode) -> tuple[str, ...]:
    """Return the names of the views that are black in every frame (`BLACK_LEVEL`), such as Bridge's `image_3`.

    Raises:
        DataError: A frame cannot be read.

    Cost: one frame of each view that is not black, all frames of one that is.
    """
    return tuple(name for name, footage in episode.views.items() if is_black(footage))


def is_black(footage: Footage) -> bool:
    """Return whether every frame is black; True for no frame at all."""
    return all(int(frame.max(initial=0)) <= BLACK_LEVEL for frame in footage.frames())


@dataclass(frozen=True)
class EpisodeReader:
    """What to take from each record of one data set.

    Attributes:
        source: Name for `SourceEpisode.source`.
        fps: Steps a second.
        views: Features of the pictures, by view.
        judged_view: One of them.
        task_keys: Keys of the instruction in a record, in order of preference.
        session_key: Key of what the episodes of a session share; None where an episode is its own group.
        metadata: Features outside the steps that go into `extra`.
        facts: What `extra` says of every episode.
        allow_black: Whether the judged view may be black in every frame.
    """

    source: str
    fps: float
    views: Mapping[str, Feature]
    judged_view: str
    task_keys: tuple[str, ...]
    session_key: str | None
    metadata: tuple[Feature, ...]
    facts: Mapping[str, Any]
    allow_black: bool

    @cached_property
    def keys(self) -> frozenset[str]:
        """Everything that is read of a record; the rest is passed over."""
        steps = (f"{STEPS}/{key}" for key in ("reward", *_FLAGS))
        features = (feature.key for feature in (*self.views.values(), *self.metadata))
        session = () if self.session_key is None else (self.session_key,)
        return frozenset({*steps, *features, *self.task_keys, *session})

    def read(self, record: bytes, *, episode_id: str, where: str) -> SourceEpisode:
        """Return the episode that a record holds.

        Raises:
            Unusable: It cannot be used; "not_an_example", "no_frames", "uneven_steps", "no_task", "bad_text",
                "bad_picture" (the first one), "black_view".
        """
        try:
            values = parse_example(record, where=where, names=self.keys)
        except DataError as error:
            raise Unusable("not_an_example", where, _without(where, error)) from error
        views = self._views(values, where)
        judged = views[self.judged_view]
        variants = _wordings(values, self.task_keys, judged.num_frames, where)
        self._check_black(judged, where)
        extra = self._extra(values, judged.num_frames)
        if len(variants) > 1:
            extra["task_variants"] = variants
        return SourceEpisode(
            episode_id=episode_id,
            task=variants[0],
            source=self.source,
            group=self._group(values, judged),
            views=views,
            judged_view=self.judged_view,
            where=where,
            extra=extra,
        )

    def _views(self, values: Mapping[str, Values], where: str) -> dict[str, EncodedFootage]:
        views = {}
        for name, feature in self.views.items():
            pictures = values.get(feature.key)
            if not isinstance(pictures, list) or not pictures:
                text = f"{feature.key!r} holds no picture. Write it again."
                raise Unusable("no_frames", where, text)
            views[name] = EncodedFootage(tuple(pictures), self.fps, feature, where)
        counts = {name: view.num_frames for name, view in views.items()}
        if len(set(counts.values())) > 1:
            text = f"the views have different numbers of frames: {shorten(counts)}. Write it again."
            raise Unusable("uneven_steps", where, text)
        return views

    def _check_black(self, judged: EncodedFootage, where: str) -> None:
        if self.allow_black:
            return
        try:
            if not is_black(judged):
                return
        except DataError as error:
            raise Unusable("bad_picture", where, _without(where, error)) from error
        text = f"the judged view {self.judged_view!r} is black in all {judged.num_frames} frames. Judge another one."
        raise Unusable("black_view", where, text)

    def _group(self, values: Mapping[str, Values], judged: EncodedFootage) -> str:
        """Return a digest of what marks the session, or else of the frames.

        Of the frames, because the same attempt may be in two splits under different numbers (as in octo's shards). And
        a digest, because the mark is often a path, and DROID's paths say whether the attempt succeeded.
        """
        mark = values.get(self.session_key) if self.session_key else None
        digest = hashlib.blake2b(digest_size=8)
        if mark is not None and len(mark):
            digest.update(b"\0".join(mark) if isinstance(mark, list) else mark.tobytes())
        else:
            num = judged.num_frames
            digest.update(num.to_bytes(8, "little"))
            # Three of them: all would take longer than reading the record.
            for place in (0, num // 2, num - 1):
                digest.update(judged.pictures[place])
        return f"{self.source}-{digest.hexdigest()}"

    def _extra(self, values: Mapping[str, Values], num_steps: int) -> dict[str, Any]:
        reward = _last(values, "reward", num_steps)
        extra = {**self.facts, "num_steps": num_steps, "last_reward": _json(reward)}
        for flag in _FLAGS:
            value = _last(values, flag, num_steps)
            extra[flag] = None if value is None else bool(value)
        found = {leaf.key.split("/", 1)[-1]: _scalar(values, leaf) for leaf in self.metadata}
        extra["episode_metadata"] = {
            key: value for key, value in found.items() if value is not None
        }
        return extra


def _without(where: str, error: DataError) -> str:
    """Return the message without the place, which `Unusable` puts before it."""
    return str(error).removeprefix(f"{where}: ").removeprefix(f"{where}, ")


def _wordings(
    values: Mapping[str, Values], keys: Sequence[str], num_steps: int, where: str
) -> list[str]:
    """Return the different instructions of the first key that has any, in order."""
    for key in keys:
        texts = _texts(values.get(key), num_steps, key, where)
        wordings = [text for text in dict.fromkeys(texts) if text]
        if wordings:
            return wordings[:_MAX_VARIANTS]
    text = f"no instruction: {' and '.join(map(repr, keys))} are empty or absent. Give another task_key=."
    raise Unusable("no_task", where, text)


def _texts(value: Values | None, num_steps: int, key: str, where: str) -> list[str]:
    """Return the instruction of each step, or the one of the whole episode.

    Language-Table has the bytes of the text as integers, padded with zeros to one length.
    """
    if isinstance(value, np.ndarray) and value.dtype == np.int64 and value.size % num_steps == 0:
        rows = value.reshape(num_steps, -1)
        if rows.size and rows.min() >= 0 and rows.max() <= 0xFF:
            value = [bytes(row.astype(np.uint8)).rstrip(b"\0") for row in rows]
    if not isinstance(value, list):
        return []
    if len(value) not in (0, 1, num_steps):
        text = f"{key!r} has {len(value)} texts for {num_steps} steps. Write it again."
        raise Unusable("uneven_steps", where, text)
    return [_text(data, key, where) for data in value]


def _text(data: bytes, key: str, where: str) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\ufffd"
    if "\ufffd" in text:
        message = f"{key!r} is not UTF-8: {shorten(data)}. Write it again."
        raise Unusable("bad_text", where, message)
    return text.strip()


def _last(values: Mapping[str, Values], key: str, num_steps: int) -> float | int | None:
    column = values.get(f"{STEPS}/{key}")
    if not isinstance(column, np.ndarray) or column.size != num_steps:
        return None
    last: float | int = column[-1].item()
    return last


def _scalar(values: Mapping[str, Values], feature: Feature) -> str | float | int | bool | None:
    """Return a single value as JSON has it, or None."""
    value = values.get(feature.key)
    if value is None or len(value) != 1:
        return None
    if isinstance(value, list):
        return value[0].decode(errors="replace")[:_MAX_TEXT_CHARS]
    number = value[0].item()
    return bool(number) if feature.dtype == "bool" else _json(number)


def _json(number: float | int | None) -> float | int | None:
    return number if number is not None and math.isfinite(number) else None
