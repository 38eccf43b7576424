"""A small repository whose outputs DVC keeps in cache and remote, and damage as a failing disk does it."""

import os
from pathlib import Path

from tests.clone import Clone
from tests.imports import ROOT


def repository(folder: Path, pipeline: str, cache_type: str) -> Clone:
    """The stages of ``pipeline`` ran, and their outputs are pushed; the cache's file is the workspace's, or a copy."""
    clone = Clone(folder / "toy")
    clone.folder.mkdir()
    (clone.folder / "dvc.yaml").write_text(pipeline)
    for command in (
        ["git", "init", "-q"],
        ["dvc", "init", "-q"],
        ["dvc", "config", "core.analytics", "false"],
        ["dvc", "config", "cache.type", cache_type],
        ["dvc", "remote", "add", "-q", "-d", "shared", "../shared"],
        ["dvc", "repro"],
        ["dvc", "push"],
    ):
        run(clone, *command)
    return clone


def run(clone: Clone, *command: str, code: int = 0) -> str:
    """What a command prints that ends with ``code``."""
    done = clone.call(*command, PYTHONPATH=str(ROOT))
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def flip(file: Path) -> None:
    """A bit, as a failing disk does: nobody is asked for permissions, or notes the time."""
    before = file.stat()
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    with file.open("r+b") as opened:
        opened.write(content)
    file.chmod(before.st_mode)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
