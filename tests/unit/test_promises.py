"""The table of promises: what its commands name is there."""

import re
import shlex

import pytest

from fcst.settings import PROJECT

ROWS = re.findall(r"^\| (?!promise|---)(.+) \|$", (PROJECT / "docs" / "promises.md").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("row", ROWS)
def test_command_names_files_and_options_that_are_there(row: str) -> None:
    promise, tested, _figures, command = row.split(" | ")
    assert promise and tested and re.fullmatch(r"`(python|pytest) .+`", command)
    program, *words = shlex.split(command.strip("`"))
    files = [PROJECT / word for word in words if word.startswith("tests/")]
    assert files and all(file.exists() for file in files)
    if program == "python":
        source = files[0].read_text("utf-8")
        assert all(f'"{word}"' in source for word in words if word.startswith("--"))
