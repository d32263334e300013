"""Words that the project does not use in prose: each has a plain word, named here."""

import re

import pytest

from fcst.settings import PROJECT

BANNED = {
    r"tells?|told|hears?|heard": "say, report, notify, deliver, log or raise",
    r"nobody|somebody|anybody|everybody|whoever|no one": "no user, the user, each user",
    r"deeds?": "action",
    r"mends?|mended": "fix",
    r"innocent|blamed?|guilty|judged?|deserves?d?": "the cause, or the check",
    r"farewell|welcome|bury|buried|befalls?|in vain": "what the code does",
    r"stands? in( for)?|stand-in": "fallback, or replaces",
    r"lets? in": "admit, allow",
    r"beside": "next to, with",
}
FOLDERS = ("fcst", "pages", "docs")
ENDINGS = (".py", ".sql", ".js", ".css", ".md")
FILES = sorted(
    path.relative_to(PROJECT).as_posix()
    for path in (*PROJECT.glob("*"), *(path for folder in FOLDERS for path in (PROJECT / folder).rglob("*")))
    if path.suffix in ENDINGS
)


@pytest.mark.parametrize("words", BANNED, ids=lambda words: words.split("|")[0].strip("?"))
def test_a_plain_word_is_used_instead(words: str) -> None:
    pattern = re.compile(rf"(?<![.\"`])\b(?:{words})\b", re.IGNORECASE)  # not `file.tell()`, nor the OS user `nobody`
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name in FILES
        for number, line in enumerate((PROJECT / name).read_text("utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert len(FILES) > 250
    assert not found, f"use {BANNED[words]}:\n" + "\n".join(found[:40])
