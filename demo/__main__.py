"""Set the stage: an empty folder, an empty sandbox, nobody's real account."""

import os
import shutil
import sys
from pathlib import Path

from demo.project import REPOSITORY, clean_environment

FOLDER = REPOSITORY / ".demo"


def main() -> None:
    """Become `upwell-sandbox run -- python -m demo.run`."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    os.chdir(REPOSITORY)
    sandbox = Path(sys.executable).with_name("upwell-sandbox")
    options = ["run", "--database", str(FOLDER / "upwell.sqlite")]
    play = [sys.executable, "-m", "demo.run", str(FOLDER), *sys.argv[1:]]
    command = [str(sandbox), *options, "--", *play]
    os.execve(sandbox, command, clean_environment())  # noqa: S606 - our own words


if __name__ == "__main__":
    main()
