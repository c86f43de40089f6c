"""Readers of other distributions: found, opened, listed; what is wrong with one names its distribution."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roboreward.core import DataError, MissingExtra, UnknownName, UsageError
from roboreward.dataset import build_dataset, read_dataset_recipe, read_set
from roboreward.media import png_bytes
from roboreward.sources import (
    ENTRY_POINTS,
    READERS,
    ReaderInfo,
    available_readers,
    open_source,
    reader_names,
)
from roboreward.testing import check_source

STATIONS = '''
"""A reader that knows nothing of roboreward but its doors."""

import json

from roboreward.core import Label
from roboreward.sources import ImageFolderFootage, SourceEpisode, Unusable, leave_out


class Stations:
    """Folders of pictures, each with a meta.json

    More about it.
    """

    name, licence = "stations", "cc0-1.0"

    def __init__(self, folder, *, fps, lab="ours"):
        self.folder, self.fps, self.lab = folder, fps, lab

    def episodes(self, *, on_skip=None):
        for meta in sorted(self.folder.glob("*/meta.json")):
            facts = json.loads(meta.read_text())
            if not facts["task"]:
                leave_out(Unusable("no_task", str(meta), "there is no task. Add it."), on_skip)
                continue
            yield SourceEpisode(
                episode_id=meta.parent.name,
                task=facts["task"],
                source=self.name,
                group=meta.parent.name,
                views={"top": ImageFolderFootage(meta.parent, fps=self.fps)},
                judged_view="top",
                label=Label(score=facts["score"], author="station"),
                where=str(meta),
            )
'''

Offer = Callable[..., None]


def write_distribution(
    site: Path, name: str, readers: Mapping[str, str], modules: Mapping[str, str]
) -> None:
    """Write what `pip install` leaves of a distribution with these entry points and modules."""
    info = site / f"{name.replace('-', '_')}-0.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.3\n")
    lines = "".join(f"{reader} = {value}\n" for reader, value in readers.items())
    (info / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\n{lines}")
    for module, text in modules.items():
        (site / f"{module}.py").write_text(text)


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Offer]:
    """Return a function that installs a distribution for the length of a test."""
    site, before = tmp_path / "site", set(sys.modules)
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def install(readers: Mapping[str, str], *, name: str = "my-lab", **modules: str) -> None:
        write_distribution(site, name, readers, modules)
        importlib.invalidate_caches()

    yield install
    for module in {name for name in sys.modules if name.startswith("rr_")} - before:
        del sys.modules[module]


@pytest.fixture
def stations(offer: Offer) -> None:
    """The distribution my-lab, whose reader is called stations."""
    offer({"stations": "rr_stations:Stations"}, rr_stations=STATIONS)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Six episodes of five pictures."""
    for number in range(6):
        folder = tmp_path / "corpus" / f"e{number}"
        folder.mkdir(parents=True)
        facts = {"task": f"lift block {number}", "score": 1 + number % 5}
        (folder / "meta.json").write_text(json.dumps(facts))
        noise = np.random.default_rng(number)
        for place in range(5):
            picture = noise.integers(0, 255, (4, 4, 3)).astype(np.uint8)
            (folder / f"{place}.png").write_bytes(png_bytes(picture.repeat(8, 0).repeat(8, 1)))
    return tmp_path / "corpus"


def info_of(name: str) -> ReaderInfo:
    (info,) = (info for info in available_readers() if info.name == name)
    return info


@pytest.mark.usefixtures("stations")
def test_a_plug_in_is_opened_by_its_name_and_keeps_the_contract(corpus: Path) -> None:
    def open_again() -> Any:
        return open_source("stations", corpus, {"fps": 5.0})

    assert [episode.episode_id for episode in open_again().episodes()] == [
        f"e{number}" for number in range(6)
    ]
    check_source(open_again)


@pytest.mark.usefixtures("stations")
def test_a_plug_in_is_listed_with_its_options_and_where_it_comes_from() -> None:
    info = info_of("stations")
    assert info.is_usable
    assert (info.summary, info.hint) == ("Folders of pictures, each with a meta.json", "")
    assert [tuple(option) for option in info.options] == [("fps", True), ("lab", False)]
    assert info.origin == "my-lab 0.3"
    assert reader_names() == (*READERS, "stations")


@pytest.mark.usefixtures("stations")
def test_options_and_near_names_of_a_plug_in_are_known(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'stations' has no option 'view'. It has: fps, lab\."):
        open_source("stations", tmp_path, {"view": "top"})
    with pytest.raises(UnknownName, match="Did you mean stations"):
        open_source("station", tmp_path, {})


RECIPE = """
kind = "dataset"
has_clips = false
splits = {train = 0.5, test = 0.5}
[[sources]]
reader = "stations"
path = "corpus"
options = {fps = 5.0}
"""


def examples_in(out: Path) -> dict[str, int]:
    found = [e for path in out.glob("*/metadata.jsonl") for e in read_set(path.parent).examples]
    return {str(example.episode_id): example.label.score for example in found}


@pytest.mark.usefixtures("stations")
def test_a_recipe_names_a_plug_in_and_a_dataset_is_built_of_it(
    corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    recipe = read_dataset_recipe(tmp_path / "recipe.toml")
    build_dataset(recipe, tmp_path / "out", num_workers=1)
    assert examples_in(tmp_path / "out") == {f"e{n}": 1 + n % 5 for n in range(6)}
    licences = json.loads((tmp_path / "out" / "sources.json").read_text())["licences"]
    assert licences == {"stations": "cc0-1.0"}


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_another_process_finds_it_on_its_path(corpus: Path, tmp_path: Path, workers: int) -> None:
    site = tmp_path / "elsewhere"
    write_distribution(
        site, "my-lab", {"stations": "rr_stations:Stations"}, {"rr_stations": STATIONS}
    )
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (corpus / "e5" / "meta.json").write_text('{"task": ""}')
    result = roboreward(
        site, "dataset", "build", tmp_path / "recipe.toml", "--out", tmp_path / "out",
        "--workers", workers, "--json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert examples_in(tmp_path / "out") == {f"e{n}": 1 + n % 5 for n in range(5)}
    (skip,) = (tmp_path / "out" / "skipped.jsonl").read_text().splitlines()
    assert json.loads(skip)["reason"] == "no_task"


def roboreward(site: Path, *arguments: Any) -> subprocess.CompletedProcess[str]:
    code = "from roboreward.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_recipe_with_an_unknown_reader_names_file_place_and_known_readers(
    offer: Offer, tmp_path: Path
) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    with pytest.raises(UsageError, match=r"recipe\.toml: sources\.0\.reader: .*'stations'.* rlds"):
        read_dataset_recipe(tmp_path / "recipe.toml")
    offer({"station": "rr_stations:Stations"}, rr_stations=STATIONS)
    with pytest.raises(UsageError, match="Did you mean station"):
        read_dataset_recipe(tmp_path / "recipe.toml")


def test_names_are_known_without_loading_anything(offer: Offer, tmp_path: Path) -> None:
    offer({"bomb": "rr_bomb:Bomb"}, rr_bomb="raise RuntimeError('loaded')")
    assert "bomb" in reader_names()
    assert "rr_bomb" not in sys.modules
    with pytest.raises(UnknownName):
        open_source("nothing like it", tmp_path, {})
    with pytest.raises(UsageError, match="RuntimeError: loaded"):
        open_source("bomb", tmp_path, {})


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("import no_such_thing_at_all", "ModuleNotFoundError: No module named 'no_such_thing"),
        ("def (", "SyntaxError"),
        ("raise OSError('libfoo.so is missing')", "OSError: libfoo.so is missing"),
        ("", "AttributeError"),
        ("import json as Broken", "is a module, not a class"),
    ],
)
def test_a_plug_in_that_cannot_be_loaded_is_named_and_listed_and_harms_no_other(
    offer: Offer, tmp_path: Path, text: str, cause: str
) -> None:
    offer({"broken": "rr_broken:Broken"}, rr_broken=text)
    with pytest.raises(UsageError, match=r"'broken' of my-lab 0\.3 \(rr_broken:Broken\)") as caught:
        open_source("broken", tmp_path, {})
    assert cause in str(caught.value)
    info = info_of("broken")
    assert not info.is_usable
    assert info.hint == str(caught.value)
    assert (info.options, info.origin) == ((), "my-lab 0.3")
    assert info_of("rlds").is_usable
    assert info_of("folder").is_usable


def test_a_value_that_names_nothing_is_not_a_crash(offer: Offer, tmp_path: Path) -> None:
    offer({"odd": "not a module"})
    with pytest.raises(UsageError, match="'odd' of my-lab"):
        open_source("odd", tmp_path, {})
    assert not info_of("odd").is_usable


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        ("raise KeyError('meta')", UsageError, r"of my-lab 0\.3 .*failed on .*KeyError: 'meta'"),
        ("raise DataError('bad corpus')", DataError, "^bad corpus$"),
        ("raise MissingExtra('zarr', 'data', 'It')", MissingExtra, "It needs zarr"),
        ("return 'surprise'", UsageError, "returned a str, which is not a source.*check_source"),
    ],
)
def test_what_goes_wrong_while_opening_says_whose_fault_it_is(
    offer: Offer, tmp_path: Path, body: str, error: type[Exception], says: str
) -> None:
    text = f"from roboreward.core import *\ndef make(path):\n    {body}\n"
    offer({"made": "rr_made:make"}, rr_made=text)
    with pytest.raises(error, match=says):
        open_source("made", tmp_path, {})


def test_a_reader_that_is_no_python_class_has_no_options(offer: Offer, tmp_path: Path) -> None:
    offer({"dict": "builtins:dict"})
    assert info_of("dict").options == ()
    with pytest.raises(UsageError, match=r"no option 'fps'. It has: none\."):
        open_source("dict", tmp_path, {"fps": 5})


def test_the_name_of_a_built_in_reader_cannot_be_taken(offer: Offer, tmp_path: Path) -> None:
    offer({"folder": "rr_stations:Stations"}, rr_stations=STATIONS)
    with pytest.raises(UsageError, match=r"'folder' is built in, and my-lab 0\.3 claims its name"):
        open_source("folder", tmp_path, {})
    listed = [info for info in available_readers() if info.name == "folder"]
    assert [info.origin for info in listed] == ["built in", "my-lab 0.3"]
    assert not any(info.is_usable for info in listed)
    assert all("Remove that distribution" in info.hint for info in listed)
    assert reader_names() == tuple(READERS)
    with pytest.raises(DataError):
        open_source("rlds", tmp_path, {})


def test_two_distributions_with_one_name_are_both_named(offer: Offer, tmp_path: Path) -> None:
    offer({"stations": "rr_stations:Stations"}, rr_stations=STATIONS)
    offer({"stations": "rr_others:Stations"}, name="your-lab", rr_others=STATIONS)
    with pytest.raises(UsageError, match=r"claimed by my-lab 0\.3 and your-lab 0\.3"):
        open_source("stations", tmp_path, {"fps": 5.0})
    listed = [info for info in available_readers() if info.name == "stations"]
    assert len(listed) == 2
    assert not any(info.is_usable for info in listed)
    assert reader_names().count("stations") == 1


@pytest.mark.parametrize(
    ("module", "reader", "is_needed", "extra"),
    [
        ("pyarrow", "lerobot", True, "data"),
        ("huggingface_hub", "lerobot", False, "hub"),
        ("h5py", "hdf5", True, "data"),
        ("yaml", "roboarena", False, "data"),
    ],
)
def test_a_missing_extra_is_listed_with_its_install_command(
    monkeypatch: pytest.MonkeyPatch, module: str, reader: str, is_needed: bool, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    info = info_of(reader)
    assert info.is_usable is not is_needed
    assert f'pip install "roboreward[{extra}]"' in info.hint
    assert info.options


@pytest.mark.parametrize(("module", "reader"), [("pyarrow", "lerobot"), ("h5py", "hdf5")])
def test_the_list_says_what_the_error_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, reader: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "a.hdf5").touch()
    with pytest.raises(MissingExtra) as caught:
        open_source(reader, tmp_path, {})
    assert info_of(reader).hint == str(caught.value)


def test_the_readers_that_are_built_in_are_listed_first_and_explained() -> None:
    infos = available_readers()
    assert [info.name for info in infos[: len(READERS)]] == list(READERS)
    assert all(info.summary and info.options for info in infos[: len(READERS)])
    assert all(info.origin == "built in" for info in infos[: len(READERS)])
    assert {"split", "view", "fps"} <= {option.name for option in infos[0].options}
