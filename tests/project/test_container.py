"""The Dockerfile: linted, built as far as that needs no container, and its promises."""

from __future__ import annotations

import fnmatch
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "Dockerfile"
HADOLINT = Path(sys.executable).with_name("hadolint")


def instructions():
    """The instructions and what they are given, in order."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text("utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line]


def stage(number):
    """The instructions of one stage."""
    starts = [n for n, (name, _) in enumerate(instructions()) if name == "FROM"]
    end = [*starts, None][number + 1]
    return instructions()[starts[number] : end]


def is_sent_to_the_builder(path):
    """Whether .dockerignore, which allows little, lets a file of the top through."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if fnmatch.fnmatch(path, line.removeprefix("!")):
            sent = line.startswith("!")
    return sent


@pytest.mark.skipif(not HADOLINT.exists(), reason="there is no hadolint for this")
def test_it_has_no_findings():
    linted = subprocess.run([HADOLINT, DOCKERFILE], capture_output=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, b"")


@pytest.mark.slow
def test_what_it_copies_is_enough_to_build_the_wheel(tmp_path):
    build = tmp_path / "build"
    build.mkdir()
    for name, given in stage(0):
        if name == "COPY":
            *sources, _ = shlex.split(given)
            for source in sources:
                assert is_sent_to_the_builder(source)
                path = ROOT / source
                copy = shutil.copytree if path.is_dir() else shutil.copy
                copy(path, build / source)
        if name == "RUN":
            command = given.replace(" /wheel ", f" {tmp_path / 'wheel'} ")
            python = shlex.quote(sys.executable)
            subprocess.run(
                ["/bin/sh", "-ec", command.replace("pip ", f"{python} -m pip ", 1)],
                cwd=build,
                check=True,
            )
    [wheel] = (tmp_path / "wheel").iterdir()
    assert wheel.name.startswith("target_upwell-")


def test_neither_keys_nor_the_history_reach_the_builder():
    for path in (".env", ".git", ".venv", ".meltano", "output", "rejects.singer"):
        assert not is_sent_to_the_builder(path)


def test_it_runs_as_a_user_that_is_not_root_on_a_volume():
    last = {name: given for name, given in stage(1) if name != "COPY"}
    assert int(last["USER"]) > 0
    assert last["WORKDIR"] == last["VOLUME"] == "/data"
    assert last["ENTRYPOINT"] == '["target-upwell"]'
    order = [name for name, _ in stage(1)]
    assert "RUN" not in order[order.index("USER") :]
