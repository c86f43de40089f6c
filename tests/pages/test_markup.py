"""Pieces of pages: untrusted text stays text, pictures are inside the page."""

import base64

from roboreward.pages import page_header, section, strip_markup, text

JPEG = b"\xff\xd8\xff\xe0rest"
PNG = b"\x89PNG\r\n\x1a\nrest"
HOSTILE = '"><script>alert(1)</script>\u202e'


def test_untrusted_text_is_escaped_and_isolated() -> None:
    assert text(HOSTILE) == "<bdi>&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\u202e</bdi>"


def test_pictures_are_data_of_their_own_kind_with_their_times() -> None:
    strip = strip_markup([JPEG, PNG], times_s=[0.0, 1.25])
    assert f"data:image/jpeg;base64,{base64.b64encode(JPEG).decode()}" in strip
    assert f"data:image/png;base64,{base64.b64encode(PNG).decode()}" in strip
    assert "<figcaption>1.2 s</figcaption>" in strip
    assert 'alt="frame 2 of 2"' in strip


def test_a_picture_that_is_gone_leaves_a_note_in_its_place() -> None:
    strip = strip_markup([JPEG, None, JPEG])
    assert strip.count("<figure>") == 3
    assert strip.count("<img") == 2
    assert "frame 2 of 3 is missing" in strip


def test_the_header_shows_hostile_words_and_numbers_as_text() -> None:
    header = page_header(
        HOSTILE,
        over=HOSTILE,
        headline=HOSTILE,
        facts_html="<b>facts</b>",
        tiles=[(HOSTILE, "<1 %", HOSTILE)],
        tiles_label=HOSTILE,
    )
    assert "<script" not in header
    assert "<b>facts</b>" in header
    assert "<dd>&lt;1 %<small>" in header


def test_a_section_can_be_linked_to() -> None:
    assert section("a-b", "<p>x</p>") == '<section id="a-b"><p>x</p></section>'
