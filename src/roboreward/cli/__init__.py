"""Argument parsing and printing: the only room that reads argv and the environment."""

from roboreward.cli.app import main

__all__ = ["main"]
