"""Set the stage: an empty folder, an empty sandbox, nobody's real account."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from demo.project import REPOSITORY, clean_environment

FOLDER = REPOSITORY / ".demo"
NEXT = """
Next:
  make demo KEEP=1     the same, and the page of what landed stays up
  docs/going-live.md   from here to your own account
  .demo/               the Meltano project, the logs and the files of these runs"""


def main() -> None:
    """Run `upwell-sandbox run -- python -m demo.run`, and say what to try next."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    os.chdir(REPOSITORY)
    sandbox = Path(sys.executable).with_name("upwell-sandbox")
    options = ["run", "--database", str(FOLDER / "upwell.sqlite")]
    play = [sys.executable, "-m", "demo.run", str(FOLDER), *sys.argv[1:]]
    command = [str(sandbox), *options, "--", *play]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the play's to handle
    with subprocess.Popen(command, env=clean_environment()) as process:  # noqa: S603 - our own words
        signal.signal(signal.SIGTERM, lambda number, _: process.send_signal(number))
        code = process.wait()
    if code == 0:
        print(NEXT)  # noqa: T201 - the demo's output
    sys.exit(code)


if __name__ == "__main__":
    main()
