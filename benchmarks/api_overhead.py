"""What our code costs around a model behind an API, beside the model itself.

    OMP_NUM_THREADS=1 python benchmarks/api_overhead.py [--queries 400]

Four stages, each with 8 frames of 224 x 224 a question: the published prompt around a model that answers at once (no
frame is encoded); the engine around a wire that answers at once, without and with a ledger; the SDK alone against the
fake provider on loopback, and all of our code with it; and how many questions a second go through 16 calls at once to a
provider that takes 50 ms. Best of five. Needs the extra `api` for the last two.
"""

import argparse
import json
import multiprocessing
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from roboreward.core import FrameSample, Query
from roboreward.models import ApiSettings, ApiVlm, load_model, use_api
from roboreward.models.api_answers import Answer
from roboreward.models.asking import Ask, Decoding, Reply
from roboreward.models.rubric_judge import RubricJudge
from roboreward.store import Ledger
from roboreward.testing import FakeProvider

NUM_REPEATS = 5


class AtOnce:
    """A model that costs nothing."""

    name, revision, has_logprobs = "at-once", "1", False

    def ask(self, asks: Sequence[Ask], decoding: Decoding) -> list[Reply]:
        return [Reply("ok", ("ANSWER: 4",)) for _ in asks]


class WireAtOnce:
    """A provider that costs nothing."""

    provider, model, address, has_logprobs, secrets = "none", "m", "nowhere", False, ()

    def facts(self) -> dict[str, str]:
        return {}

    def send(self, ask: Ask, decoding: Decoding, *, sample: int, timeout_s: float) -> Answer:
        return Answer("ok", text="ANSWER: 4", input_tokens=1, output_tokens=1)

    def adapt(self, error: BaseException) -> bool:
        return False


def each_ms(work: Callable[[], object], num: int) -> float:
    """Return the milliseconds of one of `num` questions, best of several."""
    best = float("inf")
    for _ in range(NUM_REPEATS):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best / num * 1e3


def around_nothing(queries: Sequence[Query]) -> None:
    num = len(queries)
    judge = RubricJudge(AtOnce())
    print(
        f"published prompt, model at once      {each_ms(lambda: judge.score(queries), num):7.3f} ms a question"
    )
    settings = ApiSettings()
    vlm = ApiVlm(WireAtOnce(), settings, name="m", revision="1")
    judge = RubricJudge(vlm)
    print(
        f"... and the engine of APIs           {each_ms(lambda: judge.score(queries), num):7.3f} ms a question"
    )
    with tempfile.TemporaryDirectory() as folder:

        def with_ledger() -> None:
            with Ledger(Path(folder) / f"{time.perf_counter_ns()}.sqlite3") as ledger:
                vlm = ApiVlm(WireAtOnce(), settings, name="m", revision="1", ledger=ledger)
                RubricJudge(vlm).score(queries)

        kept = Ledger(Path(folder) / "kept.sqlite3")
        stored = RubricJudge(ApiVlm(WireAtOnce(), settings, name="m", revision="1", ledger=kept))
        stored.score(queries)
        print(
            f"... each answer forced to disk       {each_ms(with_ledger, num):7.3f} ms a question"
        )
        print(
            f"... each answer from the ledger      {each_ms(lambda: stored.score(queries), num):7.3f} ms a question"
        )
        kept.close()


def serve(pipe: Connection, latency_s: float) -> None:
    with FakeProvider(latency_s=latency_s) as fake:
        pipe.send(fake.url)
        pipe.recv()


@contextmanager
def judge_at(latency_s: float, *, max_concurrency: int) -> Iterator[RubricJudge]:
    """A model of the fake provider, which runs in a process of its own."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there, latency_s))
    process.start()
    settings = ApiSettings(
        base_urls={"openai": f"{here.recv()}/v1"}, max_concurrency=max_concurrency
    )
    with use_api(settings):
        yield load_model("openai:m")
    here.send("enough")
    process.join()


def around_a_server(queries: Sequence[Query]) -> None:
    num = len(queries)
    with judge_at(0.0, max_concurrency=1) as judge:
        wire, ask = judge.vlm.wire, judge.ask_of(queries[0])
        messages = [{"role": "user", "content": wire._content(ask)}]
        send = lambda: wire.client.chat.completions.create(model="m", messages=messages)  # noqa: E731
        bare = each_ms(lambda: [send() for _ in range(num)], num)
        ours = each_ms(lambda: judge.score(queries), num)
        encode = each_ms(lambda: [wire._content(ask) for _ in range(num)], num)
    size_kb = len(json.dumps(messages)) / 1e3
    print(f"SDK alone, loopback, 1 at once       {bare:7.3f} ms a call of {size_kb:.0f} kB")
    print(f"all of our code, the same            {ours:7.3f} ms a call")
    print(f"  of which frames to JPEG            {encode:7.3f} ms a call")
    print(f"  of which all else of ours          {ours - bare - encode:7.3f} ms a call")
    with judge_at(0.05, max_concurrency=16) as judge:
        judge.score(queries)  # the gate opens
        rate = 1e3 / each_ms(lambda: judge.score(queries), num)
        print(f"16 at once, 50 ms each               {rate:7.1f} questions a second (at most 320)")


def smooth_queries(num: int) -> list[Query]:
    """Questions about frames that compress like those of a camera, and not like noise."""
    rise = np.linspace(0, 255, 224)
    frame_HWC = np.stack([np.add.outer(rise, rise) / 2, *np.meshgrid(rise, rise)], axis=-1)
    frames_THWC = np.stack([np.roll(frame_HWC, 20 * t, axis=1) for t in range(8)]).astype(np.uint8)
    return [
        Query(FrameSample.from_array(frames_THWC), f"lift the block number {i}") for i in range(num)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=400)
    num = parser.parse_args().queries
    queries = smooth_queries(num)
    versions = [f"Python {platform.python_version()}"]
    has_sdk = find_spec("openai") is not None
    versions += [f"openai {metadata.version('openai')}"] if has_sdk else []
    print(f"{platform.machine()}, {os.cpu_count()} cores, {', '.join(versions)}; {num} questions")
    around_nothing(queries)
    if has_sdk:
        around_a_server(queries[: num // 4])


if __name__ == "__main__":
    main()
