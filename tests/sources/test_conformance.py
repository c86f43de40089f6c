"""The checker of sources finds each broken promise and names it; every source that is built in passes it."""

import base64
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roboreward.core import DataError, Label
from roboreward.media import png_bytes, write_video
from roboreward.sources import Skip, SourceEpisode, Unusable, leave_out, open_source
from roboreward.testing import ConformanceError, check_source


@dataclass(frozen=True)
class Drawn:
    """Four frames; those of the classes below break the contract in one way each."""

    seed: int = 0
    fps: Any = 5.0
    num_frames: Any = 4

    def frames(self) -> Any:
        return iter(list(self.array()))

    def array(self) -> np.ndarray:
        noise = np.random.default_rng(self.seed)
        return noise.integers(0, 255, (4, 6, 8, 3)).astype(np.uint8)


class Episode(SourceEpisode):
    """Takes what `SourceEpisode` would refuse."""

    def __post_init__(self) -> None:
        pass


def episode(number: int, footage: Any = None, **changes: Any) -> SourceEpisode:
    facts: dict[str, Any] = {
        "episode_id": f"e{number}",
        "task": "lift the block",
        "source": "lab",
        "group": f"day{number // 2}",
        "views": {"front": footage or Drawn(number), "wrist": Drawn(10 + number, num_frames=5)},
        "judged_view": "front",
        "label": Label(score=5, author="lab"),
        "where": f"list:{number}",
        "extra": {"robot": "so101", "tries": [1, 2], "note": None},
    }
    return Episode(**(facts | changes))


class Good:
    """Keeps the contract; number 3 of its episodes is bad where it is spoilt."""

    name: Any = "lab"
    licence: Any = None

    def __init__(self, *, is_spoilt: bool = False) -> None:
        self.is_spoilt = is_spoilt

    def episodes(self, *, on_skip: Any = None) -> Any:
        for number in range(4):
            if self.is_spoilt and number == 3:
                self.leave_out(on_skip)
            else:
                yield self.episode(number)

    def leave_out(self, on_skip: Any) -> None:
        leave_out(Unusable("no_task", "list:3", "there is no task. Add it."), on_skip)

    def episode(self, number: int) -> SourceEpisode:
        return episode(number)


def check(kind: Callable[..., Any], **options: Any) -> None:
    check_source(kind, open_spoilt=lambda: kind(is_spoilt=True), **options)


def findings(kind: Callable[..., Any]) -> tuple[str, ...]:
    with pytest.raises(ConformanceError) as caught:
        check(kind)
    assert all(finding.isprintable() and len(finding) < 500 for finding in caught.value.findings)
    return caught.value.findings


def test_a_source_that_keeps_the_contract_passes() -> None:
    check(Good)
    check(Good, num_episodes=None)
    check_source(Good)
    check_source(lambda: Good(is_spoilt=True))


# What is wrong with an episode: the change of `episode`, and what is said of it.
BAD_EPISODES: dict[str, tuple[dict[str, Any], str]] = {
    "no id": ({"episode_id": ""}, "episode_id must be a text"),
    "number as id": ({"episode_id": 7}, "episode_id must be a text"),
    "same id": ({"episode_id": "e1"}, "ids occur more than once: 'e1'"),
    "no task": ({"task": " "}, "task must be a text that is not empty"),
    "endless task": ({"task": "x" * 2001}, "the task has 2,001 characters"),
    "no source": ({"source": ""}, "source must be a text"),
    "path as source": ({"source": "../lab"}, "source names a folder"),
    "parent as source": ({"source": ".."}, "source names a folder"),
    "no group": ({"group": None}, "group must be a text"),
    "no place": ({"where": ""}, "where must be a text"),
    "no view": ({"views": {}}, "at least one view"),
    "list of views": ({"views": [Drawn()]}, "views must be a mapping"),
    "other view judged": ({"judged_view": "back"}, "judged view 'back' is none of front, wrist"),
    "nameless view": ({"views": {"front": Drawn(), 1: Drawn()}}, "views have names"),
    "no footage": ({"views": {"front": [1, 2]}}, "view 'front' is a list, which lacks"),
    "no label": ({"label": 5}, "label must be a Label or None"),
    "score of 7": ({"label": Label.model_construct(score=7, author="lab")}, "1 to 5, got 7"),
    "true as score": ({"label": Label.model_construct(score=True, author="lab")}, "got True"),
    "no author": ({"label": Label(score=1, author="")}, "a label has an author"),
    "list as extra": ({"extra": []}, "extra must be a mapping"),
    "array in extra": ({"extra": {"pose": np.zeros(3)}}, "extra holds JSON values only"),
    "NaN in extra": ({"extra": {"reward": math.nan}}, "extra holds JSON values only"),
    "tuple in extra": ({"extra": {"pose": (1, 2)}}, "extra does not survive JSON"),
    "other origin": ({"extra": {"origin": "our lab"}}, "extra['origin'] is the origin of a row"),
    "number as key": ({"extra": {1: "a"}}, "extra does not survive JSON"),
}


@pytest.mark.parametrize("name", BAD_EPISODES)
def test_what_is_wrong_with_an_episode_is_found_and_named(name: str) -> None:
    changes, says = BAD_EPISODES[name]

    class Bad(Good):
        def episode(self, number: int) -> SourceEpisode:
            return episode(number, **(changes if number == 2 else {}))

    (finding,) = findings(Bad)
    assert says in finding


def test_an_offence_of_many_episodes_is_one_finding() -> None:
    class Bad(Good):
        def episode(self, number: int) -> SourceEpisode:
            return episode(number, task="", group="" if number == 3 else "day")

    task, group = findings(Bad)
    assert task.startswith("episode 'e0' (and 3 more): task must be")
    assert group.startswith("episode 'e3': group must be")


class Floats(Drawn):
    def array(self) -> Any:
        return super().array() / 255


class Grey(Drawn):
    def array(self) -> Any:
        return super().array()[..., 0]


class ChannelsFirst(Drawn):
    def array(self) -> Any:
        return super().array().transpose(0, 3, 1, 2)


class Lists(Drawn):
    def frames(self) -> Any:
        return iter(self.array().tolist())


class AllAtOnce(Drawn):
    def frames(self) -> Any:
        return self.array()


class Empty(Drawn):
    def frames(self) -> Any:
        return iter(())


class Growing(Drawn):
    def frames(self) -> Any:
        return (frame[: 6 - place] for place, frame in enumerate(self.array()))


class OneBuffer(Drawn):
    def frames(self) -> Any:
        buffer = np.empty((6, 8, 3), np.uint8)
        for frame in self.array():
            buffer[:] = frame
            yield buffer


class Stamped(Drawn):
    """The frames carry how often they were asked for, in the whole process."""

    calls = 0

    def frames(self) -> Any:
        Stamped.calls += 1
        return (np.full_like(frame, Stamped.calls % 200) for frame in self.array())


class GreyAtLast(Drawn):
    """Is asked by the checks of the way to a worker twice, then for the two readings."""

    calls = 0

    def frames(self) -> Any:
        GreyAtLast.calls += 1
        is_grey = GreyAtLast.calls % 4 == 0
        return (frame[..., 0] if is_grey else frame for frame in self.array())


class BadTake(Drawn):
    def take(self, indices: Any) -> Any:
        return (self.array()[index - 1] for index in indices)


class GoodTake(Drawn):
    def take(self, indices: Any) -> Any:
        return (self.array()[index] for index in indices)


@dataclass(frozen=True)
class UsedUp:
    stream: Any
    fps: float = 5.0
    num_frames: None = None

    def frames(self) -> Any:
        return self.stream


def each(frames: Any) -> Any:
    yield from frames


class Torn(UsedUp):
    """What it holds does not travel; once it arrived it gives other frames."""

    def __reduce__(self) -> Any:
        return Drawn, (99, 5.0, None)

    def frames(self) -> Any:
        return Drawn(1).frames()


BAD_FOOTAGE: dict[str, tuple[Callable[[], Any], str]] = {
    "no rate": (lambda: Drawn(fps=0), "fps must be a finite number above 0, got 0"),
    "rate without end": (lambda: Drawn(fps=math.inf), "above 0, got inf"),
    "NaN as rate": (lambda: Drawn(fps=math.nan), "above 0, got nan"),
    "text as rate": (lambda: Drawn(fps="5"), "above 0, got '5'"),
    "true as rate": (lambda: Drawn(fps=True), "above 0, got True"),
    "two too many": (lambda: Drawn(num_frames=6), "num_frames is 6 and frames() gave 4"),
    "one too few": (lambda: Drawn(num_frames=3), "num_frames is 3 and frames() gave 4"),
    "half a frame": (lambda: Drawn(num_frames=4.0), "num_frames must be a whole number"),
    "fewer than none": (lambda: Drawn(num_frames=-1), "num_frames must be a whole number"),
    "floats": (Floats, "frame 0 must be uint8 RGB"),
    "grey": (Grey, "frame 0 must be uint8 RGB"),
    "channels first": (ChannelsFirst, "of shape (H, W, 3), got uint8 (3, 6, 8)"),
    "lists": (Lists, "frame 0 must be an array, got a list"),
    "all at once": (AllAtOnce, "frames() must be an iterator, got a ndarray"),
    "no frame": (Empty, "frames() gave no frame"),
    "sizes": (Growing, "frame 1 is (5, 8, 3), frame 0 is (6, 8, 3)"),
    "one buffer": (OneBuffer, "frame 0 changed when the next one was read"),
    "others each time": (Stamped, "4 frames, and others when called again"),
    "grey at last": (GreyAtLast, "4 frames, and this: frame 0 must be uint8 RGB"),
    "other frames taken": (BadTake, "take([0, 2, 3]) gave other frames"),
    "cannot travel": (lambda: UsedUp(each(Drawn().array())), "cannot be sent to another process"),
    "not the same there": (lambda: Torn(None), "its frames in another process are others"),
}


@pytest.mark.parametrize("name", BAD_FOOTAGE)
def test_what_is_wrong_with_footage_is_found_and_named(name: str) -> None:
    make, says = BAD_FOOTAGE[name]

    class Bad(Good):
        def episode(self, number: int) -> SourceEpisode:
            return episode(number, make() if number == 2 else None)

    found = findings(Bad)
    assert any(says in finding for finding in found), found
    assert all(finding.startswith("episode 'e2'") for finding in found)


def test_footage_that_is_used_up_is_found() -> None:
    class Bad(Good):
        def episode(self, number: int) -> SourceEpisode:
            return episode(number, UsedUp(each(Drawn().array())) if number == 2 else None)

    assert any("gave 4 frames, and 0 when called again" in finding for finding in findings(Bad))


def test_one_announced_frame_may_be_missing_and_take_may_be_there() -> None:
    class Fine(Good):
        def episode(self, number: int) -> SourceEpisode:
            footage = [GoodTake(), Drawn(num_frames=5), Drawn(num_frames=None), Drawn(fps=30)]
            return episode(number, footage[number])

    check(Fine)


class NoName(Good):
    name = ""


class ChangingName(Good):
    looks = 0

    @property
    def name(self) -> str:  # type: ignore[override]
        self.looks += 1
        return f"lab {self.looks}"


class OddLicence(Good):
    licence = b"mit"


class NoEpisodes:
    name, licence = "lab", None


class ListOfEpisodes(Good):
    def episodes(self, *, on_skip: Any = None) -> Any:
        return list(super().episodes(on_skip=on_skip))


class Nothing(Good):
    def episodes(self, *, on_skip: Any = None) -> Any:
        return iter(())


class Dictionaries(Good):
    def episode(self, number: int) -> Any:
        return {"episode_id": number}


class ReadOnce(Good):
    stream: Any = None

    def episodes(self, *, on_skip: Any = None) -> Any:
        self.stream = self.stream or super().episodes(on_skip=on_skip)
        return self.stream


class Counting(Good):
    """The ids depend on what was read before, of this source."""

    num = 0

    def episode(self, number: int) -> SourceEpisode:
        self.num += 1
        return episode(number, episode_id=f"e{self.num}")


class Numbered(Good):
    """The groups depend on what was opened before."""

    num = 0

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        Numbered.num += 1
        self.mine = Numbered.num

    def episode(self, number: int) -> SourceEpisode:
        return episode(number, group=f"opened {self.mine} times")


class Turning(Numbered):
    """The order depends on what was opened before."""

    def episodes(self, *, on_skip: Any = None) -> Any:
        found = [episode(number) for number in range(4)]
        return iter(found[:: -1 if self.mine % 2 else 1])


class TurningViews(Numbered):
    def episode(self, number: int) -> SourceEpisode:
        views = episode(number).views
        names = sorted(views, reverse=bool(self.mine % 2))
        return episode(number, views={name: views[name] for name in names})


class WantsOnSkip(Good):
    def episodes(self, *, on_skip: Any) -> Any:
        return super().episodes(on_skip=on_skip)


class Strict(Good):
    """Raises without `on_skip` though nothing is wrong."""

    def episodes(self, *, on_skip: Any = None) -> Any:
        if on_skip is None:
            raise DataError("on_skip is wanted")
        return super().episodes(on_skip=on_skip)


class Sends(Good):
    def episode(self, number: int) -> SourceEpisode:
        return episode(number, extra=Alien({"number": number}))


class Alien(dict):  # type: ignore[type-arg]
    """A mapping that loses what it holds on the way."""

    def __reduce__(self) -> Any:
        return dict, ()


BROKEN: dict[type, str] = {
    NoName: "name must be a printable text, got ''",
    ChangingName: "name or licence changes",
    OddLicence: "licence must be a text, or None",
    NoEpisodes: "it lacks one of: name, licence, episodes",
    ListOfEpisodes: "episodes() must be an iterator, got a list",
    Nothing: "episodes() gave no episode",
    Dictionaries: "must give SourceEpisode, got a dict",
    ReadOnce: "a second reading gave 0 episodes, the first gave 4",
    Counting: "a second reading gave another episode_id",
    Numbered: "the source, opened again, gave another group for episode 'e0'",
    Turning: "the source, opened again, gave 'e",
    TurningViews: "gave another views",
    WantsOnSkip: "without on_skip a bad episode raised TypeError",
    Strict: "without on_skip a DataError was raised, with it nothing was skipped",
    Sends: "arrives in another process with other facts",
}


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_promise_is_found_and_named(kind: type) -> None:
    found = findings(kind)
    assert any(BROKEN[kind] in finding for finding in found), found


def test_something_that_is_no_source_is_named() -> None:
    with pytest.raises(ConformanceError, match="str does not keep the contract of a source"):
        check_source(lambda: "folder")  # type: ignore[arg-type, return-value]


def test_an_error_over_a_corpus_that_should_be_good_passes_through() -> None:
    class Fails(Good):
        def episode(self, number: int) -> SourceEpisode:
            raise KeyError("task")

    with pytest.raises(KeyError):
        check_source(Fails)


# What a source does with the bad episode, and what is said of it.
def silent(_on_skip: Any) -> None:
    """Leaves it out without a word."""


def crash(_on_skip: Any) -> None:
    raise KeyError("task")


def always_raise(_on_skip: Any) -> None:
    raise DataError("list:3 has no task. Add it.")


def wrong_error(on_skip: Any) -> None:
    if on_skip is None:
        raise ValueError("no task")
    on_skip(Skip("list:3", "no_task", "no task"))


def only_counted(on_skip: Any) -> None:
    if on_skip is not None:
        on_skip(Skip("list:3", "no_task", "no task"))


def skipping(*skip: Any) -> Callable[[Any], None]:
    return lambda on_skip: leave_out_as(Skip(*skip), on_skip)


def leave_out_as(skip: Any, on_skip: Any) -> None:
    if on_skip is None:
        raise DataError("no task")
    on_skip(skip)


BAD_SKIPS: dict[str, tuple[Callable[[Any], None], str]] = {
    "silent": (silent, "neither skipped nor raised by its frames"),
    "crash": (crash, "with on_skip a bad episode still raised KeyError: 'task'"),
    "always raised": (always_raise, "with on_skip a bad episode still raised DataError"),
    "wrong error": (wrong_error, "without on_skip a bad episode raised ValueError: no task"),
    "only counted": (only_counted, "without on_skip a bad episode was left out in silence"),
    "no Skip": (lambda on_skip: leave_out_as("no task", on_skip), "must get a Skip, got a str"),
    "sentence": (skipping("list:3", "There is no task.", "..."), "is one short word"),
    "no place": (skipping("", "no_task", "there is none"), "says nothing in where"),
    "no message": (skipping("list:3", "no_task", " "), "says nothing in message"),
}


@pytest.mark.parametrize("name", BAD_SKIPS)
@pytest.mark.parametrize("is_only_one", [False, True], ids=["spoilt", "in the corpus itself"])
def test_what_is_done_wrong_with_a_bad_episode_is_found(name: str, is_only_one: bool) -> None:
    leave, says = BAD_SKIPS[name]

    class Bad(Good):
        def leave_out(self, on_skip: Any) -> None:
            leave(on_skip)

    if not is_only_one:
        assert any(says in finding for finding in findings(Bad))
    elif name not in ("silent", "crash", "always raised"):  # not to be seen, or passing through
        with pytest.raises(ConformanceError, match=says.split("(")[0]):
            check_source(lambda: Bad(is_spoilt=True))


def test_a_bad_episode_that_takes_the_others_with_it_is_found() -> None:
    class Bad(Good):
        def episodes(self, *, on_skip: Any = None) -> Iterator[SourceEpisode]:
            if self.is_spoilt:
                self.leave_out(on_skip)
                return
            yield from super().episodes(on_skip=on_skip)

    assert findings(Bad) == ("one bad episode lost all the others; hand it to on_skip and go on",)


@dataclass(frozen=True)
class Unreadable(Drawn):
    error: Any = None

    def frames(self) -> Any:
        yield from self.array()[:2]
        raise self.error


def test_bad_frames_may_show_only_when_they_are_read_and_then_as_a_data_error() -> None:
    def source(error: Exception) -> Any:
        class Late(Good):
            def leave_out(self, on_skip: Any) -> None:
                """Leave nothing out."""

            def episode(self, number: int) -> SourceEpisode:
                is_bad = self.is_spoilt and number == 1
                return episode(number, Unreadable(error=error) if is_bad else None)

        return Late

    check(source(DataError("a picture is cut off")))
    (finding,) = findings(source(OSError("cannot identify image")))
    assert finding.startswith("episode 'e1': frames() raised OSError")


def test_skips_that_change_are_found() -> None:
    class Bad(Good):
        num = 0

        def leave_out(self, on_skip: Any) -> None:
            self.num += 1
            leave_out(Unusable("no_task", f"list:{self.num}", "no task"), on_skip)

    with pytest.raises(ConformanceError, match="a second reading skipped other episodes"):
        check_source(lambda: Bad(is_spoilt=True))


def test_only_the_first_episodes_are_looked_at() -> None:
    class Long(Good):
        def episodes(self, *, on_skip: Any = None) -> Any:
            for number in range(10):
                assert number < 3, "nobody asked for the fourth"
                yield episode(number)

    check_source(Long, num_episodes=3)


# The sources that are built in, over corpora as small as they can be.

PICTURES = np.random.default_rng(1).integers(0, 255, (5, 16, 16, 3)).astype(np.uint8)


def sheet(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def film(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, PICTURES, fps=5.0)


def folder_corpus(root: Path, is_spoilt: bool, _writing: Any) -> dict[str, Any]:
    film(root / "a.mp4")
    (root / "b").mkdir()
    for place, picture in enumerate(PICTURES):
        (root / f"b/{place}.png").write_bytes(png_bytes(picture))
    np.save(root / "c.npy", PICTURES)
    np.savez_compressed(root / "d.npz", frames=PICTURES)
    rows = [{"file": name, "task": "lift it"} for name in ("a.mp4", "b", "c.npy", "d.npz")]
    bad = [{"file": "gone.mp4", "task": "lift it"}, {"file": "a.mp4", "id": "x"}]
    sheet(root / "metadata.jsonl", rows + bad * is_spoilt)
    if is_spoilt:
        (root / "b/2.png").write_bytes(b"no picture")
    return {"fps": 5.0}


def roboreward_corpus(root: Path, is_spoilt: bool, _writing: Any) -> dict[str, Any]:
    names = [f"bridge/e_index_{number}.mp4" for number in range(3)]
    for name in names:
        film(root / "train" / name)
    rows: list[Any] = [{"file_name": name, "task": "lift it", "reward": 4} for name in names]
    bad = [{"file_name": names[0], "task": "lift it", "reward": 9}, {"file_name": "x", "task": ""}]
    sheet(root / "train" / "metadata.jsonl", rows + bad * is_spoilt)
    return {}


def roboarena_corpus(root: Path, is_spoilt: bool, _writing: Any) -> dict[str, Any]:
    for number in range(2):
        session = root / "evaluation_sessions" / f"s{number}"
        policies: dict[str, Any] = {}
        for letter in "AB":
            for view in ("left", "right", "wrist"):
                film(session / f"{letter}_pi0" / f"x_video_{view}.mp4")
            policies[letter] = {"policy_name": "pi0", "partial_success": 1.0}
        task = "" if is_spoilt and number else "lift it"
        content = {"language_instruction": task, "policies": policies}
        (session / "metadata.json").write_text(json.dumps(content))
    return {"partial_success_max": 1}


def rlds_corpus(root: Path, is_spoilt: bool, writing: Any) -> dict[str, Any]:
    records = [writing.episode(number) for number in range(3)]
    bad = writing.episode(3, steps__language_instruction=[b""] * 3)
    writing.folder(root, [records[:2], [*records[2:], *([bad] * is_spoilt)]])
    return {"view": "image", "fps": 5.0}


def hdf5_corpus(root: Path, is_spoilt: bool, _writing: Any) -> dict[str, Any]:
    h5py = pytest.importorskip("h5py")
    root.mkdir(exist_ok=True)
    with h5py.File(root / "demos.hdf5", "w") as file:
        file.create_group("data").attrs["env_args"] = "{}"
        for number in range(2):
            file[f"data/demo_{number}/obs/agentview_image"] = PICTURES
        if is_spoilt:
            file["data/demo_9/obs/agentview_image"] = PICTURES.astype(np.float32)
    return {"task": "lift it", "fps": 5.0}


def lerobot_corpus(root: Path, is_spoilt: bool, _writing: Any) -> dict[str, Any]:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    camera = "observation.images.front"
    rows: list[Any] = []
    for number in range(3):
        name = f"{number:06d}"
        film(root / "videos" / camera / f"{name}.mp4")
        columns = {"episode_index": [number] * 5, "timestamp": [0.2 * i for i in range(5)]}
        (root / "data").mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), root / "data" / f"{name}.parquet")
        rows.append({"episode_index": number, "tasks": ["lift it"], "length": 5})
    rows[1]["tasks"] = [""] if is_spoilt else rows[1]["tasks"]
    sheet(root / "meta" / "episodes.jsonl", rows)
    sheet(root / "meta" / "tasks.jsonl", [])
    shape = {"shape": [3, 16, 16], "names": ["height", "width", "channels"]}
    info = {
        "codebase_version": "v2.1",
        "fps": 5,
        "total_episodes": 3,
        "chunks_size": 1000,
        "data_path": "data/{episode_index:06d}.parquet",
        "video_path": "videos/{video_key}/{episode_index:06d}.mp4",
        "features": {camera: {"dtype": "video", **shape}},
    }
    (root / "meta" / "info.json").write_text(json.dumps(info))
    return {}


def mcap_corpus(root: Path, is_spoilt: bool, _writing: Any) -> dict[str, Any]:
    writer = pytest.importorskip("mcap.writer")
    root.mkdir(exist_ok=True)
    for name in ("a", "b"):
        with (root / f"{name}.mcap").open("wb") as file:
            made = writer.Writer(file)
            made.start()
            schema = made.register_schema("foxglove.CompressedImage", "jsonschema", b"")
            camera = made.register_channel("/camera", "json", schema)
            for place, picture in enumerate(PICTURES):
                data = base64.b64encode(png_bytes(picture)).decode()
                made.add_message(camera, place * 10**8, json.dumps({"data": data}).encode(), 0)
            made.finish()
    rows = [{"file": f"{name}.mcap", "task": "lift it"} for name in "ab"]
    sheet(root / "metadata.jsonl", rows + [{"file": "gone.mcap", "task": "lift it"}] * is_spoilt)
    return {}


CORPORA = {
    "folder": folder_corpus,
    "hdf5": hdf5_corpus,
    "lerobot": lerobot_corpus,
    "mcap": mcap_corpus,
    "rlds": rlds_corpus,
    "roboarena": roboarena_corpus,
    "roboreward": roboreward_corpus,
}


@pytest.mark.parametrize("reader", CORPORA)
def test_every_source_that_is_built_in_keeps_the_contract(
    reader: str, tmp_path: Path, writing: Any
) -> None:
    good, spoilt = tmp_path / "good", tmp_path / "spoilt"
    good.mkdir()
    spoilt.mkdir()
    options = CORPORA[reader](good, False, writing)
    assert CORPORA[reader](spoilt, True, writing) == options
    check_source(
        lambda: open_source(reader, good, options),
        open_spoilt=lambda: open_source(reader, spoilt, options),
    )


def test_every_reader_that_is_built_in_was_checked() -> None:
    from roboreward.sources import READERS

    assert set(CORPORA) == set(READERS)


@pytest.mark.parametrize(
    ("reader", "folder"),
    [("rlds", "rlds/bridge_dataset/1.0.0"), ("lerobot", "lerobot/open_50_v30")],
)
def test_a_real_corpus_keeps_the_contract(reader: str, folder: str, shared_data: Path) -> None:
    if reader == "lerobot":
        pytest.importorskip("pyarrow")
    check_source(lambda: open_source(reader, shared_data / folder, {}), num_episodes=3)
