"""Collect text.txt: documentation that Python itself ships. Another version of Python has another text."""

import re
from pathlib import Path
from pydoc_data.topics import topics

LENGTH = 40_000
KNOWN = "abcdefghijklmnopqrstuvwxyz0123456789 .,:;()\"'-=_*\n"


def main() -> None:
    """Write the first characters of the topics, in the order of their names."""
    text = "\n".join(topics[name] for name in sorted(topics)).lower()
    kept = "".join(character for character in text if character in KNOWN)
    Path(__file__).with_name("text.txt").write_text(re.sub(r"\s+", " ", kept)[:LENGTH] + "\n")


if __name__ == "__main__":
    main()
