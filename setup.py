"""Puts the scripts of stages/, which lie beside the package, inside it where it is built: `sedlib stage` runs them."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithStages(build_py):
    """An editable install has them beside the package already."""

    def run(self) -> None:
        """Copy them once the package was copied."""
        super().run()
        if not self.editable_mode:
            shutil.copytree("stages", Path(self.build_lib, "sedlib/stages"), ignore=lambda *_: ["__pycache__"])


setup(cmdclass={"build_py": WithStages})
