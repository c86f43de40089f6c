"""Reward models behind one protocol. What is heavy is loaded when it is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from roboreward.models.registry import ENTRY_POINTS, ModelInfo, available_models, load_model

if TYPE_CHECKING:
    from roboreward.models.answering import answer_each
    from roboreward.models.floors import Constant, FirstFrame, LabelSampler
    from roboreward.models.mock import Mock
    from roboreward.models.nano import (
        Nano,
        NanoCard,
        fit_frame,
        gate_features,
        load_nano,
        median_score,
        task_words,
    )
    from roboreward.models.nano_net import NanoNet, NanoShape
    from roboreward.models.text_only import TextOnly

__all__ = [
    "Constant",
    "ENTRY_POINTS",
    "FirstFrame",
    "LabelSampler",
    "Mock",
    "ModelInfo",
    "Nano",
    "NanoCard",
    "NanoNet",
    "NanoShape",
    "TextOnly",
    "answer_each",
    "available_models",
    "fit_frame",
    "gate_features",
    "load_model",
    "load_nano",
    "median_score",
    "task_words",
]

_FILE_OF = {
    "Constant": "floors",
    "FirstFrame": "floors",
    "LabelSampler": "floors",
    "Mock": "mock",
    "NanoNet": "nano_net",
    "NanoShape": "nano_net",
    "TextOnly": "text_only",
    "answer_each": "answering",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'roboreward.models' has no attribute {name!r}")
    return getattr(import_module(f"roboreward.models.{_FILE_OF.get(name, 'nano')}"), name)
