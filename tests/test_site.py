"""The site of the pages, built strictly: no link leads nowhere, the listing is on it, nothing is loaded from afar."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import sedlib
from tests.imports import ROOT


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_without_a_network(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    reference = (tmp_path / "api.html").read_text()
    assert [name for name in dir(sedlib) if f'"sedlib.{name}' not in reference and f".{name}" not in reference] == []
    for page in tmp_path.rglob("*.html"):
        if "reports" not in page.parts:
            loaded = re.findall(r'<(?:script|img|iframe)[^>]* src="([^"]+)"', page.read_text())
            loaded += re.findall(r'<link rel="stylesheet" href="([^"]+)"', page.read_text())
            assert not [address for address in loaded if "//" in address], page
