"""Where things are kept when nobody says where. Only this room reads the environment."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder of what can be made again: ROBOREWARD_CACHE, else the user's cache folder."""
    if own := os.environ.get("ROBOREWARD_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "roboreward"
