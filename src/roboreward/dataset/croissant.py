"""A Croissant 1.0 description: files with digests, and the columns of each split, in JSON-LD.

Format: mlcommons.org/croissant/1.0. Where the standard and its reference reader differ, both are served: JSON lines are
read by column.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from roboreward.core import SCORES
from roboreward.dataset.features import Kind
from roboreward.dataset.splits import Dataset, DatasetSplit
from roboreward.store import sha256_file

CONFORMS_TO: Final = "http://mlcommons.org/croissant/1.0"
_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_DATA_TYPES: Final = {
    "string": "sc:Text",
    "int64": "sc:Integer",
    "float64": "sc:Float",
    "bool": "sc:Boolean",
}
_SPLIT_URLS: Final = {
    "train": "cr:TrainingSplit",
    "val": "cr:ValidationSplit",
    "validation": "cr:ValidationSplit",
    "test": "cr:TestSplit",
}
_MEDIA_TYPES: Final = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
}


def croissant_json(
    dataset: Dataset,
    *,
    name: str | None = None,
    description: str = "",
    licence: str | None = None,
    url: str | None = None,
    creators: Sequence[str] = (),
    date_published: str | None = None,
    version: str = "1.0.0",
    digest_of: Mapping[Path, str] | None = None,
) -> dict[str, Any]:
    """Return the description as JSON values; paths in it are relative to the dataset's folder.

    Columns that are objects or lists of objects are left out: the format has no plain way to name them.

    Args:
        dataset: Any number of splits.
        name: The folder's name when None.
        description: What it is; a sentence is made when empty.
        licence: An SPDX identifier or a URL; "unknown" when None.
        url, creators, date_published: Asked for by the standard and left out when not given; see `missing_properties`.
            The date is ISO 8601.
        version: MAJOR.MINOR.PATCH.
        digest_of: SHA-256 by path of video, to list every video with its digest; a large dataset gives a large file.

    Raises:
        DataError: A metadata file cannot be read.
    """
    num = len(dataset.rows)
    told = f"{num} videos of robots that try a task, with the task and a score from {SCORES[0]} to {SCORES[-1]}."
    value: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": name or dataset.name,
        "description": description or told,
        "license": _licence_url(licence),
        "version": version,
        "keywords": ["robotics", "reward model", "video"],
        "distribution": [
            *(_file(split, dataset) for split in dataset.splits),
            *(files for split in dataset.splits for files in _videos(split, dataset)),
        ],
        "recordSet": [
            _splits(dataset),
            *(_rows(split) for split in dataset.splits),
            *([_digests(dataset, digest_of)] if digest_of is not None else []),
        ],
    }
    if url:
        value["url"] = url
    if creators:
        value["creator"] = [{"@type": "sc:Person", "name": creator} for creator in creators]
    if date_published:
        value["datePublished"] = date_published
    return value


def missing_properties(value: Mapping[str, Any]) -> list[str]:
    """Return the properties that the standard asks for and `value` does not have, to be told to people."""
    wanted = ("description", "license", "name", "url", "creator", "datePublished")
    return [key for key in wanted if not value.get(key)]


def _licence_url(licence: str | None) -> str:
    if licence is None:
        return "unknown"
    is_identifier = re.fullmatch(r"[A-Za-z0-9.+-]+", licence) and licence.lower() != "unknown"
    return f"https://spdx.org/licenses/{licence}" if is_identifier else licence


def _inside(split: DatasetSplit, dataset: Dataset) -> str:
    return "" if split.file.parent == dataset.folder else f"{split.name}/"


def _metadata_id(split: DatasetSplit) -> str:
    return f"{split.name}-metadata"


def _file(split: DatasetSplit, dataset: Dataset) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": _metadata_id(split),
        "name": _metadata_id(split),
        "description": f"One JSON object a row of split {split.name}.",
        "contentUrl": f"{_inside(split, dataset)}{split.file.name}",
        "contentSize": f"{split.file.stat().st_size} B",
        "encodingFormat": "application/jsonlines",
        "sha256": sha256_file(split.file),
    }


def _videos(split: DatasetSplit, dataset: Dataset) -> list[dict[str, Any]]:
    """Return one set of files for each kind of container."""
    endings: dict[str, set[str]] = {}
    for row in split.rows:
        ending = Path(row.example.file_name).suffix
        endings.setdefault(_MEDIA_TYPES.get(ending.lower(), "video/mp4"), set()).add(ending)
    return [
        {
            "@type": "cr:FileSet",
            "@id": f"{split.name}-{kind.replace('/', '-')}",
            "name": f"{split.name}-{kind.replace('/', '-')}",
            "description": f"The videos of split {split.name}.",
            "encodingFormat": kind,
            "includes": [f"{_inside(split, dataset)}**/*{ending}" for ending in sorted(some)],
        }
        for kind, some in sorted(endings.items())
    ]


def _splits(dataset: Dataset) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": "cr:Split"},
        ],
        "data": [
            {"splits/name": split.name, "splits/url": _SPLIT_URLS.get(split.name, "cr:Split")}
            for split in dataset.splits
        ],
    }


def _rows(split: DatasetSplit) -> dict[str, Any]:
    columns = dict(split.columns.fields)
    fields = [_field(split, key, kind) for key, kind in columns.items() if _type_of(kind)]
    value: dict[str, Any] = {
        "@type": "cr:RecordSet",
        "@id": split.name,
        "name": split.name,
        "description": f"{len(split.rows)} examples; `file_name` is relative to the metadata file.",
    }
    if "example_id" in columns:
        value["key"] = {"@id": f"{split.name}/example_id"}
    return value | {"field": fields}


def _type_of(kind: Kind) -> str | None:
    inner = kind.item if kind.item is not None else kind
    return _DATA_TYPES.get(inner.name)


def _field(split: DatasetSplit, key: str, kind: Kind) -> dict[str, Any]:
    data_type = _type_of(kind)
    value: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{split.name}/{key}",
        "name": key,
        "dataType": [data_type, "cr:Label"] if key == "reward" else data_type,
        "source": {
            "fileObject": {"@id": _metadata_id(split)},
            "extract": {"column": key},
        },
    }
    return value | ({"repeated": True} if kind.item is not None else {})


def _digests(dataset: Dataset, digest_of: Mapping[Path, str]) -> dict[str, Any]:
    found: dict[str, str] = {}
    for split in dataset.splits:
        for row in split.rows:
            digest = digest_of.get(row.example.video, "")
            if digest:
                found[f"{_inside(split, dataset)}{row.example.file_name}"] = digest
    names = ("path", "sha256")
    return {
        "@type": "cr:RecordSet",
        "@id": "files",
        "name": "files",
        "description": "SHA-256 of every video.",
        "key": {"@id": "files/path"},
        "field": [
            {"@type": "cr:Field", "@id": f"files/{name}", "name": name, "dataType": "sc:Text"}
            for name in names
        ],
        "data": [
            {"files/path": path, "files/sha256": digest} for path, digest in sorted(found.items())
        ],
    }
