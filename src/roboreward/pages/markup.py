"""The pieces that every page has: untrusted text, sections, the header with its key numbers, strips of pictures."""

import base64
from collections.abc import Sequence
from html import escape


def text(value: str) -> str:
    """Return untrusted text as markup that shows it and cannot do anything else, nor turn the text around it."""
    return f"<bdi>{escape(value)}</bdi>"


def section(name: str, body_html: str) -> str:
    """Return trusted markup as a section that can be linked to by `name`."""
    return f'<section id="{escape(name)}">{body_html}</section>'


def page_header(
    title: str,
    *,
    over: str,
    headline: str,
    facts_html: str,
    tiles: Sequence[tuple[str, str, str]],
    tiles_label: str,
) -> str:
    """Return the top of a page: a line above the title, the title, the result in words, facts, and key numbers.

    Args:
        title: Heading; plain text.
        over: What kind of page this is; plain text.
        headline: The result in one or two sentences; plain text.
        facts_html: What the result rests on; trusted markup.
        tiles: Key numbers as (name, value, what stands below the value); plain text.
        tiles_label: What the key numbers are of, for those who do not see the page; plain text.
    """
    cells = "".join(
        f'<div class="tile"><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(under)}</small></dd></div>'
        for name, value, under in tiles
    )
    return (
        f'<header><p class="over">{escape(over)}</p><h1>{text(title)}</h1>'
        f'<p class="headline">{text(headline)}</p><p class="facts">{facts_html}</p>'
        f'<dl class="tiles" aria-label="{escape(tiles_label)}">{cells}</dl></header>'
    )


def strip_markup(pictures: Sequence[bytes | None], *, times_s: Sequence[float] = ()) -> str:
    """Return encoded pictures (JPEG or PNG) as a row of data URIs, with their times below when given.

    A picture that is None was to be had and is not there: its place says so.
    """
    parts = []
    for place, data in enumerate(pictures):
        name = f"frame {place + 1} of {len(pictures)}"
        time = f"<figcaption>{times_s[place]:.1f} s</figcaption>" if place < len(times_s) else ""
        parts.append(f"<figure>{_picture(data, name)}{time}</figure>")
    return f'<div class="strip">{"".join(parts)}</div>'


def _picture(data: bytes | None, name: str) -> str:
    if data is None:
        return f'<p class="gone">{name} is missing</p>'
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    uri = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return f'<img src="{uri}" alt="{name}">'
