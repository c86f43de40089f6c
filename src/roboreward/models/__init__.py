"""Reward models behind one protocol. What is heavy is loaded when it is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from roboreward.models.registry import ENTRY_POINTS, ModelInfo, available_models, load_model

if TYPE_CHECKING:
    from roboreward.models.ablated import ABLATIONS, Ablated, Ablation
    from roboreward.models.answering import answer_each
    from roboreward.models.api_calls import ApiVlm, Tally
    from roboreward.models.api_loader import api_vlm
    from roboreward.models.api_prices import Budget
    from roboreward.models.api_settings import API_SCHEMES, KEY_VARIABLES, ApiSettings, use_api
    from roboreward.models.asking import Ask, Decoding, Reply, ReplyStatus, Token, Vlm
    from roboreward.models.calibrated import Calibrated, check_belongs, home_of
    from roboreward.models.calibration import (
        CALIBRATION_FILE,
        SMALLEST_PROB,
        AbstainBand,
        Calibration,
        Conformal,
        Isotonic,
        expected_errors,
        level_sets,
        on_curve,
        read_calibration,
        success_probs,
        tempered,
    )
    from roboreward.models.calibration_fit import (
        fit_band,
        fit_conformal,
        fit_isotonic,
        fit_temperature,
    )
    from roboreward.models.cuts import CUTS, Cuts, score_at
    from roboreward.models.floors import Constant, FirstFrame, LabelSampler
    from roboreward.models.gvl import Gvl, GvlConfig, parse_percentages
    from roboreward.models.method_prompt import MethodPrompt, load_method_prompt
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
    from roboreward.models.preference import (
        PairwiseVlm,
        PreferenceByScore,
        PreferenceConfig,
        load_preference_model,
        prefer,
        preference_model,
    )
    from roboreward.models.preference_text import parse_letter
    from roboreward.models.qwen.config import QwenConfig
    from roboreward.models.qwen.judge import QwenJudge
    from roboreward.models.qwen_loader import load_judge, load_qwen
    from roboreward.models.rubric_judge import RubricJudge
    from roboreward.models.text_only import TextOnly
    from roboreward.models.topreward import TopReward, TopRewardConfig
    from roboreward.models.verifier import CRITERIA, Verifier, VerifierConfig
    from roboreward.models.vlms import VLM_ENTRY_POINTS, load_vlm

__all__ = [
    "API_SCHEMES",
    "ApiSettings",
    "ApiVlm",
    "Budget",
    "KEY_VARIABLES",
    "Tally",
    "api_vlm",
    "use_api",
    "ABLATIONS",
    "Ablated",
    "Ablation",
    "AbstainBand",
    "Ask",
    "CALIBRATION_FILE",
    "CRITERIA",
    "CUTS",
    "Calibrated",
    "Calibration",
    "Conformal",
    "Constant",
    "Cuts",
    "Decoding",
    "ENTRY_POINTS",
    "FirstFrame",
    "Gvl",
    "GvlConfig",
    "Isotonic",
    "LabelSampler",
    "MethodPrompt",
    "Mock",
    "ModelInfo",
    "Nano",
    "NanoCard",
    "NanoNet",
    "NanoShape",
    "PairwiseVlm",
    "PreferenceByScore",
    "PreferenceConfig",
    "QwenConfig",
    "QwenJudge",
    "Reply",
    "ReplyStatus",
    "RubricJudge",
    "SMALLEST_PROB",
    "TextOnly",
    "Token",
    "TopReward",
    "TopRewardConfig",
    "VLM_ENTRY_POINTS",
    "Verifier",
    "VerifierConfig",
    "Vlm",
    "answer_each",
    "available_models",
    "check_belongs",
    "expected_errors",
    "fit_band",
    "fit_conformal",
    "fit_frame",
    "fit_isotonic",
    "fit_temperature",
    "gate_features",
    "home_of",
    "level_sets",
    "load_judge",
    "load_method_prompt",
    "load_model",
    "load_nano",
    "load_preference_model",
    "load_qwen",
    "load_vlm",
    "median_score",
    "on_curve",
    "parse_letter",
    "parse_percentages",
    "prefer",
    "preference_model",
    "read_calibration",
    "score_at",
    "success_probs",
    "task_words",
    "tempered",
]

_FILE_OF = {
    "API_SCHEMES": "api_settings",
    "ApiSettings": "api_settings",
    "ApiVlm": "api_calls",
    "Budget": "api_prices",
    "KEY_VARIABLES": "api_settings",
    "Tally": "api_calls",
    "api_vlm": "api_loader",
    "use_api": "api_settings",
    "ABLATIONS": "ablated",
    "Ablated": "ablated",
    "Ablation": "ablated",
    "AbstainBand": "calibration",
    "Ask": "asking",
    "CALIBRATION_FILE": "calibration",
    "CRITERIA": "verifier",
    "CUTS": "cuts",
    "Calibrated": "calibrated",
    "Calibration": "calibration",
    "Conformal": "calibration",
    "Constant": "floors",
    "Cuts": "cuts",
    "Decoding": "asking",
    "FirstFrame": "floors",
    "Gvl": "gvl",
    "GvlConfig": "gvl",
    "Isotonic": "calibration",
    "LabelSampler": "floors",
    "MethodPrompt": "method_prompt",
    "Mock": "mock",
    "NanoNet": "nano_net",
    "NanoShape": "nano_net",
    "PairwiseVlm": "preference",
    "PreferenceByScore": "preference",
    "PreferenceConfig": "preference",
    "Reply": "asking",
    "ReplyStatus": "asking",
    "QwenConfig": "qwen.config",
    "QwenJudge": "qwen.judge",
    "RubricJudge": "rubric_judge",
    "load_judge": "qwen_loader",
    "load_qwen": "qwen_loader",
    "SMALLEST_PROB": "calibration",
    "TextOnly": "text_only",
    "Token": "asking",
    "TopReward": "topreward",
    "TopRewardConfig": "topreward",
    "VLM_ENTRY_POINTS": "vlms",
    "Verifier": "verifier",
    "VerifierConfig": "verifier",
    "Vlm": "asking",
    "answer_each": "answering",
    "check_belongs": "calibrated",
    "expected_errors": "calibration",
    "fit_band": "calibration_fit",
    "fit_conformal": "calibration_fit",
    "fit_isotonic": "calibration_fit",
    "fit_temperature": "calibration_fit",
    "home_of": "calibrated",
    "level_sets": "calibration",
    "load_method_prompt": "method_prompt",
    "load_preference_model": "preference",
    "load_vlm": "vlms",
    "on_curve": "calibration",
    "parse_letter": "preference_text",
    "parse_percentages": "gvl",
    "prefer": "preference",
    "preference_model": "preference",
    "read_calibration": "calibration",
    "score_at": "cuts",
    "success_probs": "calibration",
    "tempered": "calibration",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'roboreward.models' has no attribute {name!r}")
    return getattr(import_module(f"roboreward.models.{_FILE_OF.get(name, 'nano')}"), name)
