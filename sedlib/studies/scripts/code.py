"""Write which code each stage uses, and say which stages run again for another version or an edit of study.py."""

import argparse
from pathlib import Path

from sedlib.base.progress import say
from sedlib.base.script import clear_errors
from sedlib.pipeline.code.fingerprints import write_texts
from sedlib.pipeline.workspace import ARTIFACTS
from sedlib.studies.definition.project_params import ProjectParams
from sedlib.studies.project_code import project_texts, why_again

TEXTS = ARTIFACTS / "code"


def main() -> None:
    ProjectParams.read()  # refuses names and values before they reach a command of another stage
    texts = project_texts(Path())
    before = {path.stem: path.read_text(encoding="utf-8") for path in TEXTS.glob("*.txt")}
    for line in why_again(before, texts):
        say(line)
    write_texts(texts, TEXTS)


if __name__ == "__main__":
    argparse.ArgumentParser(prog="sedlib stage code", description=__doc__).parse_args()
    with clear_errors():
        main()
