"""LeRobot datasets on the hub, from a hub of our own on this machine: what is fetched, and what goes wrong.

The library reads its settings when it is imported, so each reading is a process of its own.
"""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roboreward.core import MissingExtra, UsageError
from roboreward.dataset import read_dataset_recipe
from roboreward.media import write_video
from roboreward.sources import is_hub_address, open_source
from roboreward.sources.hub import open_on_hub

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FPS = 10
FRONT, WRIST = "observation.images.front", "observation.images.wrist"
LENGTHS = (5, 8, 3)
CARD = "---\nlicense: mit\n---\n"
TOKEN = "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"

READ = """
import json, socket, sys, time
from itertools import islice
from pathlib import Path

connect = socket.socket.connect
def guarded(sock, address):
    assert str(address[0]).startswith("127."), address
    return connect(sock, address)
socket.socket.connect = guarded
time.sleep = lambda pause_s: None  # the library waits between its attempts

from roboreward.core import RoboRewardError
from roboreward.sources.lerobot import LeRobotSource

def read(address, limit=None, **options):
    skips = []
    source = LeRobotSource(address, **options)
    episodes = islice(source.episodes(on_skip=skips.append), limit)
    found = [
        {"id": e.episode_id, "task": e.task, "views": list(e.views), "extra": dict(e.extra), "where": e.where,
         "levels": [round(float(f[16:].mean()) / 3) for f in e.views[e.judged_view].frames()]}
        for e in episodes
    ]
    return {"name": source.name, "revision": source.revision, "licence": source.licence, "episodes": found,
            "skips": [s.reason for s in skips]}

for wanted in json.loads(sys.argv[1]):
    try:
        answer = read(**wanted)
    except RoboRewardError as error:
        answer = {"error": type(error).__name__, "text": str(error)}
    print(json.dumps({**answer, "loaded": "huggingface_hub" in sys.modules}), flush=True)
"""


class FakeHub(ThreadingHTTPServer):
    """What `hf_hub_download` needs of a hub.

    Attributes:
        repos: Folder of each repository.
        gated: Repositories that are there and not given out.
        asked: (method, repository, file) of each request, in order.
        fails_with: Status of every answer, or None.
        stalls_on: Name of a file whose second half never comes.
        stalled: Set when that happened.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos: dict[str, Path] = {}
        self.gated: set[str] = set()
        self.asked: list[tuple[str, str, str]] = []
        self.fails_with: int | None = None
        self.stalls_on, self.stalled, self.over = "", threading.Event(), threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fetched(self, repo: str) -> Counter[str]:
        """How often each file was sent."""
        return Counter(
            file for method, of, file in self.asked if (method, of) == ("GET", repo) and file
        )


class Handler(BaseHTTPRequestHandler):
    server: FakeHub

    def do_GET(self) -> None:
        _, _, path = self.path.partition("/datasets/")
        repo, _, rest = path.partition("/resolve/")
        revision, _, file = rest.partition("/")
        self.server.asked.append((self.command, repo, file or self.path))
        folder = self.server.repos.get(repo)
        if self.server.fails_with is not None:
            self.refuse(self.server.fails_with, "")
        elif folder is None:
            self.refuse(401, "RepoNotFound")
        elif repo in self.server.gated:
            self.refuse(403, "GatedRepo")
        elif revision not in ("main", COMMIT):
            self.refuse(404, "RevisionNotFound")
        elif not (folder / file).is_file():
            self.refuse(404, "EntryNotFound")
        else:
            self.send((folder / file).read_bytes(), file)

    do_HEAD = do_GET

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", COMMIT)
        if status == 401 and not code:
            self.send_header("X-Error-Message", "Invalid credentials in Authorization header")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send(self, data: bytes, file: str) -> None:
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if file == self.server.stalls_on:
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.server.stalled.set()
            self.server.over.wait(60)
            return
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    server = FakeHub()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


Reader = Callable[..., list[dict[str, Any]]]


def environment(hub: FakeHub, home: Path, changes: dict[str, str]) -> dict[str, str]:
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith("HF_") and "proxy" not in k.lower()
    }
    settings = {"HF_ENDPOINT": hub.address, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    return {**kept, **settings, "HF_HUB_DISABLE_PROGRESS_BARS": "1", **changes}


@pytest.fixture
def read(hub: FakeHub, tmp_path: Path) -> Reader:
    """Return a function that reads addresses in a new process, and returns what each gave."""
    pytest.importorskip("huggingface_hub")

    def run(*wanted: str | dict[str, Any], **changes: str) -> list[dict[str, Any]]:
        asked = [w if isinstance(w, dict) else {"address": w} for w in wanted]
        done = subprocess.run(
            [sys.executable, "-c", READ, json.dumps(asked)],
            env=environment(hub, tmp_path / "home", changes),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert TOKEN not in done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def table(path: Path, columns: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def film(path: Path, first: int, num: int) -> None:
    frames = np.zeros((num, 32, 48, 3), np.uint8)
    frames[:] = (3 * np.arange(first, first + num))[:, None, None, None]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames, fps=FPS)


def write_set(folder: Path, *, version: str) -> Path:
    """Write a dataset with a file for each episode, whose frames are as bright as they are far into it."""
    is_v2 = version != "v3.0"
    number = "episode_{episode_index:06d}" if is_v2 else "file-{file_index:03d}"
    chunk = "chunk-{episode_chunk:03d}" if is_v2 else "chunk-{chunk_index:03d}"
    info = {
        "codebase_version": version,
        "fps": FPS,
        "total_episodes": len(LENGTHS),
        "chunks_size": 2 if not is_v2 else 1000,
        "data_path": f"data/{chunk}/{number}.parquet",
        "video_path": f"videos/{{video_key}}/{chunk}/{number}.mp4",
        "features": {key: {"dtype": "video", "shape": [32, 48, 3]} for key in (WRIST, FRONT)},
    }
    rows: list[dict[str, Any]] = []
    for index, length in enumerate(LENGTHS):
        place = (0, index) if is_v2 else divmod(index, 2)
        name = f"chunk-{place[0]:03d}/" + (
            f"episode_{index:06d}" if is_v2 else f"file-{place[1]:03d}"
        )
        times = pa.array(np.arange(length) / FPS, pa.float32())
        table(
            folder / f"data/{name}.parquet", {"timestamp": times, "episode_index": [index] * length}
        )
        row: dict[str, Any] = {
            "episode_index": index,
            "tasks": [f"lift block {index}"],
            "length": length,
        }
        if not is_v2:
            row |= {"data/chunk_index": place[0], "data/file_index": place[1]}
        for key in (WRIST, FRONT):
            film(folder / f"videos/{key}/{name}.mp4", 10 * index, length)
            if not is_v2:
                row |= {f"videos/{key}/chunk_index": place[0], f"videos/{key}/file_index": place[1]}
                row[f"videos/{key}/from_timestamp"] = 0.0
        if not is_v2:
            table(folder / f"meta/episodes/{name}.parquet", {key: [row[key]] for key in row})
        rows.append(row)
    (folder / "meta").mkdir(exist_ok=True)
    (folder / "meta/info.json").write_text(json.dumps(info))
    (folder / "README.md").write_text(CARD)
    (folder / "meta/stats.json").write_text("{}")
    if is_v2:
        (folder / "meta/episodes.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        (folder / "meta/tasks.jsonl").write_text('{"task_index": 0, "task": "lift"}\n')
    else:
        table(folder / "meta/tasks.parquet", {"task_index": [0], "task": ["lift"]})
    return folder


def at(repo: str, commit: str = COMMIT) -> str:
    return f"hf://datasets/{repo}@{commit}"


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_a_dataset_on_the_hub_is_read_like_a_folder_and_fetched_once(
    hub: FakeHub, read: Reader, tmp_path: Path, version: str
) -> None:
    folder = hub.repos["robots/blocks"] = write_set(tmp_path / "set", version=version)
    whole = {"address": at("robots/blocks"), "has_other_views": True}
    local, first = read({"address": str(folder)}, at("robots/blocks"))
    assert (local["loaded"], first["loaded"]) == (False, True)
    assert (first["name"], first["revision"], first["licence"]) == ("robots--blocks", COMMIT, "mit")
    assert local["revision"] is None
    assert not first["skips"]
    assert [e["levels"] for e in first["episodes"]] == [
        list(range(10 * i, 10 * i + length)) for i, length in enumerate(LENGTHS)
    ]
    for here, there in zip(local["episodes"], first["episodes"], strict=True):
        assert {key: here[key] for key in ("id", "task", "levels")} == {
            key: there[key] for key in ("id", "task", "levels")
        }
        assert (here["views"], there["views"]) == ([WRIST, FRONT], [FRONT])
        assert there["extra"]["revision"] == COMMIT
        assert there["extra"]["views_left_out"] == [WRIST]
        assert "revision" not in here["extra"]
    fetched = hub.fetched("robots/blocks")
    assert set(fetched.values()) == {1}
    assert not [file for file in fetched if WRIST in file or "stats" in file]
    num_asked = len(hub.asked)
    again, offline = *read(at("robots/blocks")), *read(at("robots/blocks"), HF_HUB_OFFLINE="1")
    assert again == offline == first
    assert len(hub.asked) == num_asked
    both = read(whole)[0]["episodes"]
    assert [e["views"] for e in both] == [[WRIST, FRONT]] * len(LENGTHS)


def test_only_the_files_of_the_episodes_that_are_asked_for_are_fetched(
    hub: FakeHub, read: Reader, tmp_path: Path
) -> None:
    inside = write_set(tmp_path / "set" / "arm" / "left", version="v2.1")
    hub.repos["robots/blocks"] = tmp_path / "set"
    (found,) = read({"address": f"{at('robots/blocks')}/arm/left", "limit": 1})
    assert found["name"] == "robots--blocks--arm--left"
    assert len(found["episodes"]) == 1
    assert sorted(hub.fetched("robots/blocks")) == [
        f"arm/left/{file}"
        for file in (
            "data/chunk-000/episode_000000.parquet",
            "meta/episodes.jsonl",
            "meta/info.json",
            "meta/tasks.jsonl",
            f"videos/{FRONT}/chunk-000/episode_000000.mp4",
        )
    ]
    assert (inside / "README.md").is_file()  # not the card: that is at the top of a repository


def test_an_address_without_a_commit_is_refused_with_the_one_to_write(
    hub: FakeHub, read: Reader, tmp_path: Path
) -> None:
    hub.repos["robots/blocks"] = write_set(tmp_path / "set", version="v2.1")
    bare, branch = read("hf://datasets/robots/blocks", at("robots/blocks", "main"))
    for found in (bare, branch):
        assert found["error"] == "UsageError"
        assert found["text"].endswith(at("robots/blocks"))
    assert set(hub.fetched("robots/blocks")) == {"meta/info.json"}


def test_what_the_hub_does_not_give_is_said_without_the_token(
    hub: FakeHub, read: Reader, tmp_path: Path
) -> None:
    hub.repos["robots/blocks"] = write_set(tmp_path / "set", version="v2.1")
    hub.repos["robots/gated"] = hub.repos["robots/blocks"]
    hub.repos["robots/other"] = tmp_path
    hub.gated.add("robots/gated")
    found = read(
        at("robots/gone"),
        at("robots/gated"),
        at("robots/blocks", "f" * 40),
        at("robots/other"),
        f"{at('robots/blocks')}/../up",
        at("robots/a--b"),
        "hf://robots/blocks",
        HF_TOKEN=TOKEN,
    )
    assert {answer["error"] for answer in found} == {"UsageError"}
    words = (
        "There is no dataset robots/gone",
        "robots/gated is gated. Ask for access",
        "robots/blocks has no revision 'ffff",
        "robots/other on the hub has no meta/info.json",
        "is no address of a dataset on the hub",
        "robots/a--b: the hub allows no such name",
        "is no address of a dataset on the hub. Write hf://datasets/owner/name@commit.",
    )
    for answer, word in zip(found, words, strict=True):
        assert word in answer["text"]
        assert "http" not in answer["text"]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "the hub does not accept the token (401)"),
        (500, "it answers 500"),
    ],
)
def test_a_hub_in_trouble_is_no_skipped_episode(
    hub: FakeHub, read: Reader, tmp_path: Path, status: int, words: str
) -> None:
    hub.repos["robots/blocks"] = write_set(tmp_path / "set", version="v2.1")
    (found,) = read({"address": at("robots/blocks"), "limit": 1})
    hub.fails_with = status
    (found,) = read(at("robots/blocks"))
    assert found["error"] == "UsageError"
    assert words in found["text"]


def test_without_a_network_what_is_missing_is_said(
    hub: FakeHub, read: Reader, tmp_path: Path
) -> None:
    hub.repos["robots/blocks"] = write_set(tmp_path / "set", version="v2.1")
    read({"address": at("robots/blocks"), "limit": 1})
    (found,) = read(at("robots/blocks"), HF_HUB_OFFLINE="1")
    assert found["error"] == "UsageError"
    assert "HF_HUB_OFFLINE forbids" in found["text"]
    (found,) = read(at("robots/blocks"), HF_ENDPOINT="http://127.0.0.1:9")
    assert found["error"] == "UsageError"
    assert "robots/blocks cannot be fetched from the hub (Connect" in found["text"]


def test_a_reading_that_was_killed_fetches_only_what_is_missing(
    hub: FakeHub, read: Reader, tmp_path: Path
) -> None:
    hub.repos["robots/blocks"] = write_set(tmp_path / "set", version="v2.1")
    hub.stalls_on = f"videos/{FRONT}/chunk-000/episode_000001.mp4"
    process = subprocess.Popen(
        [sys.executable, "-c", READ, json.dumps([{"address": at("robots/blocks")}])],
        env=environment(hub, tmp_path / "home", {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert hub.stalled.wait(60)
    process.kill()
    process.wait()
    broken, hub.stalls_on = hub.stalls_on, ""
    (found,) = read(at("robots/blocks"))
    assert [len(e["levels"]) for e in found["episodes"]] == list(LENGTHS)
    assert {file for file, num in hub.fetched("robots/blocks").items() if num > 1} == {broken}


def test_addresses_survive_paths_and_recipes(tmp_path: Path) -> None:
    address = f"{at('robots/blocks')}/arm"
    assert is_hub_address(address)
    assert is_hub_address(Path(address))
    assert not is_hub_address("hf/datasets/robots")
    assert not is_hub_address(tmp_path)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'kind = "dataset"\n[[sources]]\nreader = "lerobot"\npath = "{address}"\n'
        '[[sources]]\nreader = "lerobot"\npath = "mine"\n'
    )
    paths = [source.path for source in read_dataset_recipe(recipe).sources]
    assert paths == [Path(address), tmp_path / "mine"]
    assert is_hub_address(paths[0])
    with pytest.raises(UsageError, match="'rlds' does not read from the hub"):
        open_source("rlds", paths[0], {})


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r"roboreward\[hub\]"):
        open_on_hub(at("robots/blocks"), marker="meta/info.json")
    with pytest.raises(UsageError, match="is no address"):
        open_on_hub("hf://models/robots/blocks", marker="meta/info.json")
