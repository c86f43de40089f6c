"""From the command line to a table: three providers in one command."""

import json
import re

import pytest
from click.testing import CliRunner

from roboreward.bench import load_runs
from roboreward.cli import main
from roboreward.testing import FakeProvider, Fault, fake_key

for _module in ("openai", "google.genai", "anthropic"):
    pytest.importorskip(_module, reason="needs the api extra")
pytestmark = pytest.mark.api

MODELS = ("openai:gpt-5-mini", "gemini:gemini-2.5-flash", "anthropic:claude-haiku-4-5")
PRICES = "version = 'test-1'\n" + "".join(
    f"[[price]]\nprovider = '{scheme} server'\nmodel = '{model}'\ninput_usd = 1.0\noutput_usd = 1.0\n"
    "date = '2026-01'\nsource = 'made up for a test of ours'\n"
    for scheme, _, model in (uri.partition(":") for uri in MODELS)
)


@pytest.fixture
def fake(monkeypatch, tmp_path):
    with FakeProvider(probs={"3": 0.2, "4": 0.8}) as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", provider.url)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url)
        monkeypatch.setenv("ROBOREWARD_CACHE", str(tmp_path / "cache"))
        for scheme in ("openai", "gemini", "anthropic"):
            monkeypatch.setenv(f"{scheme.upper()}_API_KEY", fake_key(scheme))
        monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
        (tmp_path / "prices.toml").write_text(PRICES)
        yield provider


def bench(folder, out, *options, models=MODELS):
    chosen = [word for model in models for word in ("--model", model)]
    words = ["bench", "run", "--set", str(folder), "--out", str(out), "--no-floors"]
    return CliRunner().invoke(main, [*words, *chosen, *options])


def test_three_providers_stand_in_one_table_and_are_paid_once(fake, make_set, tmp_path):
    folder, out = make_set(10), tmp_path / "runs"
    done = bench(folder, out, "--json", "--prices", str(tmp_path / "prices.toml"))
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)["sets"]
    assert sorted(run["model"] for run in found["runs"]) == sorted(MODELS)
    assert len(found["runs"]) == 3
    assert fake.num_requests == 30
    for model in MODELS:
        assert f"{model}: 10 calls sent, 0.0101 USD." in done.stderr

    # The same again reads the runs back; elsewhere the ledger answers.
    assert bench(folder, out).exit_code == 0
    again = bench(folder, tmp_path / "elsewhere", "--json")
    assert fake.num_requests == 30
    assert f"{MODELS[0]}: 0 calls sent, 10 answers from the ledger." in again.stderr
    assert json.loads(again.stdout)["sets"][0]["comparison"] == found["comparison"]
    text = (
        done.output
        + again.output
        + "".join(
            file.read_bytes().decode("utf-8", "replace")
            for file in tmp_path.rglob("*")
            if file.is_file()
        )
    )
    assert not any(fake_key(scheme) in text for scheme in ("openai", "gemini", "anthropic"))


def test_each_record_says_who_answered_what_it_took_and_where_its_distribution_is_from(
    fake, make_set, tmp_path
):
    assert bench(make_set(4), tmp_path / "runs", "--samples", "2").exit_code == 0
    runs = {run.config.model: run for run in load_runs(tmp_path / "runs")}
    sources = {"openai": "logprobs", "gemini": "samples", "anthropic": "samples"}
    for model, run in runs.items():
        for record in run.records:
            verdict = record.verdict
            assert verdict.distribution_source == sources[model.partition(":")[0]]
            assert verdict.revision.startswith(run.config.revision)
            assert verdict.revision.endswith(f"{model.partition(':')[2]}-2026-01-01")
            assert verdict.usage.input_tokens % 1000 == 0


def test_a_limit_stops_the_sending_and_the_command_says_so(fake, make_set, tmp_path):
    options = ("--max-usd", "0.02", "--prices", str(tmp_path / "prices.toml"))
    done = bench(make_set(12), tmp_path / "runs", *options, models=MODELS[:1])
    assert done.exit_code == 1
    assert fake.num_requests < 12
    (run,) = load_runs(tmp_path / "runs")
    reasons = {r.verdict.reason for r in run.records if r.verdict.status == "failed"}
    assert reasons == {"budget: the limit of 0.02 USD is reached; the question was not sent"}


def test_a_key_that_is_refused_ends_the_command_with_one_line(fake, make_set, tmp_path):
    fake.refused_keys.add(fake_key("openai"))
    done = bench(make_set(6), tmp_path / "runs", models=MODELS[:1])
    assert done.exit_code == 2
    assert "does not accept the key" in done.stderr
    assert fake_key("openai") not in done.output


def test_score_asks_the_model_that_is_named(fake, video):
    words = ["score", str(video), "--task", "lift the block", "--model", MODELS[2], "--json"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["results"][0]["verdict"]["score"] == 4
    assert fake.num_requests == 1


def test_nothing_is_sent_unless_such_a_model_is_named(fake, video, make_set, tmp_path):
    runner = CliRunner()
    assert runner.invoke(main, ["models"]).exit_code == 0
    assert (
        runner.invoke(main, ["score", str(video), "--task", "x", "--model", "mock:4"]).exit_code
        == 0
    )
    assert bench(make_set(3), tmp_path / "runs", models=["mock:4"]).exit_code == 0
    assert fake.requests == []
    assert not (tmp_path / "cache" / "ledger.sqlite3").exists()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--base-url", "http://x"), "SCHEME=URL"),
        (("--base-url", "openal=http://x"), "SCHEME=URL"),
        (("--base-url", "openai=ftp://x"), "no address"),
        (("--base-url", "openai=http://x?api-key=SECRETQ"), "ends before"),
        (("--ledger", "a", "--no-ledger"), "exclude each other"),
        (("--max-usd", "1"), "The price of openai:gpt-5-mini is unknown"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(fake, make_set, tmp_path, option, words):
    done = bench(make_set(3), tmp_path / "runs", *option, models=MODELS[:1])
    assert done.exit_code == 2
    assert words in done.stderr
    assert "SECRETQ" not in done.output
    assert fake.requests == []


def test_the_list_says_what_is_missing(fake, monkeypatch):
    def listed():
        found = json.loads(CliRunner().invoke(main, ["models", "--json"]).stdout)
        return {m["name"]: m for m in found}

    assert listed()["gemini:<model>"]["is_usable"]
    assert listed()["vllm:<http://host:port/model>"]["is_usable"]
    monkeypatch.delenv("GEMINI_API_KEY")
    monkeypatch.delenv("GOOGLE_GEMINI_BASE_URL")
    assert listed()["gemini:<model>"]["hint"] == "needs a key: set GEMINI_API_KEY or GOOGLE_API_KEY"
    monkeypatch.setitem(__import__("sys").modules, "google.genai", None)
    assert "pip install" in listed()["gemini:<model>"]["hint"]


def test_a_run_that_holds_answers_of_several_snapshots_says_so(fake, make_set, tmp_path):
    folder = make_set(6)
    whole = bench(folder, tmp_path / "few", "--limit", "2", models=MODELS[:1])
    assert "snapshots" not in whole.stderr
    fake.snapshot = "2026-02-02"
    mixed = bench(folder, tmp_path / "all", models=MODELS[:1])
    assert mixed.exit_code == 0, mixed.output
    parts = "gpt-5-mini-2026-02-02 (4), gpt-5-mini-2026-01-01 (2)"
    assert f"{MODELS[0]}: this run holds answers of 2 snapshots: {parts}." in mixed.stderr
    again = bench(folder, tmp_path / "all", models=MODELS[:1])
    assert parts in again.stderr


def test_as_many_questions_are_handed_over_at_once_as_calls_may_be_under_way(
    fake, make_set, tmp_path
):
    folder = make_set(2)
    for name, words, size in (("a", ("--concurrency", "100"), 100), ("b", (), 32)):
        assert bench(folder, tmp_path / name, *words, models=MODELS[:1]).exit_code == 0
        (run,) = load_runs(tmp_path / name)
        assert run.config.chunk_size == size


def test_a_model_that_was_loaded_twice_is_summed_up_once(fake, make_set, tmp_path):
    models = (MODELS[0], f"floor:first-frame:{MODELS[0]}")
    done = bench(make_set(3), tmp_path / "runs", models=models)
    assert done.exit_code == 0, done.output
    assert done.stderr.count(f"{MODELS[0]}: 6 calls sent") == 1


def test_what_calls_without_an_answer_may_have_cost_is_said(fake, make_set, tmp_path):
    fake.faults = [Fault("truncated_json")]
    prices = ("--prices", str(tmp_path / "prices.toml"))
    done = bench(make_set(3), tmp_path / "runs", *prices, models=MODELS[:1])
    assert re.search(
        r"3 calls sent, 0\.0020 USD, and up to 0\.0\d+ USD for calls without", done.stderr
    )
