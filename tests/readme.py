"""The README's examples, for tests that run what it says."""

from fcst.settings import PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")


def examples(heading: str, language: str) -> list[str]:
    """The examples in one language under a heading, of any level, and the headings below it."""
    level = len(heading.partition(" ")[0])
    found: list[str] = []
    is_under, fence = False, None
    for line in README.splitlines():
        if line.startswith("```"):
            fence = line[3:] if fence is None else None
            if is_under and fence == language:
                found.append("")
        elif fence is None and line.startswith("#") and len(line.partition(" ")[0]) <= level:
            is_under = line == heading
        elif is_under and fence == language:
            found[-1] += f"{line}\n"
    assert found, f"no {language} under {heading!r}"
    return found
