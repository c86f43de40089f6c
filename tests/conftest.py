"""What every test gets: no network, one thread a process, and the real data where it lies."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

# Before numpy is imported by anybody: tests run side by side, one core each.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

_CHECKOUT = Path(__file__).resolve().parents[1]
_SHARED_DATA = _CHECKOUT.parent / "shared" / "data"
_LOOPBACK = ("127.", "::1", "localhost")


class NetworkBlocked(RuntimeError):
    """A test tried to leave this machine."""


def _check(sock: socket.socket, address: Any) -> None:
    is_local = sock.family == getattr(socket, "AF_UNIX", None)
    if not is_local and not str(address[0]).startswith(_LOOPBACK):
        raise NetworkBlocked(f"a test tried to connect to {address!r}; tests run without a network")


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for method in ("connect", "connect_ex"):
            real = getattr(socket.socket, method)

            def guarded(sock: socket.socket, address: Any, _real: Any = real) -> Any:
                _check(sock, address)
                return _real(sock, address)

            patch.setattr(socket.socket, method, guarded)
        yield


class _Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="session")
def tags_of() -> Callable[[str], list[tuple[str, dict[str, str | None]]]]:
    """Return a function that lists all start tags of a page with their attributes."""
    return lambda page: _Tags(page).found


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of this checkout."""
    return _CHECKOUT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real robot data beside the checkout; the test is skipped where there is none."""
    if not (_SHARED_DATA / "clips.jsonl").is_file():
        pytest.skip("no real robot data in ../shared/data beside the checkout")
    return _SHARED_DATA


@pytest.fixture
def rng() -> Any:
    """A numpy generator with a fixed seed."""
    import numpy as np

    return np.random.default_rng(20251122)


def write_moving_block(path: Path, *, num_frames: int = 12, seed: int = 0) -> Path:
    """Write a small H.264 video of a bright block that crosses a grey picture, and return its path."""
    import numpy as np

    from roboreward.media import write_video

    frames_THWC = np.full((num_frames, 64, 64, 3), 90 + seed % 60, np.uint8)
    for t in range(num_frames):
        left = 4 + t * 40 // num_frames
        frames_THWC[t, 24:40, left : left + 16] = (220, 40 + seed % 100, 40)
    write_video(path, frames_THWC, fps=4.0)
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A readable video of 12 frames that is from no robot at all."""
    return write_moving_block(tmp_path / "block.mp4")


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes an example set of `num` rows in the published layout."""

    def make(num: int = 12, *, name: str = "rollouts") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        rows = []
        for i in range(num):
            write_moving_block(folder / f"v{i:03d}.mp4", seed=i)
            task = f"lift the block number {i}"
            rows.append({"file_name": f"v{i:03d}.mp4", "task": task, "reward": i % 5 + 1})
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "metadata.jsonl").write_text(lines)
        return folder

    return make


@pytest.fixture
def needs_nano() -> None:
    """Fail at once, and say why, when the embedded weights are not in this checkout."""
    import roboreward.models

    weights = Path(roboreward.models.__file__).parent / "weights" / "nano.safetensors"
    assert weights.is_file(), (
        "nano's weights are not in this checkout: `roboreward train` makes them"
    )
