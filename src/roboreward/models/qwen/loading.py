"""From files to a model in memory."""

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

import torch
from transformers import (
    AutoTokenizer,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3VLForConditionalGeneration,
)
from transformers.utils import cached_file, logging

from roboreward.core import MissingExtra, RoboRewardError, UsageError, identity_of, shorten
from roboreward.models.qwen.checkpoint import (
    Checkpoint,
    files_that_matter,
    no_local_copy,
    read_checkpoint,
    revision_of,
    split_name,
    tensor_shapes,
    weight_files,
)
from roboreward.models.qwen.config import QwenConfig
from roboreward.models.qwen.engine import Engine
from roboreward.models.qwen.layout import LayoutMaker
from roboreward.models.qwen.schema import AdapterFile, IndexFile, read_file

_CLASSES: Final[dict[str, Any]] = {
    "qwen3_vl": Qwen3VLForConditionalGeneration,
    "qwen2_5_vl": Qwen2_5_VLForConditionalGeneration,
}
_EXTRA_OF: Final = {"peft": "lora", "accelerate": "lora", "bitsandbytes": "quantized"}
_OPTIONAL: Final = (
    *("video_preprocessor_config.json", "preprocessor_config.json", "processor_config.json"),
    *("chat_template.jinja", "chat_template.json", "generation_config.json"),
)


def find_folder(name: str, config: QwenConfig) -> Path:
    """Return the folder of a model: the one that is named, or its snapshot in the hub's cache.

    Raises:
        UsageError: There is none, and nothing may be downloaded.
    """
    if Path(name).is_dir():
        return Path(name)
    repo, revision = split_name(name)
    found = _cached(repo, revision, "config.json", config)
    if found is None:
        raise no_local_copy(name)
    folder = found.parent
    if config.allow_download:
        _fetch_all(repo, revision, config)
    return folder


@dataclass(frozen=True, eq=False)
class Parts:
    """A model in memory.

    Attributes:
        checkpoint: What its files say.
        revision: See `full_revision`.
        engine, layouts: What runs it, and what lays out questions for it.
        stop_ids: Tokens that end an answer.
    """

    checkpoint: Checkpoint
    revision: str
    engine: Engine
    layouts: LayoutMaker
    stop_ids: frozenset[int]


_Key = tuple[Path, QwenConfig, tuple[tuple[str, int, int], ...]]
_IN_MEMORY: Final[WeakValueDictionary[_Key, Parts]] = WeakValueDictionary()
"""Whatever somebody still holds: several names of one model, such as its floors, share one copy of the weights."""


def parts_of(name: str, config: QwenConfig) -> Parts:
    """Return the model with this name, loaded, or the copy that is in memory while its files are what they were.

    Raises:
        UsageError: There is no such model here, its parts do not belong together, or it cannot be run as asked.
        MissingExtra: A library for it is not installed.
    """
    folder = find_folder(name, config)
    adapter = () if config.adapter is None else _stamps(Path(config.adapter))
    key = (folder.resolve(), config, (*_stamps(folder), *adapter))
    parts = _IN_MEMORY.get(key)
    if parts is None:
        checkpoint = read_checkpoint(name, folder, config)
        revision = full_revision(checkpoint, config)
        engine, layouts = load_parts(checkpoint, config)
        stops = stop_ids(checkpoint, layouts.tokenizer)
        parts = _IN_MEMORY[key] = Parts(checkpoint, revision, engine, layouts, stops)
    return parts


def _stamps(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of each file that matters: whether a folder changed, without reading gigabytes."""
    if not folder.is_dir():
        return ()
    stats = ((file.name, file.stat()) for file in files_that_matter(folder))
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def load_parts(checkpoint: Checkpoint, config: QwenConfig) -> tuple[Engine, LayoutMaker]:
    """Load weights and tokenizer.

    Raises:
        UsageError: Weights or adapter do not fit the model or the memory, the device cannot run what is asked for, or
            the chat template does not show what is asked.
        MissingExtra: A library for it is not installed.
    """
    with _loading(str(checkpoint.folder / "config.json")):
        _CLASSES[checkpoint.family].config_class.from_pretrained(
            checkpoint.folder, local_files_only=True
        )
    with _loading(f"The tokenizer in {checkpoint.folder}"):
        tokenizer = AutoTokenizer.from_pretrained(
            checkpoint.folder, local_files_only=True, trust_remote_code=False
        )
    layouts = LayoutMaker(checkpoint, tokenizer, budget_frames=config.budget_frames)
    with _loading(f"The chat template in {checkpoint.template_file}"):
        layouts.check_template()
    with _loading(f"The weights in {checkpoint.folder}"):
        model = _load_model(checkpoint, config)
    if config.adapter is not None:
        with _loading(f"The adapter in {config.adapter}"):
            model = _with_adapter(model, Path(config.adapter), checkpoint, config)
    model.eval()
    can_branch = config.attention != "flash_attention_2" and config.is_sharing
    return Engine(model, family=checkpoint.family, can_branch=can_branch), layouts


@contextmanager
def _loading(what: str) -> Iterator[None]:
    """Make one sentence of whatever the libraries raise on a damaged file, or where the memory does not do."""
    try:
        yield
    except RoboRewardError:
        raise
    except Exception as error:  # other people's files, read by other people's code
        lines = str(error).splitlines() or [""]
        if is_out_of_memory(error):
            free_memory()
            raise UsageError(
                f"{what}: there is not enough memory for it ({shorten(lines[0], 120)}). Load fewer bits "
                "(dtype=bfloat16, quantization=4bit), on another device (device=cpu), or take a smaller model."
            ) from error
        told = f"{type(error).__name__}: {shorten(' '.join(str(error).split()), 300)}"
        raise UsageError(f"{what} cannot be loaded: {told}. Download it again.") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, wherever it did."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(
        words in text
        for words in (
            *("out of memory", "not enough memory"),
            *("can't allocate memory", "cannot allocate memory"),
        )
    )


def free_memory() -> None:
    """Give back what nobody holds any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def stop_ids(checkpoint: Checkpoint, tokenizer: Any) -> frozenset[int]:
    """Return the tokens that end an answer, from generation_config.json and the tokenizer."""
    own = (tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|im_end|>"))
    return frozenset([*checkpoint.stop_ids, *(token for token in own if token is not None)])


def full_revision(checkpoint: Checkpoint, config: QwenConfig) -> str:
    """Return the revision of the weights and, where they differ from the default, of adapter and settings."""
    parts = [checkpoint.revision]
    if config.adapter is not None:
        parts.append(f"adapter-{revision_of(Path(config.adapter)).partition('-')[2]}")
    default = identity_of(QwenConfig())
    changed = {
        key: value
        for key, value in identity_of(config).items()
        if value != default[key] and key != "adapter"
    }
    parts += [f"{key}={value}" for key, value in sorted(changed.items())]
    return "+".join(parts)


def _cached(repo: str, revision: str | None, file: str, config: QwenConfig) -> Path | None:
    """Return where the hub's cache has a file, or None; fetched first where that is allowed."""
    try:
        found = cached_file(
            repo,
            file,
            revision=revision,
            local_files_only=not config.allow_download,
            _raise_exceptions_for_missing_entries=False,
        )
    except OSError as error:
        if config.allow_download:
            raise UsageError(f"{repo} cannot be fetched: {shorten(error, 200)}") from error
        return None
    return None if found is None else Path(found)


def _fetch_all(repo: str, revision: str | None, config: QwenConfig) -> None:
    for file in ("tokenizer.json", "tokenizer_config.json", *_OPTIONAL):
        _cached(repo, revision, file, config)
    index = _cached(repo, revision, "model.safetensors.index.json", config)
    if index is None:
        _cached(repo, revision, "model.safetensors", config)
        return
    for shard in sorted(set(read_file(index, IndexFile).weight_map.values())):
        _cached(repo, revision, shard, config)


def _load_model(checkpoint: Checkpoint, config: QwenConfig) -> Any:
    device = _device(config)
    options: dict[str, Any] = {}
    if config.quantization != "none":
        options["quantization_config"] = _quantization(config, device)
    if config.device == "spread" or config.quantization != "none":
        _need("accelerate", "Spreading a model over devices, or loading it in 8 or 4 bits,")
        options["device_map"] = "auto" if config.device == "spread" else {"": device}
    if config.attention == "flash_attention_2":
        _need("flash_attn", "The attention kernel flash_attention_2")
    verbosity, has_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        model, report = _CLASSES[checkpoint.family].from_pretrained(
            checkpoint.folder,
            dtype=config.dtype if config.dtype == "auto" else getattr(torch, config.dtype),
            attn_implementation=config.attention,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            trust_remote_code=False,
            **options,
        )
    finally:
        logging.set_verbosity(verbosity)
        if has_bar:
            logging.enable_progress_bar()
    _check_report(report, checkpoint)
    return model if "device_map" in options else model.to(device)


def _check_report(report: Any, checkpoint: Checkpoint) -> None:
    for kind, what in (("missing_keys", "lack"), ("mismatched_keys", "have in another shape")):
        names = sorted(map(str, report.get(kind, ())))
        if names:
            raise UsageError(
                f"The weights in {checkpoint.folder} are not of this model: they {what} {len(names)} of the parts that "
                f"its config.json asks for, such as {names[0]}. Take both from one place."
            )


def _device(config: QwenConfig) -> str:
    kind = config.device.partition(":")[0]
    if kind in {"auto", "spread"}:
        return "cuda" if torch.cuda.is_available() else "cpu"
    is_there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if kind in is_there and not is_there[kind]():
        raise UsageError(f"This machine has no device {config.device}. Take device=cpu or auto.")
    return config.device


def _quantization(config: QwenConfig, device: str) -> Any:
    _need("bitsandbytes", f"Weights in {config.quantization}")
    from transformers import BitsAndBytesConfig

    if config.quantization == "4bit":
        return BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
        )
    return BitsAndBytesConfig(load_in_8bit=True)


def _with_adapter(model: Any, folder: Path, checkpoint: Checkpoint, config: QwenConfig) -> Any:
    """Put a LoRA adapter on a model; merged into the weights where these are not quantized."""
    file = folder / "adapter_config.json"
    if not file.is_file():
        raise UsageError(f"{folder} is no LoRA adapter: it has no adapter_config.json.")
    _check_base(file, checkpoint)
    _check_parts(folder, model, checkpoint)
    _need("peft", "A LoRA adapter")
    from peft import PeftModel

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            adapted = PeftModel.from_pretrained(model, folder, local_files_only=True)
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        if is_out_of_memory(error):
            raise
        raise _misfit(folder, checkpoint, str(error).splitlines()[0]) from error
    missing = [str(note.message) for note in caught if "missing adapter keys" in str(note.message)]
    if missing:
        raise _misfit(folder, checkpoint, missing[0])
    if config.quantization != "none":
        return adapted.get_base_model()
    return adapted.merge_and_unload()


def _misfit(folder: Path, checkpoint: Checkpoint, reason: str) -> UsageError:
    return UsageError(
        f"The adapter in {folder} does not fit {checkpoint.name}; it was trained on another model: "
        f"{shorten(reason, 200)}"
    )


def _check_parts(folder: Path, model: Any, checkpoint: Checkpoint) -> None:
    """Make sure that every part that the adapter changes is there: the library passes over those that are not."""
    parts = {name for name, _ in model.named_modules()}
    for file in weight_files(folder, "adapter_model"):
        for name in sorted(tensor_shapes(file)):
            part = name.removeprefix("base_model.model.").partition(".lora_")[0]
            if ".lora_" in name and part not in parts:
                raise _misfit(folder, checkpoint, f"there is no {part}.")


def _check_base(file: Path, checkpoint: Checkpoint) -> None:
    base = read_file(file, AdapterFile).base_model_name_or_path or ""
    try:
        theirs, ours = split_name(base)[0], split_name(checkpoint.name)[0]
    except RoboRewardError:
        return  # a folder says nothing of what is in it; the shapes will
    if not Path(checkpoint.name).is_dir() and theirs.lower() != ours.lower():
        raise UsageError(
            f"The adapter in {file.parent} was trained on {base}, not on {checkpoint.name}. Load that model with it."
        )


def _need(package: str, purpose: str) -> None:
    """Make sure that an optional library is there; peft brings accelerate with it."""
    if find_spec(package) is not None:
        return
    if package in _EXTRA_OF:
        raise MissingExtra(package, _EXTRA_OF[package], purpose)
    raise UsageError(
        f"{purpose} needs {package}, which is not installed. Install it, or take sdpa."
    )
