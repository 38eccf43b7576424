"""Writes a small sealed file, as a stage would: its name without .h5, and what it says of its run."""

import sys
from pathlib import Path

from tests.test_store import write

if __name__ == "__main__":
    write(Path(f"{sys.argv[1]}.h5"), run=sys.argv[-1])
