"""One file that opens anywhere, asks no network, and runs nothing but our own script.

The page's policy names the digests of the one style sheet and the one script. Anything else in it that could run or
style, inline attributes included, is inert.
"""

import base64
import hashlib
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from roboreward.store import write_atomic


def write_page(path: Path, *, title: str, body_html: str) -> Path:
    """Write a self-contained page with the style, the script and the policy that all our pages share.

    Args:
        path: The file to write, atomically.
        title: The document's title; plain text.
        body_html: Trusted markup. Style attributes and scripts in it do not take effect; pictures must be data URIs.

    Returns:
        `path`.

    Raises:
        StoreError: The file cannot be written.
    """
    write_atomic(Path(path), _page(title, body_html))
    return Path(path)


def _page(title: str, body: str) -> str:
    here = files("roboreward.pages") / "page"
    style, script = ((here / name).read_text("utf-8") for name in ("page.css", "page.js"))
    policy = (
        f"default-src 'none'; img-src data:; media-src data:; style-src '{_digest(style)}'; "
        f"script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
    )
    template = Template((here / "page.html").read_text("utf-8"))
    return template.substitute(
        title=escape(title), policy=policy, style=style, script=script, body=body
    )


def _digest(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode("ascii")
