"""Read a corpus of your own: a class of 40 lines, checked, and opened by its name as a plug-in.

You will see a made-up corpus (a folder an attempt: `meta.json` and pictures) become episodes, and what cannot
be used left out with its reason. To install a reader for good, give it a package and an entry point:

    [project.entry-points."roboreward.sources"]
    stations = "my_package:Stations"

Then `roboreward sources` lists it, and recipes of datasets say `reader = "stations"`.

Run: python examples/04_your_own_source.py
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from roboreward import sources
from roboreward.core import Label
from roboreward.media import png_bytes
from roboreward.testing import check_source


class Stations:
    """Folders of pictures with a meta.json, as our filming station writes them."""

    name, licence = "stations", "CC0-1.0"

    def __init__(self, folder: Path, *, fps: float = 5.0) -> None:
        self.folder, self.fps = folder, fps

    def episodes(self, *, on_skip: sources.OnSkip | None = None) -> Iterator[sources.SourceEpisode]:
        """Yield an episode a folder, in the order of their names."""
        for path in sorted(self.folder.glob("*/meta.json")):
            try:
                episode = self._episode(path, str(path))
            except sources.Unusable as error:
                sources.leave_out(error, on_skip)
                continue
            yield episode

    def _episode(self, path: Path, where: str) -> sources.SourceEpisode:
        try:
            meta = json.loads(path.read_text())
            task, day, has_worked = meta["task"], str(meta["day"]), meta["has_worked"]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise sources.Unusable("bad_meta", where, f"no use ({error!r}). Mend it.") from error
        with sources.because("no_task", where):
            task = sources.task_in(task)
        with sources.because("bad_footage", where):
            footage = sources.ImageFolderFootage(path.parent, fps=self.fps)
        return sources.SourceEpisode(
            episode_id=path.parent.name,
            task=task,
            source=self.name,
            group=day,  # attempts of one day look alike: they share a split
            views={"top": footage},
            judged_view="top",
            label=Label(score=5, author="station") if has_worked else None,
            where=where,
        )


def write_corpus(root: Path, *tasks: str) -> Path:
    """Draw a red block that moves to the right, once for each task."""
    for number, task in enumerate(tasks):
        folder = root / f"attempt-{number}"
        folder.mkdir(parents=True)
        meta = {"task": task, "day": "2025-06-01", "has_worked": number == 0}
        (folder / "meta.json").write_text(json.dumps(meta))
        for place in range(6):
            picture = np.full((48, 64, 3), 90 + number, np.uint8)
            picture[20:30, 8 * place : 8 * place + 10] = (200, 40, 40)
            (folder / f"{place}.png").write_bytes(png_bytes(picture))
    return root


with tempfile.TemporaryDirectory() as temporary:
    good = write_corpus(Path(temporary) / "good", "lift the block", "push the block")
    spoilt = write_corpus(Path(temporary) / "spoilt", "lift the block", "", "push the block")
    check_source(lambda: Stations(good), open_spoilt=lambda: Stations(spoilt))
    print("Stations keeps the contract of a source\n")

    # What `pip install` writes for the entry point above; this script stands in for the package.
    info = Path(temporary) / "site" / "my_package-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[roboreward.sources]\nstations = __main__:Stations\n")
    sys.path.append(str(info.parent))

    source = sources.open_source("stations", spoilt, {"fps": 4.0})
    for episode in source.episodes(on_skip=lambda skip: print(f"left out, {skip.reason}")):
        num_frames = sum(1 for _ in episode.views["top"].frames())
        score = episode.label.score if episode.label else "none"
        print(f"{episode.episode_id}: {episode.task}, {num_frames} frames, score {score}")
