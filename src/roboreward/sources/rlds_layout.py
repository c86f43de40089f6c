"""What a folder of TensorFlow Datasets says about itself: which files hold a split, how many records, which features.

Outside rules: TensorFlow Datasets (tfds) writes `dataset_info.json` (the message DatasetInfo) and `features.json` (the
message Feature) beside its shards; `filepathTemplate` is explained by tfds.core.ShardedFileTemplate. RLDS keeps an
episode in one record: a nested Dataset named `steps`, whose features become flat keys such as
`steps/observation/image`, each with one value a step.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from roboreward.core import DataError, UnknownName, shorten

DEFAULT_TEMPLATE: Final = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
MAX_JSON_BYTES: Final = 16 * 2**20
"""Largest `dataset_info.json` or `features.json` that is read; the largest of Open X-Embodiment have some 100 kB."""

MAX_SHARDS: Final = 100_000
STEPS: Final = "steps"
FeatureKind = Literal["image", "text", "tensor", "other"]


@dataclass(frozen=True)
class Feature:
    """A leaf of `features.json`.

    Attributes:
        key: Its key in a record, such as "steps/observation/image_0".
        kind: "text" includes tensors of strings.
        dtype: As written, such as "uint8"; empty where there is none.
        shape: Of one step; None for a length that varies.
    """

    key: str
    kind: FeatureKind
    dtype: str = ""
    shape: tuple[int | None, ...] = ()

    @property
    def is_rgb(self) -> bool:
        """Whether it is a picture in colour: 8 bits, three channels. Depth has other ones."""
        return self.kind == "image" and self.dtype == "uint8" and self.shape[2:] == (3,)


@dataclass(frozen=True)
class Shard:
    """One file of a split; `num_records` is None where the folder does not say."""

    index: int
    path: Path
    num_records: int | None


@dataclass(frozen=True)
class RldsLayout:
    """A split of a folder.

    Attributes:
        name: Name of the data set, by `dataset_info.json` or the file names.
        version: As written, or None.
        shards: Files to read, in order.
        features: All leaves, by key.
    """

    name: str
    version: str | None
    shards: tuple[Shard, ...]
    features: Mapping[str, Feature]


def read_layout(folder: Path, *, split: str, shards: Collection[int] | None = None) -> RldsLayout:
    """Read the two JSON files and find the shards.

    Args:
        folder: Where the shards are; for tfds this is the folder of the version.
        split: Such as "train".
        shards: Numbers of the shards to read, from 0; None for all, which must then be there.

    Raises:
        UnknownName: There is no such split.
        DataError: A file is missing or makes no sense; names it.
    """
    features_file = folder / "features.json"
    if not features_file.is_file():
        raise DataError(
            f"{features_file} is missing{_hint(folder)}. Copy it from where the shards are from."
        )
    features = {leaf.key: leaf for leaf in _leaves(_read_json(features_file), features_file)}
    if not any(key.startswith(f"{STEPS}/") for key in features):
        raise DataError(
            f"{features_file}: there is no {STEPS!r}; this is not RLDS. Name an RLDS folder."
        )
    info_file = folder / "dataset_info.json"
    if info_file.is_file():
        info = _read_json(info_file)
        found = _listed_shards(folder, info, info_file, split)
        name, version = str(info.get("name") or ""), info.get("version")
    else:
        name, found = _discovered_shards(folder, split)
        version = None
    chosen = tuple(shard for shard in found if shards is None or shard.index in shards)
    _check_shards(folder, split, chosen, wanted=shards, num_known=len(found))
    return RldsLayout(name, None if version is None else str(version), chosen, features)


def _hint(folder: Path) -> str:
    if not folder.is_dir():
        return " (there is no such folder)"
    inside = sorted(path.parent.name for path in folder.glob("*/features.json"))
    return f" (did you mean {folder / inside[-1]}?)" if inside else ""


def _read_json(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise DataError(
                f"{path} is larger than {MAX_JSON_BYTES:,} bytes. Is it the right file?"
            )
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON ({shorten(error)}). Copy it again.") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: a JSON object is wanted, got {shorten(value)!r}. Copy it again.")
    return value


def _leaves(root: Mapping[str, Any], path: Path) -> Iterator[Feature]:
    """Walk `features.json`. Of sequences only `steps` is entered: the others are no single value a step."""
    todo: list[tuple[str, Any]] = [("", root)]
    while todo:
        key, node = todo.pop()
        if not isinstance(node, dict):
            raise DataError(
                f"{path}: the feature {shorten(key)!r} is no object. Copy the file again."
            )
        inner = _member(node, "featuresDict", "features")
        if key == STEPS and inner is None:
            inner = _member(_member(node, "sequence", "feature") or {}, "featuresDict", "features")
        if inner is None:
            yield _leaf(key, node, path)
            continue
        todo.extend((f"{key}/{name}" if key else name, inner[name]) for name in reversed(inner))


def _member(node: Mapping[str, Any], outer: str, inner: str) -> dict[str, Any] | None:
    value = node.get(outer)
    value = value.get(inner) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else None


def _leaf(key: str, node: Mapping[str, Any], path: Path) -> Feature:
    for kind in ("image", "tensor"):
        facts = node.get(kind)
        if isinstance(facts, dict):
            dtype = str(facts.get("dtype", ""))
            shape = _shape(facts.get("shape"), key, path)
            if kind == "tensor" and dtype in ("string", "object"):
                return Feature(key, "text", dtype, shape)
            return Feature(key, "image" if kind == "image" else "tensor", dtype, shape)
    return Feature(key, "text" if "text" in node else "other")


def _shape(value: Any, key: str, path: Path) -> tuple[int | None, ...]:
    dimensions = value.get("dimensions", ()) if isinstance(value, dict) else ()
    try:
        numbers = [int(number) for number in dimensions]
    except (TypeError, ValueError) as error:
        text = f"{path}: the shape of {shorten(key)!r} is not made of integers: {shorten(value)}"
        raise DataError(f"{text}. Copy the file again.") from error
    return tuple(number if number >= 0 else None for number in numbers)


def _listed_shards(
    folder: Path, info: Mapping[str, Any], info_file: Path, split: str
) -> list[Shard]:
    """Return the shards that `dataset_info.json` lists, whether they are there or not."""
    file_format = info.get("fileFormat") or "tfrecord"
    if file_format != "tfrecord":
        text = f"{info_file}: the shards are {shorten(file_format)!r}, only 'tfrecord' is read"
        raise DataError(f"{text}. Convert the data set with tfds.")
    listed = info.get("splits")
    splits = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    matches = [item for item in splits if item.get("name") == split]
    if not matches:
        raise UnknownName("split", split, [str(item.get("name")) for item in splits])
    if len(matches) > 1:
        raise DataError(f"{info_file}: the split {split!r} is listed twice. Copy the file again.")
    lengths = _shard_lengths(matches[0], info_file)
    values = {"DATASET": str(info.get("name") or ""), "SPLIT": split, "FILEFORMAT": "tfrecord"}
    template = str(matches[0].get("filepathTemplate") or DEFAULT_TEMPLATE)
    return [
        Shard(index, folder / _file_name(template, values, index, len(lengths), info_file), length)
        for index, length in enumerate(lengths)
    ]


def _shard_lengths(split: Mapping[str, Any], info_file: Path) -> list[int]:
    lengths = split.get("shardLengths")
    try:
        numbers = [int(length) for length in lengths or ()]
    except (TypeError, ValueError):
        numbers = []
    if not numbers or min(numbers) < 0:
        text = f"{info_file}: shardLengths of {split.get('name')!r} is {shorten(lengths)!r}"
        raise DataError(f"{text}, a list of record counts is wanted. Copy the file again.")
    return numbers


def _file_name(
    template: str, values: Mapping[str, str], index: int, num_shards: int, info_file: Path
) -> str:
    """Fill in a template. The result stays in the folder, whatever the template says."""
    here = {
        **values,
        "SHARD_X_OF_Y": f"{index:05d}-of-{num_shards:05d}",
        "SHARD_INDEX": f"{index:05d}",
        "NUM_SHARDS": f"{num_shards:05d}",
    }
    names = re.findall(r"\{(\w*)\}", template)
    unknown = [name for name in names if name not in here]
    name = re.sub(r"\{(\w*)\}", lambda match: here.get(match[1], ""), template)
    if unknown or not name or Path(name).name != name or "\\" in name:
        text = f"{info_file}: filepathTemplate {shorten(template)!r} gives no plain file name"
        raise DataError(f"{text}. Copy the file again.")
    return name


def _discovered_shards(folder: Path, split: str) -> tuple[str, list[Shard]]:
    """Find shards by their names, where `dataset_info.json` is missing."""
    pattern = re.compile(rf"(.+)-{re.escape(split)}\.tfrecord(?:-(\d{{5,}})-of-(\d{{5,}}))?")
    found = [
        (match, path)
        for path in sorted(folder.iterdir())
        if (match := pattern.fullmatch(path.name))
    ]
    names = {match[1] for match, _ in found}
    totals = {match[3] for match, _ in found}
    if len(names) != 1 or len(totals) != 1:
        what = (
            "no shards" if not found else f"shards of several data sets ({shorten(sorted(names))})"
        )
        text = f"{folder}: without dataset_info.json, {what} of the split {split!r} can be found"
        raise DataError(f"{text}. Copy dataset_info.json from where the shards are from.")
    shards = {int(match[2] or 0): path for match, path in found}
    num = int(totals.pop() or 1)
    if num > MAX_SHARDS or max(shards) >= num:
        raise DataError(f"{folder}: shard names of {split!r} say {num:,} shards. Check the names.")
    listed = [
        Shard(index, shards.get(index, folder / f"shard {index}"), None) for index in range(num)
    ]
    return names.pop(), listed


def _check_shards(
    folder: Path,
    split: str,
    chosen: Collection[Shard],
    *,
    wanted: Collection[int] | None,
    num_known: int,
) -> None:
    absent = sorted(set(wanted or ()) - set(range(num_known)))
    if absent:
        text = f"{folder}: shards {shorten(absent)} are wanted, {split!r} has {num_known}, from 0"
        raise DataError(f"{text}. Name others.")
    paths = [shard.path for shard in chosen]
    if len(set(paths)) < len(paths):
        text = (
            f"{folder}: several shards of {split!r} have the same file name, by dataset_info.json"
        )
        raise DataError(f"{text}. Copy the file again.")
    missing = [
        shard.index for shard in chosen if shard.num_records != 0 and not shard.path.is_file()
    ]
    if missing:
        text = f"{folder}: {len(missing)} of {num_known} shards of {split!r} are missing: {shorten(missing)}"
        raise DataError(
            f"{text}. Download them, or pass shards= to read only those that are there."
        )
