"""Settings behind the name of local weights."""

import pytest

from roboreward.core import FramePolicy, UnknownName, UsageError
from roboreward.judge import PromptConfig
from roboreward.models import QwenConfig, load_judge, load_model, load_vlm, qwen_loader
from roboreward.models.local_uri import LocalUri, is_weights_name, parse_local_uri


def test_a_name_without_settings_says_nothing_else():
    assert parse_local_uri("./dir") == LocalUri("./dir", QwenConfig())


def test_every_kind_of_setting_is_read():
    uri = (
        "some/model@abc?dtype=bfloat16&device=cuda:1&adapter=./lo%26ra?+&quantization=4bit&min_pixels=64"
        "&cap_pixels_per_frame=true&order=video-then-text&max_frames=16&fps=0.5"
    )
    assert parse_local_uri(uri) == LocalUri(
        "some/model@abc",
        QwenConfig(
            dtype="bfloat16",
            device="cuda:1",
            adapter="./lo&ra?+",
            quantization="4bit",
            min_pixels=64,
            cap_pixels_per_frame=True,
        ),
        PromptConfig(order="video-then-text"),
        FramePolicy(max_frames=16, fps=0.5),
    )


def test_a_folder_may_have_a_question_mark_in_its_name(tmp_path):
    folder = tmp_path / "is it?"
    folder.mkdir()
    assert parse_local_uri(str(folder)).name == str(folder)
    expected = LocalUri(str(folder), QwenConfig(dtype="float32"))
    assert parse_local_uri(f"{folder}?dtype=float32") == expected


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("dtpye=float32", "Unknown setting of a local model 'dtpye'.*dtype"),
        ("template=x", "Unknown setting"),
        ("dtype=bf16", "dtype=bf16: "),
        ("device=tpu", "device=tpu: "),
        ("device=cudas", "device=cudas: "),
        ("max_pixels=many", "max_pixels=many: "),
        ("max_pixels=0", "max_pixels=0: "),
        ("order=backwards", "order=backwards: "),
        ("max_frames=0", "max_frames=0: "),
        ("dtype", "'dtype' in .* is no setting. The form is"),
        ("dtype=", "'dtype=' in .* is no setting"),
        ("&", "'' in .* is no setting"),
        ("device=cpu&device=mps", "device stands twice"),
    ],
)
@pytest.mark.parametrize("name", ["qwen:./dir", "qwen:some/model", "some/model"])
@pytest.mark.parametrize("load", [load_model, load_vlm])
def test_what_is_wrong_with_a_setting_is_named_before_anything_is_loaded(
    load, name, query, message
):
    with pytest.raises(UsageError, match=message):
        load(f"{name}?{query}")


def test_an_unknown_setting_gets_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean attention"):
        load_model("qwen:./dir?atention=eager")


@pytest.fixture
def asked_for(monkeypatch):
    """What `load_qwen` is called with."""
    calls = []

    def load_qwen(name, *, config, shown_as):
        calls.append((name, config, shown_as))
        raise UsageError("stop here")

    monkeypatch.setattr(qwen_loader, "load_qwen", load_qwen)

    def ask(load, uri):
        with pytest.raises(UsageError, match="stop here"):
            load(uri)
        return calls.pop()

    return ask


@pytest.mark.parametrize("load", [load_model, load_vlm])
@pytest.mark.parametrize("scheme", ["", "qwen:"])
def test_settings_reach_the_loader(asked_for, load, scheme):
    uri = f"{scheme}some/model@main?device=cuda:1"
    assert asked_for(load, uri) == ("some/model@main", QwenConfig(device="cuda:1"), uri)


@pytest.mark.parametrize("outer", ["floor:reversed:", "topreward:", "verifier:qwen:"])
def test_settings_may_stand_deep_inside(asked_for, outer):
    name, config, _ = asked_for(load_model, f"{outer}some/model?attention=eager")
    assert (name, config.attention) == ("some/model", "eager")


def test_a_method_that_asks_in_its_own_way_takes_no_order():
    with pytest.raises(UsageError, match="settings of the published prompt"):
        load_vlm("some/model?order=video-then-text")


def test_settings_are_not_given_in_both_ways():
    with pytest.raises(UsageError, match="Give one of them"):
        load_judge("some/model?device=cpu", config=QwenConfig())


@pytest.mark.parametrize("name", ["", "?", "?dtype=float32", "x" * 5000, "nano"])
def test_what_is_no_name_of_weights(name):
    assert not is_weights_name(name)
