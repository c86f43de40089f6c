"""HDF5 files as robomimic and LIBERO write them: one group a demonstration, one array of frames a camera.

Outside rules: robomimic's "Dataset Contents and Structure" (documentation): `data/demo_<k>/obs/<camera>_image`, uint8
(T, H, W, 3), and the attribute `env_args` of `data`, JSON whose `env_kwargs` hold `control_freq`. LIBERO
(scripts/create_dataset.py) adds `problem_info`, JSON with `language_instruction`, and `macros_image_convention`; its
cameras end in `_rgb`. robosuite renders bottom-up under the convention "opengl", so that rows are in reverse. (To
rotate by 180 degrees, as is often done to LIBERO, also mirrors the scene: openvla issue 295, lerobot issue 3830.)
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from roboreward.core import DataError, UnknownName, UsageError, shorten
from roboreward.sources.footage import check_fps
from roboreward.sources.hdf5_file import (
    check_pictures,
    column,
    frames_of,
    in_order,
    is_pictures,
    json_of,
    open_hdf5,
    reading,
    subgroup,
    text_of,
)
from roboreward.sources.source import Frame, OnSkip, SourceEpisode
from roboreward.sources.unusable import Unusable, leave_out

Flip = Literal["auto", "vertical", "rotate", "none"]
FLIPS: Final[tuple[Flip, ...]] = ("auto", "vertical", "rotate", "none")
"""auto: `vertical` where the file says "opengl", else `none`. vertical: rows in reverse. rotate: by 180 degrees."""

_SUFFIXES: Final = (".hdf5", ".h5")
_USUAL_CAMERAS: Final = ("agentview_image", "agentview_rgb")
_MAX_STEPS: Final = 1_000_000
_WRIST_WORDS: Final = ("eye_in_hand", "wrist", "hand_camera")


@dataclass(frozen=True, eq=False)
class Hdf5Footage:
    """One camera's frames of one demonstration, read when they are asked for.

    Attributes:
        path: The file.
        demo: The demonstration's group under `data`.
        key: The camera's array under `obs`.
        fps: Steps a second.
        num_frames: How many there are.
        flip: What is done to each frame.
    """

    path: Path
    demo: str
    key: str
    fps: float
    num_frames: int
    flip: Flip

    def frames(self) -> Iterator[Frame]:
        """Read the frames in order; the file is open while they are read. See `Footage`."""
        return self._read(None)

    def take(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Read only the frames at these places, from 0."""
        bad = next((place for place in indices if not 0 <= place < self.num_frames), None)
        if bad is not None:
            text = f"frame {bad} is wanted, there are {self.num_frames}. Count from 0."
            raise UsageError(f"{self.path}: data/{self.demo}: {text}")
        return self._read(indices)

    def _read(self, indices: Sequence[int] | None) -> Iterator[Frame]:
        where = f"{self.path}: data/{self.demo}/obs/{self.key}"
        with open_hdf5(self.path) as file, reading(where):
            demo = _demo(file, self.demo, where)
            dataset = column(_observations(demo, where), self.key, where)
            if dataset is None:
                raise DataError(f"{where} is no longer there. Was the file changed?")
            check_pictures(dataset, self.key, where)
            for frame in frames_of(dataset, indices):
                yield _flipped(frame, self.flip)


@dataclass(frozen=True)
class _FileFacts:
    """What the attributes of `data` say."""

    layout: Literal["libero", "robomimic"]
    task: str | None
    env_name: str | None
    embodiment: str | None
    control_hz: float | None
    convention: str | None


class Hdf5Source:
    """Demonstrations from a file, or from all `.hdf5` and `.h5` files of a folder, in the order of their names.

    No label is set. `extra` holds `layout`, `env_name`, `embodiment`, `num_steps`, `last_reward`, `max_reward`,
    `last_done` (robomimic and LIBERO reward 1 at success), `image_convention` and `flip`.

    Args:
        path: A file or a folder.
        image_key: The camera to judge, by its key under `obs`; None for the one from outside that both layouts have
            (`agentview_image`, `agentview_rgb`), or the only one.
        task: The instruction, for all files; required where the files have none, as those of robomimic.
        name: Name of the corpus; None for "libero" or "robomimic", by the first file.
        fps: Steps a second; None for the files' own `control_freq`.
        flip: One of `FLIPS`.
        allow_wrist_views: Whether cameras on the wrist, by their names, are given.

    Raises:
        MissingExtra: h5py is not installed.
        UsageError: Camera, task or rate is not known; says what to pass.
        DataError: There is no such file, or the first one makes no sense.

    Memory: one frame, or one compressed block of frames.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        image_key: str | None = None,
        task: str | None = None,
        name: str | None = None,
        fps: float | None = None,
        flip: Flip = "auto",
        allow_wrist_views: bool = True,
    ) -> None:
        self.path = Path(path)
        self._files = _files(self.path)
        self._task, self._fps, self._flip = task, fps, flip
        self._allow_wrist_views = allow_wrist_views
        if flip not in FLIPS:
            raise UnknownName("flip", flip, FLIPS)
        if fps is not None:
            check_fps(fps, where=str(path))
        if task is not None and not task.strip():
            raise UsageError(f"{path}: task is empty.")
        first = self._files[0]
        with open_hdf5(first) as file:
            facts = _facts(file, first)
            cameras = _first_cameras(file, first)
        self.judged_view = _judged_view(first, cameras, image_key, allow_wrist_views)
        self._name = name or facts.layout
        if task is None and facts.task is None:
            raise UsageError(f"{first} holds no instruction, as usual in robomimic. Pass task=.")
        if fps is None and facts.control_hz is None:
            raise UsageError(f"{first} does not say how many steps a second there are. Pass fps=.")

    @property
    def name(self) -> str:
        """As given, or the layout's."""
        return self._name

    @property
    def licence(self) -> str | None:
        """The files state none."""
        return None

    def episodes(self, *, on_skip: OnSkip | None = None) -> Iterator[SourceEpisode]:
        """Yield the demonstrations by file and number; see `Source`.

        Reasons of a `Skip`: "bad_file" (for a whole file), "no_task", "no_rate", "no_view", "bad_images", "no_frames",
        "uneven_steps", "external_data", "too_large".
        """
        for path in self._files:
            try:
                facts, demos = self._open(path)
            except DataError as error:
                text = str(error).removeprefix(f"{path}").removeprefix(":").strip()
                leave_out(Unusable("bad_file", str(path), text), on_skip)
                continue
            for demo in demos:
                try:
                    episode = self._episode(path, facts, demo)
                except Unusable as error:
                    leave_out(error, on_skip)
                    continue
                yield episode

    def _open(self, path: Path) -> tuple[_FileFacts, list[str]]:
        with open_hdf5(path) as file:
            return _facts(file, path), in_order(iter(_data(file, path)))

    def _episode(self, path: Path, facts: _FileFacts, demo: str) -> SourceEpisode:
        where = f"{path}: data/{demo}"
        task, fps = self._task or facts.task, self._fps or facts.control_hz
        if task is None:
            raise Unusable("no_task", where, "the file holds no instruction. Pass task=.")
        if fps is None:
            raise Unusable(
                "no_rate", where, "the file does not say the rate of its steps. Pass fps=."
            )
        flip = self._flip
        if flip == "auto":
            flip = "vertical" if facts.convention == "opengl" else "none"
        with _unusable("bad_file", where), open_hdf5(path) as file:
            group = _demo(file, demo, where)
            counts = self._counts(_observations(group, where), where)
            outcome = _outcome(group, where)
        views = {key: Hdf5Footage(path, demo, key, fps, num, flip) for key, num in counts.items()}
        episode_id = f"{self._name}-{path.stem}-{demo}"
        return SourceEpisode(
            episode_id=episode_id,
            task=task.strip(),
            source=self._name,
            group=episode_id,
            views=views,
            judged_view=self.judged_view,
            where=where,
            extra={
                "layout": facts.layout,
                "env_name": facts.env_name,
                "embodiment": facts.embodiment,
                "num_steps": counts[self.judged_view],
                **outcome,
                "image_convention": facts.convention,
                "flip": flip,
            },
        )

    def _counts(self, observations: Any, where: str) -> dict[str, int]:
        """Return the cameras and how many frames each has."""
        judged = column(observations, self.judged_view, where)
        if judged is None:
            names = ", ".join(_cameras(observations, where)) or "none"
            text = f"there is no {self.judged_view!r}; cameras are: {names}. Pass image_key=."
            raise Unusable("no_view", where, text)
        check_pictures(judged, self.judged_view, where)
        counts = {}
        for key in _cameras(observations, where):
            if key == self.judged_view or self._allow_wrist_views or not _is_wrist(key):
                dataset = column(observations, key, where)
                check_pictures(dataset, key, where)
                counts[key] = int(dataset.shape[0]) if dataset is not None else 0
        if len(set(counts.values())) > 1:
            text = f"the views have different numbers of frames: {shorten(counts)}. Write it again."
            raise Unusable("uneven_steps", where, text)
        return counts


@contextmanager
def _unusable(reason: str, where: str) -> Iterator[None]:
    """Turn an error about the file into one about a demonstration."""
    try:
        yield
    except Unusable:
        raise
    except DataError as error:
        raise Unusable(reason, where, str(error)) from error


def _files(path: Path) -> tuple[Path, ...]:
    if path.is_file():
        return (path,)
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder. Check the path.")
    files = tuple(file for file in sorted(path.iterdir()) if file.suffix in _SUFFIXES)
    if not files:
        raise DataError(f"{path} holds no {' or '.join(_SUFFIXES)} file. Name another folder.")
    stems = [file.stem for file in files]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        text = f"two files are named {twice!r} but for their suffix, so that their episodes would have the same ids"
        raise DataError(f"{path}: {text}. Rename one.")
    return files


def _data(file: Any, path: Path) -> Any:
    data = subgroup(file, "data", str(path))
    if data is None or not len(data):
        raise DataError(f"{path}: there is no group `data` with demonstrations. Name another file.")
    return data


def _facts(file: Any, path: Path) -> _FileFacts:
    attributes = _data(file, path).attrs
    problem = json_of(attributes.get("problem_info"), "problem_info", str(path))
    args = json_of(attributes.get("env_args"), "env_args", str(path))
    settings = args.get("env_kwargs")
    settings = settings if isinstance(settings, dict) else {}
    rate = settings.get("control_freq")
    has_rate = isinstance(rate, (int, float)) and 0 < rate < math.inf
    instruction = problem.get("language_instruction")
    if isinstance(instruction, list):  # as some files have it: the letters or words of the text
        instruction = "".join(map(str, instruction))
    has_task = isinstance(instruction, str) and bool(instruction.strip())
    robots = settings.get("robots")
    return _FileFacts(
        layout="libero" if problem else "robomimic",
        task=instruction if has_task else None,
        env_name=text_of(args.get("env_name")) or text_of(attributes.get("env_name")),
        embodiment=" + ".join(map(str, robots)) if isinstance(robots, list) else text_of(robots),
        control_hz=float(rate) if rate is not None and has_rate else None,
        convention=text_of(attributes.get("macros_image_convention")),
    )


def _demo(file: Any, demo: str, where: str) -> Any:
    data = subgroup(file, "data", where)
    group = None if data is None else subgroup(data, demo, where)
    if group is None:
        raise DataError(f"{where}: there is no such demonstration. Was the file changed?")
    return group


def _observations(demo: Any, where: str) -> Any:
    group = subgroup(demo, "obs", where)
    if group is None:
        text = "there is no group `obs`. Let robomimic write observations into it (dataset_states_to_obs)."
        raise Unusable("no_view", where, text)
    return group


def _cameras(observations: Any, where: str) -> list[str]:
    """Return the keys of the colour cameras, in the order of the file."""
    found = ((key, column(observations, key, where)) for key in observations)
    return [key for key, dataset in found if dataset is not None and is_pictures(dataset)]


def _first_cameras(file: Any, path: Path) -> list[str]:
    demo = in_order(iter(_data(file, path)))[0]
    where = f"{path}: data/{demo}"
    return _cameras(_observations(_demo(file, demo, where), where), where)


def _is_wrist(key: str) -> bool:
    return any(word in key for word in _WRIST_WORDS)


def _judged_view(
    path: Path, cameras: list[str], image_key: str | None, allow_wrist_views: bool
) -> str:
    if image_key is not None:
        if image_key not in cameras:
            raise UnknownName("camera", image_key, cameras or ["(the file has none)"])
        if _is_wrist(image_key) and not allow_wrist_views:
            text = f"{image_key!r} is a wrist view, and allow_wrist_views is False"
            raise UsageError(f"{path}: {text}. Pass another image_key=.")
        return image_key
    usual = [key for key in _USUAL_CAMERAS if key in cameras]
    if usual or len(cameras) == 1:
        return (usual or cameras)[0]
    names = ", ".join(cameras) or "none"
    text = f"it is not known which camera to judge. Pass image_key=, one of: {names}."
    raise UsageError(f"{path}: {text}")


def _outcome(demo: Any, where: str) -> dict[str, float | bool | None]:
    rewards, dones = _numbers(demo, "rewards", where), _numbers(demo, "dones", where)
    return {
        "last_reward": None if rewards is None else float(rewards[-1]),
        "max_reward": None if rewards is None else float(rewards.max()),
        "last_done": None if dones is None else bool(dones[-1]),
    }


def _numbers(demo: Any, name: str, where: str) -> Any | None:
    """Return a column of one finite number a step, or None where there is none."""
    dataset = column(demo, name, where)
    if dataset is None or dataset.ndim != 1 or dataset.dtype.kind not in "biuf":
        return None
    if not 0 < dataset.size <= _MAX_STEPS:
        return None
    values = dataset[()]
    return values if np.isfinite(values).all() else None


def _flipped(frame: Frame, flip: Flip) -> Frame:
    """Return a copy, so that one frame does not keep the block around it in memory."""
    if flip == "vertical":
        frame = frame[::-1]
    elif flip == "rotate":
        frame = frame[::-1, ::-1]
    return np.array(frame)
