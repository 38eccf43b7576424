"""What git and terminals are configured to changes nothing that a stage depends on, and ends no command."""

from pathlib import Path

import pytest

from tests.clone import Clone


@pytest.mark.parametrize("setting", ["core.autocrlf=true", "core.autocrlf=input", "core.eol=crlf"])
def test_line_ends_are_those_of_the_repository(finished: Clone, tmp_path: Path, setting: str) -> None:
    """Another ending would be another code to every stage, so that all runs would train again."""
    done = finished.call("git", "-c", setting, "checkout-index", "--all", f"--prefix={tmp_path}/")
    assert done.returncode == 0, done.stderr
    texts = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(texts) > 500
    assert [
        path for path in texts if path.read_bytes() != (finished.folder / path.relative_to(tmp_path)).read_bytes()
    ] == []
