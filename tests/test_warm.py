"""A script that starts from the process with the imports does what the same script does by itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.warm import warmed

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="tests start warm on Linux alone")]

SAYS = """import os, resource, sys
print(sys.argv, os.getcwd(), os.environ["OWN"], __name__, resource.getrlimit(resource.RLIMIT_NOFILE)[0], sys.path[:2])
print(sys.stdin.read(), file=sys.stderr)
{end}
"""
LATE = "import threading, time; threading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()"
ENDS = [
    "",
    "sys.exit(3)",
    "sys.exit('a sentence')",
    "raise ValueError('wrong')",
    "os.kill(os.getpid(), 15)",
    "os.kill(os.getpid(), 9)",
    LATE,
]


@pytest.mark.parametrize("end", ENDS)
def test_a_warm_script_is_the_same_script(end: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SAYS.format(end=end))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {**os.environ, "PATH": path, "OWN": "here", "PYTHONPATH": "/first"}
    command = ["sh", "-c", "ulimit -n 99; exec python script.py 'two words'"]
    given = {"cwd": tmp_path, "input": "read", "capture_output": True, "text": True, "check": False}
    cold, warm = (subprocess.run(command, env=environment, **given) for environment in (own, warmed(own)))  # type: ignore[call-overload]
    assert (warm.stdout, warm.returncode) == (cold.stdout, cold.returncode)
    assert warm.stderr.splitlines()[-1:] == cold.stderr.splitlines()[-1:]


def test_it_has_the_imports_and_nothing_of_sedlib(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import sys; print('torch' in sys.modules, 'sedlib' in sys.modules)")
    done = subprocess.run(["python", "script.py"], cwd=tmp_path, env=warmed(os.environ), capture_output=True, text=True)
    assert done.stdout == "True False\n", done.stderr
