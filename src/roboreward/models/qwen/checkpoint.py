"""A checkpoint on this machine: where it lies, what it says of itself, and what is wrong with it. Loads no weights."""

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from roboreward.core import UsageError, shorten
from roboreward.models.local_uri import HUB_NAME
from roboreward.models.qwen.config import QwenConfig
from roboreward.models.qwen.schema import (
    GenerationFile,
    IndexFile,
    ModelFile,
    ProcessorFile,
    TokenizerFile,
    VisionPart,
    header_of,
    read_file,
    read_object,
    read_text,
)
from roboreward.models.qwen.sizes import VideoSettings, video_settings

FAMILIES: Final = ("qwen3_vl", "qwen2_5_vl")
"""`model_type` of the checkpoints that are run."""
KNOWN: Final = (
    "teetone/RoboReward-8B",
    "teetone/RoboReward-4B",
    *(f"Qwen/Qwen3-VL-{size}-Instruct" for size in ("2B", "4B", "8B", "32B")),
    *(f"Qwen/Qwen2.5-VL-{size}-Instruct" for size in ("3B", "7B", "32B", "72B")),
)
"""Names that a typing error is compared with. Any other name works too."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_UNSAFE: Final = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_VIDEO_FILES: Final = ("video_preprocessor_config.json", "preprocessor_config.json")
_DESCRIPTIONS: Final = frozenset(
    {
        *("config.json", "generation_config.json", "adapter_config.json"),
        *(
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "added_tokens.json",
        ),
        *("vocab.json", "chat_template.json", "chat_template.jinja", "processor_config.json"),
        *_VIDEO_FILES,
    }
)
"""Files beside the weights that can change a number. Others may come and go, such as `calibration.json`."""
_KEEPS_MARKERS: Final = (5, 10)
"""transformers version since which a video's own markers stay; measured on 4.57.3, 5.0.0, 5.6.0-5.9.0 and 5.10.1."""


@dataclass(frozen=True)
class Checkpoint:
    """What is known of a checkpoint before its weights are loaded.

    Attributes:
        name: As it was asked for.
        folder: Where its files are.
        config: What is read of config.json.
        family: One of `FAMILIES`.
        template, template_file: The chat template, and where it stands.
        stop_ids: Tokens that end an answer, as far as generation_config.json says.
        video: How its frames are made.
        is_keeping_markers: See `QwenConfig.markers`.
        revision: "commit-" and the hub's commit, or "sha256-" of what is in the files.
    """

    name: str
    folder: Path
    config: ModelFile
    family: str
    template: str
    template_file: Path
    stop_ids: tuple[int, ...]
    video: VideoSettings
    is_keeping_markers: bool
    revision: str


def split_name(name: str) -> tuple[str, str | None]:
    """Return the repository and the revision of "owner/name@revision".

    Raises:
        UsageError: It is no such name.
    """
    match = HUB_NAME.fullmatch(name)
    if match is None:
        raise UsageError(
            f"{shorten(name)!r} is neither a folder with weights nor a name on the hub (owner/name@revision)."
        )
    return match["repo"], match["revision"]


def no_local_copy(name: str) -> UsageError:
    """Return the error for a model of which this machine has no files."""
    repo, revision = split_name(name)
    near = [] if repo in KNOWN else get_close_matches(repo, KNOWN, n=2, cutoff=0.8)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    at = f" --revision {revision}" if revision else ""
    return UsageError(
        f"There is no copy of {name} on this machine, and nothing is downloaded unasked.{hint} "
        f"Get it with: hf download {repo}{at}. Or name a folder: qwen:<folder>."
    )


def read_checkpoint(name: str, folder: Path, config: QwenConfig) -> Checkpoint:
    """Read everything but the weights, and check that the parts belong together.

    Args:
        name: For messages, and the model's name.
        folder: Where the files are.
        config: Explicit settings, which win over the files.

    Raises:
        UsageError: A part is missing, damaged, of another model, or holds what is not loaded: other people's code.
    """
    settings = read_file(folder / "config.json", ModelFile)
    family = settings.model_type
    if family not in FAMILIES:
        raise UsageError(
            f"{folder / 'config.json'} is of a {family or 'nameless'!r} model. Models that are run: "
            f"{', '.join(FAMILIES)}."
        )
    _check_weights(folder, settings)
    _check_tokens(folder, settings)
    where, found = _video_file(folder)
    video = video_settings(found, family=family, config=config, where=where)
    _check_patches(settings, video, where)
    template, template_file = _template(folder)
    generation = folder / "generation_config.json"
    ends = read_file(generation, GenerationFile).stop_ids if generation.is_file() else []
    return Checkpoint(
        name=name,
        folder=folder,
        config=settings,
        family=family,
        template=template,
        template_file=template_file,
        stop_ids=tuple(ends),
        video=video,
        is_keeping_markers=_is_keeping_markers(settings, config),
        revision=revision_of(folder),
    )


def revision_of(folder: Path) -> str:
    """Return "commit-..." for a snapshot in the hub's cache, else "sha256-..." of files that can change a number."""
    if folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name):
        return f"commit-{folder.name[:12]}"
    files = files_that_matter(folder)
    with ThreadPoolExecutor(4) as pool:
        digests = pool.map(_digest, files)
    lines = "".join(f"{file.name} {digest}\n" for file, digest in zip(files, digests, strict=True))
    return f"sha256-{hashlib.sha256(lines.encode()).hexdigest()[:12]}"


def files_that_matter(folder: Path) -> list[Path]:
    """Return the files of a checkpoint or an adapter that can change a number, sorted."""
    endings = (".safetensors", ".safetensors.index.json")
    return sorted(
        f for f in folder.iterdir() if f.name in _DESCRIPTIONS or f.name.endswith(endings)
    )


def weight_files(folder: Path, stem: str = "model") -> list[Path]:
    """Return the safetensors files of a checkpoint or an adapter.

    Raises:
        UsageError: There are none, they are of a kind that can run code, or some are missing.
    """
    single, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        names = set(read_file(index, IndexFile).weight_map.values())
        files = sorted(folder / name for name in names)
        missing = [file.name for file in files if not file.is_file()]
        if missing or not files:
            raise UsageError(
                f"{folder} lacks {len(missing)} of the {len(files)} files that {index.name} names, such as "
                f"{(missing or ['any'])[0]}. Download it again."
            )
        return files
    unsafe = sorted(file.name for file in folder.iterdir() if file.suffix in _UNSAFE)
    if unsafe:
        raise UsageError(
            f"{folder} holds its weights as {unsafe[0]}, a format that can run code when it is opened; only "
            "safetensors is read. Convert it where you trust it: save_pretrained writes safetensors."
        )
    raise UsageError(f"{folder} holds no weights: there is no {single.name}. Download it again.")


def tensor_shapes(file: Path) -> dict[str, list[int]]:
    """Return the shape of each tensor of a safetensors file, from its header.

    Raises:
        UsageError: It is no whole safetensors file.
    """
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 0 < length < 200_000_000:
                raise ValueError("header length")
            entries = header_of(stream.read(length))
        ends = [entry.data_offsets[1] for entry in entries.values()]
        if file.stat().st_size != 8 + length + max(ends, default=0):
            raise ValueError("file length")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{file} is no whole safetensors file ({error}). Download it again."
        ) from error
    return {name: entry.shape for name, entry in entries.items()}


def _check_weights(folder: Path, settings: ModelFile) -> None:
    shapes: dict[str, list[int]] = {}
    for file in weight_files(folder):
        shapes |= tensor_shapes(file)
    if settings.auto_map:
        raise UsageError(f"{folder} asks for code of its own (auto_map), which is never run.")
    table = next((shapes[n] for n in sorted(shapes) if n.endswith("embed_tokens.weight")), None)
    wanted = [settings.text.vocab_size, settings.text.hidden_size]
    if table is not None and None not in wanted and table != wanted:
        raise UsageError(
            f"The weights in {folder} are not of this model: its vocabulary table is {table[0]} x {table[1]}, "
            f"config.json says {wanted[0]} x {wanted[1]}. Take both from one place."
        )


def _check_tokens(folder: Path, settings: ModelFile) -> None:
    """Compare the ids that the weights expect with those that the tokenizer gives."""
    file = folder / "tokenizer.json"
    content = read_file(file, TokenizerFile)
    ids = {token.content: token.id for token in content.added_tokens}
    pairs = {
        "<|video_pad|>": settings.video_token_id,
        "<|image_pad|>": settings.image_token_id,
        "<|vision_start|>": settings.vision_start_token_id,
    }
    for token, expected in pairs.items():
        if token not in ids or (expected is not None and ids[token] != expected):
            raise UsageError(
                f"{file} does not belong to these weights: {token} is {ids.get(token, 'missing')} there and "
                f"{expected} in config.json. Take both from one place."
            )
    rows = settings.text.vocab_size
    highest = max([*content.model.vocab.values(), *ids.values()])
    if rows is not None and highest >= rows:
        raise UsageError(
            f"{file} does not belong to these weights: it has {highest + 1} tokens, they have rows for {rows}. "
            "Take both from one place."
        )


def _check_patches(settings: ModelFile, video: VideoSettings, where: str) -> None:
    vision = settings.vision_config or VisionPart()
    pairs = {
        "patch_size": video.patch_px,
        "spatial_merge_size": video.merge,
        "temporal_patch_size": video.pair,
    }
    for key, found in pairs.items():
        ours = getattr(vision, key)
        if ours not in (None, found):
            raise UsageError(
                f"{where} does not belong to these weights: {key} is {found} there and {ours} in "
                "config.json. Take both from one place."
            )


def _video_file(folder: Path) -> tuple[str, dict[str, Any]]:
    nested = folder / "processor_config.json"
    if nested.is_file():
        found = read_file(nested, ProcessorFile).video_processor
        if found is not None:
            return f"{nested} (video_processor)", found
    for name in _VIDEO_FILES:
        if (folder / name).is_file():
            return str(folder / name), read_object(folder / name)
    return str(folder / _VIDEO_FILES[0]), {}


def _template(folder: Path) -> tuple[str, Path]:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return read_text(file), file
    for name in ("chat_template.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            found = read_object(folder / name).get("chat_template")
            if isinstance(found, str) and found:
                return found, folder / name
    raise UsageError(
        f"{folder} has no chat template (chat_template.jinja). Copy it from the model that the weights were "
        "trained from."
    )


def _is_keeping_markers(settings: ModelFile, config: QwenConfig) -> bool:
    if config.markers != "auto":
        return config.markers == "keep"
    numbers = re.findall(r"\d+", settings.transformers_version or "")
    return tuple(map(int, numbers[:2])) >= _KEEPS_MARKERS


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()
