"""Demonstrations as arrays: successes, with every question that the simulator can answer."""

from pathlib import Path

import numpy as np
import pytest

from roboreward.dataset import (
    DemoTable,
    load_demos,
    save_demos,
    simulate_demos,
    simulated_words,
)
from roboreward.sim import HELD_OUT_OBJECTS, HELD_OUT_RECEPTACLES


@pytest.fixture(scope="module")
def table() -> DemoTable:
    return simulate_demos(6, num_workers=1)


def test_every_demonstration_is_a_success_with_five_for_its_own_task(table: DemoTable) -> None:
    own = table.ask_origin == 0
    assert own.sum() == 6
    assert (table.ask_score[own] == 5).all()
    assert (table.ask_t[own] == table.frames.shape[1] - 1).all()


def test_each_success_has_the_four_published_clips(table: DemoTable) -> None:
    clips = table.ask_origin == 1
    assert clips.sum() == 4 * 6
    assert sorted(set(table.ask_t[clips])) == [1, 2, 4, 5]  # 10, 30, 50, 70 % of frames 0..7
    assert not table.ask_agrees[clips].all()


def test_all_other_tasks_of_the_scene_are_scored_too(table: DemoTable) -> None:
    relabels = table.ask_origin == 2
    assert relabels.sum() == len(table.task_demo) - 6
    assert len(set(table.ask_score[relabels])) > 1


def test_held_out_combinations_are_in_no_scene_and_in_no_text(table: DemoTable) -> None:
    held_out = {" ".join(look) for look in HELD_OUT_OBJECTS | HELD_OUT_RECEPTACLES}
    assert not held_out & {name for names in table.names for name in names}
    texts = " / ".join(text for texts in table.task_texts for text in texts)
    assert not any(name in texts for name in held_out)


def test_places_in_the_picture_are_where_the_colours_are(table: DemoTable) -> None:
    size = table.frames.shape[2]
    hits = []
    for demo, names in enumerate(table.names):
        for thing in range(4):
            if not names[thing].startswith("red"):
                continue
            u, v = np.rint((table.uv[demo, 0, thing] + 1) / 2 * size - 0.5).astype(int)
            r, g, b = table.frames[demo, 0, v, u].astype(int)
            hits.append(r > 1.8 * g and r > 1.8 * b)
    assert len(hits) >= 2
    assert all(hits)


def test_a_table_survives_the_disk_and_half_a_table_is_none(
    table: DemoTable, tmp_path: Path
) -> None:
    save_demos(tmp_path, table)
    back = load_demos(tmp_path)
    assert back is not None
    assert (back.frames == table.frames).all()
    assert back.task_texts == table.task_texts
    (tmp_path / "DONE").unlink()
    assert load_demos(tmp_path) is None


def test_every_word_of_every_text_is_in_the_vocabulary(table: DemoTable) -> None:
    words = {word for texts in table.task_texts for text in texts for word in text.split()}
    assert words <= set(simulated_words())
