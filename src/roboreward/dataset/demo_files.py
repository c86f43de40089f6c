"""A table of demonstrations on disk: frames as one array file, the rest beside it; `DONE` is written last."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from roboreward.dataset.demos import DemoTable
from roboreward.store import write_atomic

_TEXTS = ("names", "task_texts")


def save_demos(folder: Path, table: DemoTable) -> None:
    """Write a table into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for field in dataclasses.fields(table):
        value = getattr(table, field.name)
        if field.name in _TEXTS:
            write_atomic(folder / f"{field.name}.json", json.dumps(value))
        else:
            np.save(folder / f"{field.name}.npy", value, allow_pickle=False)
    write_atomic(folder / "DONE", "")


def load_demos(folder: Path) -> DemoTable | None:
    """Read a table back, the frames as a memory map; None when there is no whole one."""
    if not (folder / "DONE").exists():
        return None
    values: dict[str, Any] = {
        field.name: np.load(
            folder / f"{field.name}.npy",
            mmap_mode="r" if field.name == "frames" else None,
            allow_pickle=False,
        )
        for field in dataclasses.fields(DemoTable)
        if field.name not in _TEXTS
    }
    texts: dict[str, Any] = {
        name: [tuple(row) for row in json.loads((folder / f"{name}.json").read_text())]
        for name in _TEXTS
    }
    return DemoTable(**values, **texts)
