"""Durable bits: files that are whole or absent, lines that survive a kill, one writer a folder."""

from roboreward.store.atomic import sha256_file, write_atomic, write_json
from roboreward.store.engine import run_in_order
from roboreward.store.environment import commit_of, environment
from roboreward.store.failure import cannot_write
from roboreward.store.jsonl import MAX_LINE_BYTES, JsonlWriter, read_jsonl
from roboreward.store.ledger import Ledger, LedgerEntry
from roboreward.store.lock import lock_folder
from roboreward.store.ray_engine import Engine, run_on, run_on_ray
from roboreward.store.recipe import read_recipe_file

__all__ = [
    "Engine",
    "JsonlWriter",
    "Ledger",
    "LedgerEntry",
    "MAX_LINE_BYTES",
    "cannot_write",
    "commit_of",
    "environment",
    "lock_folder",
    "read_jsonl",
    "read_recipe_file",
    "run_in_order",
    "run_on",
    "run_on_ray",
    "sha256_file",
    "write_atomic",
    "write_json",
]
