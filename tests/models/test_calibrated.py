"""A model behind its calibration keeps the contract, and takes no other model's calibration."""

import json
from pathlib import Path

import pytest

from roboreward.core import ENDS_ONLY, FramePolicy, UsageError, Verdict, curve_of, prefixes_of
from roboreward.models import (
    AbstainBand,
    Calibrated,
    Calibration,
    Conformal,
    Isotonic,
    home_of,
    load_model,
    load_nano,
    read_calibration,
)
from roboreward.testing import check_reward_model, synthetic_queries


class Sure:
    """Gives a distribution for every sensible task."""

    name, revision = "sure", "r1"
    frame_policy = ENDS_ONLY
    capabilities = frozenset({"distribution"})

    def score(self, queries):
        return [self.one(query) for query in queries]

    def one(self, query):
        facts = {"model": self.name, "revision": self.revision, "frames": query.sample.record}
        if not 0 < len(query.task) <= 2000:
            return Verdict.without_score("failed", "bad task").model_copy(update=facts)
        probs = [0.05, 0.05, 0.1, 0.2, 0.6]
        turn = len(query.task) % 5
        verdict = Verdict.from_probs(tuple(probs[turn:] + probs[:turn]), source="head")
        return verdict.model_copy(update=facts)


def calibration(**changes):
    fields = {
        "model": "sure",
        "revision": "r1",
        "frame_policy": ENDS_ONLY,
        "set_name": "val",
        "set_hash": "h",
        "num_rows": 50,
        "num_groups": 40,
        "temperature": 1.5,
        "isotonic": Isotonic(x=(0.5,), y=(0.5,)),
        "conformal": Conformal(coverage=0.9, limit=0.8),
        "package_version": "0",
    }
    return Calibration(**(fields | changes))


def test_a_calibrated_model_keeps_the_contract():
    check_reward_model(Calibrated(Sure(), calibration()))
    band = AbstainBand(max_expected_error=0.5, kept_frac=0.5)
    check_reward_model(Calibrated(Sure(), calibration(abstain=band)))


def test_scores_are_those_of_the_inner_model_and_the_revision_is_another():
    queries = synthetic_queries(4, num_frames=2)
    model = Calibrated(Sure(), calibration())
    before, after = Sure().score(queries), model.score(queries)
    assert [v.score for v in after] == [v.score for v in before]
    assert all(v.probs != w.probs for v, w in zip(before, after, strict=True))
    assert {(v.model, v.revision) for v in after} == {("calibrated:sure", model.revision)}
    assert model.revision.startswith("r1+cal-")
    assert model.revision != Calibrated(Sure(), calibration(temperature=1.6)).revision


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"model": "other"}, "is of other, not of sure"),
        ({"revision": "r0"}, "revision r0, the model has r1"),
        ({"frame_policy": FramePolicy()}, "frame policy"),
    ],
)
def test_the_calibration_of_something_else_is_refused(change, complaint):
    with pytest.raises(UsageError, match=complaint):
        Calibrated(Sure(), calibration(**change))


@pytest.mark.usefixtures("needs_nano")
def test_the_shipped_calibration_belongs_to_the_shipped_nano():
    model = load_model("calibrated:nano")
    assert model.revision.startswith(f"{load_nano().revision}+cal-")
    assert not model.calibration.set_name.startswith("sim-test")
    assert model.calibration.abstain is None


@pytest.mark.usefixtures("needs_nano")
def test_a_nano_in_a_folder_may_be_moved_with_its_calibration(tmp_path: Path):
    home = Path(load_model.__code__.co_filename).parent / "weights"
    for folder in (tmp_path / "before", tmp_path / "after"):
        folder.mkdir()
        for name in ("nano.json", "nano.safetensors"):
            (folder / name).write_bytes((home / name).read_bytes())
    known = read_calibration(home).model_copy(update={"model": f"nano:{tmp_path / 'before'}"})
    text = json.dumps(known.model_dump(mode="json"))
    (tmp_path / "after" / "calibration.json").write_text(text)
    by_model = load_model(f"calibrated:nano:{tmp_path / 'after'}")
    by_file = load_model(
        f"calibrated:{tmp_path / 'after' / 'calibration.json'}:nano:{tmp_path / 'after'}"
    )
    assert by_model.revision == by_file.revision
    with pytest.raises(UsageError, match="not of nano"):
        load_model(f"calibrated:{tmp_path / 'after'}:nano")


@pytest.mark.parametrize(
    ("uri", "complaint"),
    [
        ("calibrated:", "names no model"),
        ("calibrated:mock:4", "no calibration beside mock:4"),
        ("calibrated:./nowhere/calibration.json:nano", "There is no nowhere/calibration.json"),
        ("calibrated:calibrated:nano", "calibrated already"),
    ],
)
def test_an_incomplete_name_says_what_is_missing(uri, complaint):
    with pytest.raises(UsageError, match=complaint):
        load_model(uri)


def test_settings_in_a_name_leave_it_the_same_model(tmp_path):
    """Those that change a number stand in the revision."""

    class Local(Sure):
        def __init__(self, name, revision="r1"):
            self.name, self.revision = name, revision

    known = calibration(model="some/model")
    Calibrated(Local("some/model?device=cpu"), known)
    Calibrated(Local("qwen:some/model?device=cpu"), calibration(model="qwen:some/model"))
    with pytest.raises(UsageError, match="revision r1"):
        Calibrated(Local("some/model?dtype=float32", "r1+dtype=float32"), known)
    with pytest.raises(UsageError, match="is of some/model, not of some/other"):
        Calibrated(Local("some/other?device=cpu"), known)
    assert home_of(f"qwen:{tmp_path}?device=cpu") == tmp_path


class SureAlong(Sure):
    capabilities = frozenset({"distribution", "dense"})

    def curve(self, query, anchors=None):
        return [self.one(prefix) for prefix in prefixes_of(query, anchors)]


def test_a_curve_is_calibrated_too():
    model = Calibrated(SureAlong(), calibration())
    check_reward_model(model)
    (query,) = synthetic_queries(1, num_frames=2)
    assert model.curve(query, [2]) == model.score([query])
    assert "dense" not in Calibrated(Sure(), calibration()).capabilities
    assert curve_of(Calibrated(Sure(), calibration()), query, [2]) == model.curve(query, [2])
