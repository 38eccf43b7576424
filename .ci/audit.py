"""Looks up advisories of all that constraints.txt pins; exit code 1 if a pinned version has a known fault.

Where no index of advisories answers, it says so in a line, and the exit code is 0.
"""

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TOOL = "pip-audit==2.10.1"
HOME = ROOT / ".venv/audit"
"""Its own environment: what it needs is not what sedlib needs."""
SERVICES = ("pypi", "osv")
SECONDS = 300


def main() -> int:
    """Ask one index after another until one answers; exit code."""
    if not installed():
        print(f"audit skipped: {TOOL} cannot be installed here")
        return 0
    for service in SERVICES:
        code, text = judged(ask(service))
        if code is not None:
            print(text)
            return code
    print(f"audit skipped: no index of advisories answers here ({', '.join(SERVICES)})")
    return 0


def installed() -> bool:
    """Whether the tool is there, by now."""
    if (HOME / "bin/pip-audit").exists():
        return True
    venv.create(HOME, clear=True, with_pip=True)
    asked = [HOME / "bin/pip", "install", "--quiet", "--disable-pip-version-check", TOOL]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def ask(service: str) -> dict[str, Any]:
    """The report of an index, without packages where it gives none."""
    asked = [HOME / "bin/pip-audit", "--requirement", ROOT / "constraints.txt", "--no-deps", "--disable-pip"]
    asked += ["--vulnerability-service", service, "--format", "json", "--progress-spinner", "off"]
    try:
        printed = subprocess.run(asked, capture_output=True, text=True, timeout=SECONDS, check=False).stdout
        return json.loads(printed)
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return {"dependencies": []}


def judged(report: dict[str, Any]) -> tuple[int | None, str]:
    """Exit code and what to print; no code where the index knows none of the packages."""
    packages = report["dependencies"]
    looked_up = [package for package in packages if "skip_reason" not in package]
    if not looked_up:
        return None, "knows none of the packages"
    lines = [
        f"{package['name']} {package['version']}: {advisory['id']}, fixed in "
        f"{', '.join(advisory['fix_versions']) or 'no version'}"
        for package in looked_up
        for advisory in package["vulns"]
    ]
    skipped = f", {len(packages) - len(looked_up)} are not in the index" if len(looked_up) < len(packages) else ""
    counted = f"audit: {len(looked_up)} packages looked up{skipped}; {len(lines)} advisories"
    return int(bool(lines)), "\n".join([*lines, counted])


if __name__ == "__main__":
    sys.exit(main())
