"""A local model on its paths: load, score, batch, branch, adapter, answers in text. Tiny weights, real architecture."""

import copy
import gc
import json
import os
import shutil
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the vlm extra is not installed")
pytest.importorskip("transformers", reason="the vlm extra is not installed")

from roboreward.core import DenseRewardModel, FrameSample, Query, UsageError, curve_of  # noqa: E402
from roboreward.judge import PromptConfig  # noqa: E402
from roboreward.models import (  # noqa: E402
    CALIBRATION_FILE,
    Calibration,
    Conformal,
    Isotonic,
    QwenConfig,
    QwenJudge,
    home_of,
    load_model,
    load_qwen,
)
from roboreward.models.asking import Ask, Decoding, Vlm  # noqa: E402
from roboreward.models.qwen import engine as engines  # noqa: E402
from roboreward.models.qwen import loading  # noqa: E402
from roboreward.models.qwen import vlm as vlms  # noqa: E402
from roboreward.testing import check_reward_model  # noqa: E402

pytestmark = pytest.mark.torch

WORDS = ["pick", "place", "open", "the", "red", "blue", "drawer", "cup", "close", "move", "left"]
ORDERS = ("text-then-video", "video-then-text")


def sample_of(rng, num=None, size=None):
    num = num or int(rng.integers(1, 9))
    height, width = size or rng.integers(24, 120, 2)
    colours = rng.integers(0, 256, (num, 1, 1, 3)) * np.ones((1, height, width, 1))
    noise = rng.integers(0, 60, (num, height, width, 3))
    return FrameSample.from_array((colours + noise).clip(0, 255).astype(np.uint8))


def queries_of(num, seed=0):
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, rng.integers(2, 14))) for _ in range(num)]
    return [Query(sample_of(rng), text, f"q{i}") for i, text in enumerate(texts)]


def fresh(query):
    """The same question on a sample object of its own, so that nothing is shared."""
    sample = FrameSample(query.sample.frames_THWC, query.sample.record)
    return Query(sample, query.task, query.query_id)


def distance(ours, theirs):
    return max(
        np.abs(np.subtract(a.probs, b.probs)).max() for a, b in zip(ours, theirs, strict=True)
    )


@pytest.fixture(scope="session")
def vlm(tiny_qwen):
    return load_qwen(str(tiny_qwen))


@pytest.fixture(scope="session")
def vlm25(tiny_qwen25):
    return load_qwen(str(tiny_qwen25))


@pytest.fixture(params=["qwen3", "qwen2.5"])
def any_vlm(request, vlm, vlm25):
    return vlm if request.param == "qwen3" else vlm25


def variant(vlm, **changes):
    """The same weights under other settings that do not touch them."""
    twin = object.__new__(vlms.QwenVl)
    twin.__dict__ |= vlm.__dict__
    twin.config = vlm.config.model_copy(update=changes)
    twin.engine = engines.Engine(
        vlm.engine.model, family=vlm.checkpoint.family, can_branch=twin.config.is_sharing
    )
    twin.layouts = type(vlm.layouts)(
        vlm.checkpoint, vlm.layouts.tokenizer, budget_frames=twin.config.budget_frames
    )
    return twin


def test_it_keeps_the_contract_of_a_reward_model(vlm):
    assert isinstance(vlm, Vlm)
    check_reward_model(QwenJudge(vlm))


def test_it_offers_a_curve(vlm):
    judge = QwenJudge(vlm)
    assert isinstance(judge, DenseRewardModel)
    query = Query(sample_of(np.random.default_rng(13), 3, (64, 64)), "open the drawer")
    assert curve_of(judge, query, [1, 3]) == judge.curve(query, [1, 3])
    assert [v.status for v in judge.curve(Query(query.sample, ""))] == ["failed"] * 3


def test_names_lead_to_it(tiny_qwen, vlm):
    model = load_model(f"qwen:{tiny_qwen}")
    assert model.name == f"qwen:{tiny_qwen}"
    assert model.capabilities == {"distribution", "dense"}
    assert vlm.name == str(tiny_qwen)
    assert model.revision == QwenJudge(vlm).revision
    assert vlm.revision.startswith("sha256-")


def test_a_calibration_beside_the_weights_belongs_to_them(tiny_qwen, tmp_path):
    """`roboreward calibrate` writes it there by default."""
    folder = tmp_path / "mine"
    shutil.copytree(tiny_qwen, folder)
    model = load_model(f"qwen:{folder}")
    known = Calibration(
        model=model.name,
        revision=model.revision,
        frame_policy=model.frame_policy,
        set_name="val",
        set_hash="h",
        num_rows=50,
        num_groups=40,
        temperature=1.5,
        isotonic=Isotonic(x=(0.5,), y=(0.5,)),
        conformal=Conformal(coverage=0.9, limit=0.8),
        package_version="0",
    )
    (home_of(model.name) / CALIBRATION_FILE).write_text(known.model_dump_json())
    calibrated = load_model(f"calibrated:qwen:{folder}")
    assert calibrated.revision == f"{model.revision}+cal-{known.digest}"
    assert load_model(f"calibrated:qwen:{folder}?device=cpu").revision == calibrated.revision
    with pytest.raises(UsageError, match="with revision"):
        load_model(f"calibrated:qwen:{folder}?order=video-then-text")


def test_a_name_can_hold_settings(tiny_qwen, vlm):
    name = f"qwen:{tiny_qwen}?attention=eager&order=video-then-text&max_frames=3&min_frames=2"
    model = load_model(name)
    assert model.name == name
    assert model.revision.startswith(f"{vlm.revision}+attention=eager+")
    assert model.prompt.order == "video-then-text"
    assert (model.frame_policy.min_frames, model.frame_policy.max_frames) == (2, 3)


def test_all_scores_occur_so_that_agreement_means_something(vlm, vlm25):
    found = {v.score for m in (vlm, vlm25) for v in QwenJudge(m).score(queries_of(64))}
    assert found == {1, 2, 3, 4, 5}


def test_alone_and_among_others_a_query_gets_the_same_verdict(any_vlm):
    """Numbers differ by rounding only: 2e-5 in float32."""
    judge, queries = QwenJudge(any_vlm), queries_of(16)
    together = judge.score(queries)
    alone = [judge.score([query])[0] for query in queries]
    assert [v.score for v in together] == [v.score for v in alone]
    assert distance(together, alone) < 2e-5


def test_one_pass_says_what_greedy_generation_says(any_vlm):
    queries = queries_of(200, seed=1)
    read = QwenJudge(any_vlm).score(queries)
    said = QwenJudge(any_vlm, is_text_wanted=True).score(queries)
    agree = [
        r.score is not None and s.raw_text == f"ANSWER: {r.score}"
        for r, s in zip(read, said, strict=True)
    ]
    assert np.mean(agree) >= 0.995


def test_our_greedy_answer_is_that_of_the_library(any_vlm):
    """Without a forced beginning, one question at a time, as a model card does it."""
    for query in queries_of(4, seed=2):
        ask = QwenJudge(any_vlm).ask_of(query)
        ask = Ask(ask.parts)
        layout = any_vlm.layouts.lay_out(ask)
        clip = layout.clips[0]
        from roboreward.models.qwen.pixels import pixel_values

        values = pixel_values(query.sample.frames_THWC, clip.patches, any_vlm.checkpoint.video)
        ids = torch.tensor([layout.ids])
        more = (
            {} if any_vlm.checkpoint.family == "qwen3_vl" else {"second_per_grid_ts": [clip.step_s]}
        )
        theirs = any_vlm.engine.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=(ids == any_vlm.layouts.pad_id).int() * 2,
            pixel_values_videos=torch.cat(values),
            video_grid_thw=torch.tensor([[len(clip.patches), *clip.grid]]),
            max_new_tokens=8,
            do_sample=False,
            **more,
        )[0, len(layout.ids) :].tolist()
        (reply,) = any_vlm.ask([ask], Decoding(max_new_tokens=8))
        assert reply.status == "ok"
        assert reply.texts[0] == any_vlm.layouts.tokenizer.decode(theirs, skip_special_tokens=True)
        assert reply.texts[0].startswith("ANSWER: ")


def test_tokens_stand_where_the_library_puts_them(any_vlm):
    rng = np.random.default_rng(3)
    first, second = sample_of(rng, 5, (64, 96)), sample_of(rng, 2, (40, 40))
    layout = any_vlm.layouts.lay_out(Ask(("one", first, "two", second, "three"), prefix="ANSWER:"))
    row = any_vlm.engine.row(layout, [220])
    ids = torch.tensor([row.ids])
    is_new = any_vlm.checkpoint.family == "qwen3_vl"
    theirs, _ = any_vlm.engine.model.model.get_rope_index(
        ids,
        (ids == any_vlm.layouts.pad_id).int() * 2,
        video_grid_thw=torch.tensor([[len(c.patches), *c.grid] for c in layout.clips]),
        **({} if is_new else {"second_per_grid_ts": [c.step_s for c in layout.clips]}),
    )
    assert np.array_equal(row.places, theirs[:, 0].numpy())


@pytest.mark.parametrize("order", ORDERS)
def test_eight_tasks_on_one_video_get_what_each_gets_alone(any_vlm, order, monkeypatch):
    seen = []
    see = engines.Engine.see
    monkeypatch.setattr(
        engines.Engine,
        "see",
        lambda self, pixels, grids: seen.extend(pixels) or see(self, pixels, grids),
    )
    sample = sample_of(np.random.default_rng(4), 8, (96, 96))
    queries = [
        Query(sample, f"put the {colour} cup {place}")
        for colour in WORDS[:4]
        for place in ("here", "there")
    ]
    judge = QwenJudge(any_vlm, prompt=PromptConfig(order=order))
    together = judge.score(queries)
    assert len(seen) == 4  # pairs of frames, each seen once
    alone = [judge.score([fresh(query)])[0] for query in queries]
    assert distance(together, alone) < 1e-4


def test_with_the_frames_first_all_tasks_share_the_tokens_before_the_task(vlm, monkeypatch):
    lengths = []
    forward = engines.Engine._forward
    monkeypatch.setattr(
        engines.Engine,
        "_forward",
        lambda self, rows, *rest: (
            lengths.append(sum(len(r.ids) for r in rows)) or forward(self, rows, *rest)
        ),
    )
    sample = sample_of(np.random.default_rng(5), 8, (96, 96))
    queries = [Query(sample, f"put cup {i} here") for i in range(8)]
    QwenJudge(vlm, prompt=PromptConfig(order="video-then-text")).score(queries)
    trunk, branches = lengths
    assert branches < 7 * trunk / 8


@pytest.mark.parametrize("order", ORDERS)
def test_a_curve_gives_what_scoring_each_prefix_gives(any_vlm, order):
    fixed = variant(any_vlm, budget_frames=8)
    judge = QwenJudge(fixed, prompt=PromptConfig(order=order))
    query = Query(sample_of(np.random.default_rng(6), 7, (96, 64)), "open the drawer")
    curve = judge.curve(query)
    prefixes = [Query(query.sample.take(tuple(range(n))), query.task) for n in range(1, 8)]
    assert distance(curve, judge.score(prefixes)) < 1e-3
    assert [len(v.frames.indices) for v in curve] == list(range(1, 8))
    anchors = judge.curve(query, [2, 7])
    assert distance(anchors, [curve[1], curve[6]]) < 1e-3


def test_a_curve_looks_at_every_frame_once(vlm, monkeypatch):
    num = []
    see = engines.Engine.see
    monkeypatch.setattr(
        engines.Engine,
        "see",
        lambda self, pixels, grids: num.append(len(pixels)) or see(self, pixels, grids),
    )
    query = Query(sample_of(np.random.default_rng(7), 12, (64, 64)), "open the drawer")
    QwenJudge(vlm).curve(query, [2, 4, 6, 8, 10, 12])
    assert sum(num) == 6


def test_an_anchor_outside_the_video_is_refused(vlm):
    query = Query(sample_of(np.random.default_rng(8), 4, (64, 64)), "open the drawer")
    with pytest.raises(UsageError, match="from 1 to 4, got 5"):
        QwenJudge(vlm).curve(query, [5])


def test_a_batch_that_is_too_large_is_halved_and_only_what_never_fits_fails(vlm, monkeypatch):
    forward = engines.Engine._forward

    def small(self, rows, *rest):
        if len(rows) > 2 or any(len(row.ids) > 400 for row in rows):
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.")
        return forward(self, rows, *rest)

    queries = queries_of(5, seed=9)
    usual = QwenJudge(vlm).score(queries)
    monkeypatch.setattr(engines.Engine, "_forward", small)
    long = Query(queries[0].sample, "lift " * 390)
    verdicts = QwenJudge(vlm).score([*queries, long])
    assert distance(verdicts[:5], usual) < 2e-5
    assert verdicts[5].status == "failed"
    assert "Out of memory on" in verdicts[5].reason


def test_another_error_is_not_taken_for_memory(vlm, monkeypatch):
    def broken(*_args):
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(engines.Engine, "_forward", broken)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        QwenJudge(vlm).score(queries_of(2))


def test_a_budget_of_tokens_changes_no_answer(vlm):
    queries = queries_of(12, seed=10)
    tight = QwenJudge(variant(vlm, batch_tokens=700)).score(queries)
    assert distance(tight, QwenJudge(vlm).score(queries)) < 2e-5


def test_numbers_that_are_none_are_a_failure(vlm, monkeypatch):
    read = engines.Engine._read
    monkeypatch.setattr(
        engines.Engine, "_read", lambda self, *rest: [x * float("nan") for x in read(self, *rest)]
    )
    (verdict,) = QwenJudge(vlm).score(queries_of(1))
    assert verdict.status == "failed"
    assert "NaN" in verdict.reason


def test_choices_of_several_tokens_get_the_probability_of_their_first_tokens_in_a_row(vlm):
    query = queries_of(1)[0]
    base = QwenJudge(vlm).ask_of(query)
    choices = (" 4", "4", " 4 of them", "Yes", " is not sure", " is")
    (reply,) = vlm.ask(
        [Ask(base.parts, prefix="ANSWER:", choices=choices, is_text_wanted=False)], Decoding()
    )
    for choice, found in zip(choices, reply.choice_logprobs, strict=True):
        expected, before = 0.0, "ANSWER:"
        ids = vlm.layouts.encode(choice)
        for i, token in enumerate(ids):
            layout = vlm.layouts.lay_out(Ask(base.parts, prefix="ANSWER:"))
            row = vlm.engine.row(layout, ids[:i], [token])
            patches = {p: c for c in layout.clips for p in c.patches}
            with torch.inference_mode():
                pixels = vlm._pixels(
                    vlms._Batch([vlms._Job(0, base, layout, vlm._plan(()), ())], False),
                    list(patches),
                )
                sights = vlm.engine.see(pixels, {p: c.grid for p, c in patches.items()})
                expected += float(vlm.engine.run([row], sights)[0][-1, 0])
        assert found == pytest.approx(expected, abs=1e-4), (choice, before)


def test_samples_depend_on_the_seed_and_not_on_the_company(vlm):
    queries = queries_of(3, seed=11)
    asks = [Ask(QwenJudge(vlm).ask_of(query).parts, prefix="ANSWER:") for query in queries]
    hot = Decoding(temperature=3.0, num_samples=4, max_new_tokens=6, seed=1)
    together = [reply.texts for reply in vlm.ask(asks, hot)]
    assert [vlm.ask([ask], hot)[0].texts for ask in asks] == together
    assert all(len(texts) == 4 for texts in together)
    other = vlm.ask(asks, hot.model_copy(update={"seed": 2}))
    assert [reply.texts for reply in other] != together


def test_an_answer_that_is_cut_says_so_and_tokens_carry_their_rivals(vlm):
    ask = Ask(QwenJudge(vlm).ask_of(queries_of(1)[0]).parts)
    (reply,) = vlm.ask([ask], Decoding(max_new_tokens=2))
    assert reply.status == "truncated"
    assert len(reply.tokens) == 2
    best = max(reply.tokens[0].alternatives, key=reply.tokens[0].alternatives.__getitem__)
    assert best == reply.tokens[0].text
    assert reply.usage.output_tokens == 2


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_an_adapter_changes_answers_and_revision(vlm, tiny_qwen, tmp_path):
    peft = pytest.importorskip("peft")
    model = copy.deepcopy(vlm.engine.model)
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    torch.manual_seed(0)
    peft.get_peft_model(model, config).save_pretrained(tmp_path / "adapter")
    adapted = load_qwen(str(tiny_qwen), config=QwenConfig(adapter=str(tmp_path / "adapter")))
    assert "adapter-" in adapted.revision
    queries = queries_of(3, seed=12)
    changed, usual = QwenJudge(adapted).score(queries), QwenJudge(vlm).score(queries)
    assert distance(changed, usual) > 1e-6
    (tmp_path / "adapter" / "adapter_config.json").write_text(
        (tmp_path / "adapter" / "adapter_config.json").read_text().replace('"r": 2', '"r": 3')
    )
    with pytest.raises(UsageError, match=r"does not fit .* trained on another model"):
        load_qwen(str(tiny_qwen), config=QwenConfig(adapter=str(tmp_path / "adapter")))


def test_settings_that_change_numbers_stand_in_the_revision(vlm, tiny_qwen):
    other = load_qwen(str(tiny_qwen), config=QwenConfig(attention="eager", batch_tokens=99_999))
    assert other.revision == f"{vlm.revision}+attention=eager"
    assert (
        distance(QwenJudge(other).score(queries_of(3)), QwenJudge(vlm).score(queries_of(3))) < 1e-4
    )


def test_an_adapter_with_parts_that_are_not_there_is_refused(tiny_qwen, tmp_path):
    from safetensors.torch import save_file

    part = "base_model.model.model.language_model.layers.9.self_attn.q_proj"
    save_file({f"{part}.lora_A.weight": torch.zeros(2, 64)}, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UsageError, match=r"there is no model\.language_model\.layers\.9"):
        load_qwen(str(tiny_qwen), config=QwenConfig(adapter=str(tmp_path)))


def test_what_is_not_an_adapter_is_refused(tiny_qwen, tmp_path):
    with pytest.raises(UsageError, match="no LoRA adapter"):
        load_qwen(str(tiny_qwen), config=QwenConfig(adapter=str(tmp_path)))


def test_an_adapter_of_another_named_model_is_refused(tmp_path):
    from roboreward.models.qwen.loading import _check_base

    file = tmp_path / "adapter_config.json"
    file.write_text(json.dumps({"base_model_name_or_path": "Qwen/Qwen3-VL-8B-Instruct"}))
    _check_base(file, SimpleNamespace(name="Qwen/Qwen3-VL-8B-Instruct@main"))
    with pytest.raises(UsageError, match=r"trained on Qwen/Qwen3-VL-8B-Instruct, not on teetone"):
        _check_base(file, SimpleNamespace(name="teetone/RoboReward-8B"))


@pytest.mark.parametrize(
    "setting", [{"device": "cuda:7"}, {"quantization": "4bit"}, {"attention": "flash_attention_2"}]
)
def test_what_this_machine_cannot_do_is_said_before_weights_are_loaded(
    tiny_qwen, setting, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"no device cuda:7|not installed"):
        load_qwen(str(tiny_qwen), config=QwenConfig(**setting))


@pytest.mark.parametrize("is_allowed", [False, True])
def test_only_with_permission_is_the_hub_asked(tiny_qwen, monkeypatch, is_allowed):
    asked = []

    def cached_file(repo, file, *, revision, local_files_only, **_rest):
        asked.append((repo, revision, file, local_files_only))
        found = tiny_qwen / file
        return str(found) if found.is_file() else None

    monkeypatch.setattr(loading, "cached_file", cached_file)
    config = QwenConfig(allow_download=is_allowed)
    assert loading.find_folder("some/model@abc", config) == tiny_qwen
    assert {(repo, revision) for repo, revision, *_ in asked} == {("some/model", "abc")}
    assert {local for *_, local in asked} == {not is_allowed}
    files = [file for _, _, file, _ in asked]
    assert ("model.safetensors" in files) == is_allowed


def test_a_model_without_a_copy_is_not_fetched():
    with pytest.raises(UsageError, match="nothing is downloaded unasked"):
        load_model("nobody/has-this-model")


def test_weights_without_a_part_are_refused(tiny_qwen, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "partial"
    shutil.copytree(tiny_qwen, folder)
    weights = load_file(folder / "model.safetensors")
    del weights["model.language_model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError, match=r"lack 1 of the parts .*up_proj"):
        load_qwen(str(folder))
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "qwen3_vl"


def test_all_names_of_a_model_share_one_copy_of_its_weights(tiny_qwen, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(tiny_qwen, folder)
    uris = (f"qwen:{folder}", f"verifier:{folder}", f"floor:frozen:topreward:qwen:{folder}/.")
    models = [load_model(uri) for uri in uris]
    judges = [getattr(model, "inner", model) for model in models]
    held = {id(judge.vlm.engine.model) for judge in judges}
    assert len(held) == 1
    assert [model.name for model in models] == list(uris)
    other = load_qwen(str(folder), config=QwenConfig(attention="eager"))
    assert id(other.engine.model) not in held
    os.utime(folder / "model.safetensors", (1, 1))
    assert id(load_qwen(str(folder)).engine.model) not in held


def test_weights_that_nobody_holds_are_let_go(tiny_qwen):
    config = QwenConfig(batch_tokens=1234)
    watched = weakref.ref(load_qwen(str(tiny_qwen), config=config)._parts)
    gc.collect()
    assert watched() is None


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried"),
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("when", ["read", "moved"])
def test_memory_that_does_not_do_for_the_weights_is_named(tiny_qwen, monkeypatch, error, when):
    def fail(*_args, **_options):
        raise error

    kind = loading._CLASSES["qwen3_vl"]
    monkeypatch.setattr(kind, *(("from_pretrained", fail) if when == "read" else ("to", fail)))
    with pytest.raises(UsageError, match=r"weights in .*: there is not enough memory.*4bit"):
        load_qwen(str(tiny_qwen), config=QwenConfig(batch_tokens=4321))


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for x in %}", r"chat_template.jinja cannot be loaded: TemplateSyntaxError"),
        ("{{ messages[7].role.x }}", r"chat_template.jinja cannot be loaded: UndefinedError"),
        ("{{ 1 / 0 }}", r"chat_template.jinja cannot be loaded: ZeroDivisionError"),
        ("{{ messages[0].role }}", r"chat_template.jinja shows 0 videos of 1"),
        ("<|video_pad|>", r"chat_template.jinja does not show the texts"),
    ],
)
def test_a_template_that_cannot_be_used_is_known_at_once(tiny_qwen, tmp_path, template, message):
    folder = tmp_path / "mine"
    shutil.copytree(tiny_qwen, folder)
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(UsageError, match=message):
        load_qwen(str(folder))


@pytest.mark.parametrize(
    ("file", "changes", "what"),
    [
        ("tokenizer.json", {"model": {"vocab": {"a": 0}}}, "tokenizer"),
        ("tokenizer.json", {"model": {"type": "Nonsense", "vocab": {"a": 0}}}, "tokenizer"),
        ("tokenizer_config.json", {"tokenizer_class": 7}, "tokenizer"),
        ("config.json", {"vision_config": {"depth": "two"}}, r"config.json cannot.*depth"),
        ("config.json", {"text_config": {"rope_parameters": 5}}, r"config.json cannot.*rope"),
        ("config.json", {"text_config": {"num_attention_heads": 4.5}}, "config.json"),
    ],
)
def test_damage_that_only_a_library_finds_is_named_too(tiny_qwen, tmp_path, file, changes, what):
    folder = tmp_path / "mine"
    shutil.copytree(tiny_qwen, folder)
    content = json.loads((folder / file).read_text())
    for key, value in changes.items():
        is_part = isinstance(value, dict) and key != "model"
        content[key] = {**content[key], **value} if is_part else value
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(UsageError, match=what):
        load_qwen(str(folder))
