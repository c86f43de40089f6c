"""Vision-language models of the Qwen family on this machine: files, frames to patches, one forward pass, answers.

Only `engine`, `loading`, `pixels` and `vlm` import torch; the rest tells what is wrong with a checkpoint without it.
"""
