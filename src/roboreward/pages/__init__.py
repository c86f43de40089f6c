"""What every report page is made of: one self-contained file, its style, strips of frames, curves."""

from roboreward.pages.bars import BarRow, column_chart, stacked_bars
from roboreward.pages.curves import Series, line_chart
from roboreward.pages.dots import DotRow, dot_plot
from roboreward.pages.markup import page_header, section, strip_markup, text
from roboreward.pages.page import write_page
from roboreward.pages.svg import TONES, Tone, svg

__all__ = [
    "BarRow",
    "DotRow",
    "Series",
    "TONES",
    "Tone",
    "column_chart",
    "dot_plot",
    "line_chart",
    "page_header",
    "section",
    "stacked_bars",
    "strip_markup",
    "svg",
    "text",
    "write_page",
]
