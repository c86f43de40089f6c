import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from roboreward.core import RewardModel, UnknownName, UsageError
from roboreward.models import (
    ENTRY_POINTS,
    VLM_ENTRY_POINTS,
    Constant,
    available_models,
    load_model,
    registry,
    vlms,
)


@pytest.mark.parametrize(
    "uri",
    [
        *(f"floor:constant-{n}" for n in range(1, 6)),
        "floor:label-sampler",
        "floor:text-only",
        "floor:first-frame:mock:4",
        "floor:first-frame:floor:constant-2",
        "floor:last-frame:mock:4",
        "floor:frozen:mock:4",
        "floor:shuffled:mock:4",
        "floor:reversed:mock:4",
        "mock:4",
        "mock:ANSWER: 4",
        "mock:I cannot judge: sorry",
    ],
)
def test_a_model_is_loaded_under_the_name_that_was_asked_for(uri):
    model = load_model(f" {uri}\n")
    assert isinstance(model, RewardModel)
    assert model.name == uri


@pytest.mark.parametrize(
    ("uri", "near"),
    [
        ("nanoo", "nano"),
        ("flor:constant-3", "floor:constant-3"),
        ("floor:text", "floor:text-only"),
        ("floor:firstframe", "floor:first-frame"),
        ("floor:", "floor:"),
        ("floor:first-frame:floor:first-frame", "floor:first-frame"),
        ("floor:shuffled:floor:last-frame:mock:4", "floor:shuffled"),
        ("floor:lastframe", "floor:last-frame"),
    ],
)
def test_an_unknown_name_gets_the_nearest_ones(uri, near):
    with pytest.raises(UnknownName, match=f"Unknown model '{uri}'.*{near}"):
        load_model(uri)


@pytest.mark.parametrize("uri", ["", "zzz", "C:\\model", "?" * 5000])
def test_a_name_like_no_other_gets_the_whole_list(uri):
    with pytest.raises(UnknownName, match=r"floor:constant-1, .*nano") as caught:
        load_model(uri)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "uri",
    [
        "teetone/RoboReward-8B",
        "someone/else.model@main",
        "floor:first-frame:teetone/RoboReward-8B",
    ],
)
def test_weights_that_are_not_here_are_neither_downloaded_nor_faked(uri):
    with pytest.raises(UsageError, match=r"no copy of .* on this machine|needs .*not installed"):
        load_model(uri)


@pytest.mark.parametrize("uri", ["floor:constant-0", "floor:constant-6", "floor:constant--1"])
def test_a_constant_outside_the_rubric_is_refused(uri):
    with pytest.raises(UsageError, match="1 to 5"):
        load_model(uri)


@pytest.mark.parametrize("ablation", ["first-frame", "shuffled"])
def test_an_ablation_of_nothing_is_named(ablation):
    with pytest.raises(UsageError, match=rf"floor:{ablation}: names no model behind its last"):
        load_model(f"floor:{ablation}:")


def test_what_needs_an_extra_says_so(monkeypatch):
    from roboreward.models import api_settings, qwen_loader

    def hints():
        return {info.name: info.hint for info in available_models()}

    methods = {"topreward:<vlm>", "gvl:<vlm>", "verifier:<vlm>"}
    monkeypatch.setattr(qwen_loader, "find_spec", lambda _: None)
    monkeypatch.setattr(api_settings, "find_spec", lambda _: 1)
    assert "roboreward[vlm]" in hints()["qwen:<folder>"]
    assert "roboreward[vlm]" in hints()["robometer:<weights>"]
    assert {hints()[name] for name in methods} == {""}
    monkeypatch.setattr(api_settings, "find_spec", lambda _: None)
    for name in methods:
        assert "roboreward[vlm]" in hints()[name]
        assert "roboreward[api]" in hints()[name]
    entry = EntryPoint("ours", "json:loads", VLM_ENTRY_POINTS)
    monkeypatch.setattr(vlms, "entry_points", lambda group: [entry])
    assert {hints()[name] for name in methods} == {""}


def test_a_floor_that_cannot_be_had_says_why():
    with pytest.raises(UsageError, match="no package carries weights"):
        load_model("floor:clip-similarity")


@pytest.mark.parametrize(
    "ablation", ["first-frame", "last-frame", "frozen", "shuffled", "reversed"]
)
def test_an_ablation_alone_is_that_of_nano(ablation, needs_nano):
    assert load_model(f"floor:{ablation}").name == f"floor:{ablation}:nano"


def test_the_list_names_what_runs_and_what_is_missing():
    infos = available_models()
    names = [info.name for info in infos]
    assert len(set(names)) == len(names)
    assert names[0] == "nano"
    assert all(info.summary and bool(info.hint) != info.is_usable for info in infos)
    for info in infos:
        if info.is_usable and "<" not in info.name:
            assert info.name in (load_model(info.name).name, "floor:first-frame")


def offer(monkeypatch, name, value):
    entry = EntryPoint(name, value, ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry] * (group == ENTRY_POINTS))


def always_two(rest):
    model = Constant(2)
    model.name = f"ours:{rest}"
    return model


def not_a_model(_rest):
    return "surprise"


def breaks(_rest):
    return 1 / 0


NOT_A_FUNCTION = "surprise"


def test_a_plug_in_gets_what_stands_behind_the_colon(monkeypatch):
    offer(monkeypatch, "ours", f"{__name__}:always_two")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[always_two.__module__])
    assert load_model("ours:a:b").name == "ours:a:b"
    assert load_model("ours").name == "ours:"
    listed = next(info for info in available_models() if info.name == "ours")
    assert listed.is_usable
    with pytest.raises(UnknownName, match="ours"):
        load_model("our")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_module:load", "cannot be loaded"),
        ("json:no_such_function", "cannot be loaded"),
        (f"{__name__}:NOT_A_FUNCTION", "is a str, not a function"),
        (f"{__name__}:breaks", r"failed on 'x' \(ZeroDivisionError: division by zero\)"),
        (f"{__name__}:not_a_model", "returned a str, which is not a reward model"),
    ],
)
def test_a_plug_in_that_does_not_work_is_named(monkeypatch, value, message):
    offer(monkeypatch, "ours", value)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[always_two.__module__])
    with pytest.raises(UsageError, match=rf"The plug-in 'ours' .*{message}"):
        load_model("ours:x")


def test_a_plug_in_that_cannot_be_imported_is_listed_with_the_reason(monkeypatch):
    offer(monkeypatch, "ours", "no_such_module:load")
    listed = next(info for info in available_models() if info.name == "ours")
    assert not listed.is_usable
    assert "cannot be loaded (ModuleNotFoundError: No module named 'no_such_module')" in listed.hint
    with pytest.raises(UnknownName, match="ours"):
        load_model("our")


def test_a_plug_in_cannot_take_the_name_of_a_built_in_model(monkeypatch):
    offer(monkeypatch, "mock", f"{__name__}:always_two")
    assert load_model("mock:4").name == "mock:4"
    assert [info.name for info in available_models()].count("mock") == 0


def test_the_registry_brings_in_nothing_heavy():
    code = (
        "import sys, roboreward.models as m\n"
        "m.available_models(); m.load_model('mock:4'); m.load_model('floor:text-only')\n"
        "print(sorted({'torch', 'av', 'mujoco', 'gymnasium', 'safetensors', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_of_the_room_exists():
    import roboreward.models as room

    assert all(getattr(room, name) is not None for name in room.__all__)
    assert Path(room.__file__).name == "__init__.py"
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = room.Nonsense


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("openia:gpt-x", "openai:gpt-x"),
        ("antropic:a", "anthropic:a"),
        ("flor:constant-3", "floor:constant-3"),
    ],
)
def test_a_mistyped_scheme_is_put_right(typed, meant):
    with pytest.raises(UnknownName, match=f"Did you mean .*{meant}"):
        load_model(typed)
