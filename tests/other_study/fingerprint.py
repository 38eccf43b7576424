"""Write which code each stage of the second study uses."""

from pathlib import Path

from sedlib.pipeline.code.fingerprints import code_text, write_texts
from sedlib.pipeline.workspace import ARTIFACTS

ROOT = Path(__file__).parents[2]

if __name__ == "__main__":
    scripts = [*(ROOT / "stages").glob("*.py"), ROOT / "tests/other_study/train.py"]  # its own in place of the paper's
    texts = {script.stem: code_text(script, ROOT, ROOT / "study.py") for script in scripts}
    write_texts(texts, ARTIFACTS / "code")
