"""Reads README and documentation: code blocks, the commands in them, and links."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATED = DOCS / "reference"

SHELLS = frozenset(("sh", "bash", "shell"))
SESSIONS = frozenset(("console", "text", ""))
"""Languages of blocks in which only lines that begin with `$ ` are commands."""

EXECUTED = re.compile(r"^\s*(<!-- executed -->|% executed)\s*$")
FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})\s*([^\s`]*)\s*([^\s`]*).*$")
CODE_BLOCK = "{code-block}"
OPERATORS = frozenset(("|", "||", "&&", ";", "&", "(", ")", ">", ">>", "<", ";;"))
PREFIXES = frozenset(("srun", "do", "then", "else", "time", "exec", "sudo"))
PLACEHOLDER = re.compile(r"<[\w ]+>")
VARIABLE = re.compile(r"\$[A-Za-z_]\w*")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `executed` is its mark."""

    page: Path
    line: int
    language: str
    text: str
    executed: bool
    caption: str = ""

    @property
    def file(self) -> str | None:
        """The path of the file that the block shows: its caption, or a comment at its top."""
        first = re.match(r"(?:# @package \S+\n)?# ([\w./-]+\.(?:yaml|py))\b", self.text)
        return self.caption or (first.group(1) if first else None)


@dataclass(frozen=True)
class Example:
    """A command of a page: the words after `emotion`, and where it is."""

    page: Path
    line: int
    words: tuple[str, ...]
    executed: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}: emotion {' '.join(self.words)}"


def find_pages() -> list[Path]:
    """Return README and all pages that are written by hand, sorted."""
    pages = [
        page
        for page in sorted(DOCS.glob("**/*.md"))
        if not page.is_relative_to(GENERATED) and not page.is_relative_to(DOCS / "_build")
    ]
    return [ROOT / "README.md", *pages]


def read_blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of code of a page, with and without a caption."""
    blocks: list[Block] = []
    body: list[str] = []
    fence, language, argument, indent, start = "", "", "", "", 0
    executed = marked = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        match = FENCE.match(line)
        if fence:
            if line.strip() == fence:
                text = "\n".join(each.removeprefix(indent) for each in body)
                if language == CODE_BLOCK:
                    options, _, text = text.partition("\n\n")
                    caption = re.sub(r"(?s).*:caption: (\S+).*", r"\1", options)
                    blocks.append(Block(page, start, argument, text, executed, caption))
                elif not language.startswith("{"):
                    blocks.append(Block(page, start, language, text, executed))
                fence = ""
            else:
                body.append(line)
        elif match:
            indent, fence, language, argument = match.groups()
            body, start, executed, marked = [], number + 1, marked, False
        elif EXECUTED.match(line):
            marked = True
        elif line.strip():
            marked = False
    return blocks


def find_examples(block: Block) -> list[Example]:
    """Return the `emotion` commands of a shell block or session."""
    if block.language not in SHELLS | SESSIONS:
        return []
    lines = block.text.splitlines()
    if block.language in SESSIONS:
        lines = [line[2:] if line.startswith("$ ") else "" for line in lines]
    examples = []
    for number, line in join_continued(lines):
        examples += [
            Example(block.page, block.line + number, words, block.executed)
            for words in split_commands(line)
        ]
    return examples


def join_continued(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield the number of each line and the line, joined with those that continue it."""
    start, text = 0, ""
    for number, line in enumerate(lines):
        start = start if text else number
        if line.endswith("\\"):
            text += line[:-1] + " "
            continue
        yield start, text + line
        text = ""
    if text:
        yield start, text


def split_commands(line: str) -> list[tuple[str, ...]]:
    """Return the words after `emotion` of each command in a shell line."""
    line = VARIABLE.sub("0", PLACEHOLDER.sub("PLACEHOLDER", line))
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
    lexer.whitespace_split = True
    segments: list[list[str]] = [[]]
    for word in lexer:
        if word in OPERATORS:
            segments.append([])
        else:
            segments[-1].append(word)
    found = (after_program(words) for words in segments)
    return [words for words in found if words is not None]


def after_program(words: list[str]) -> tuple[str, ...] | None:
    """Return the words after `emotion`, or None where the words start another program."""
    while words and (words[0] in PREFIXES or re.match(r"[A-Za-z_]\w*=", words[0])):
        words = words[1:]
    if words and Path(words[0]).name in ("torchrun", "python", "python3"):
        module = next(
            (at for at, pair in enumerate(pairwise(words)) if pair == ("-m", "emotion")), None
        )
        words = words[module + 1 :] if module is not None else []
    if not words or Path(words[0]).name != "emotion":
        return None
    return tuple(words[1:])


def find_links(page: Path) -> list[str]:
    """Return the targets of the links of a page that lead to files, without anchors."""
    text = re.sub(
        r"^\s*(```+).*?^\s*\1\s*$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S
    )
    text = re.sub(r"`[^`\n]*`", "", text)
    targets = re.findall(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)", text)
    targets += re.findall(r"(?:src|href|srcset)=\"([^\"]+)\"", text)
    local = (target for target in targets if not re.match(r"[a-z]+:|#", target))
    return [target.partition("#")[0] for target in local]
