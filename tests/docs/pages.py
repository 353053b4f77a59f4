"""The pages that users read: their blocks of code, headings, links, and what they name."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "SECURITY.md",
    "examples/README.md",
    "collector/README.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
)
PYTHON = ("python",)
SHELL = ("bash", "console", "sh", "shell")
DATA = ("json", "yaml")
QUERIES = ("promql", "traceql")
"""In docs/OBSERVABILITY.md; tests/collector hands them to a real Prometheus, or a grammar."""
SHOWN = ("mermaid", "py", "text")
"""Not run: drawings, signatures, what is printed."""

_BLOCK = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: Where, seen from the checkout.
        line: Of its first line.
        language: What stands behind its fence.
        text: What is in it.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"

    @property
    def commands(self):
        """(command, lines that are shown below it) of what is typed into a shell."""
        if self.language != "console":
            return [(self.text, "")]
        joined = re.sub(r"\\\n\s*", "", self.text)
        return re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", joined, re.MULTILINE)


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(*pages, languages=None):
    """Return the blocks of pages, or those in some languages."""
    found = []
    for page in pages or PAGES:
        text = text_of(page)
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 2
            found.append(Block(page, line, match[1].strip(), match[2]))
    return [block for block in found if languages is None or block.language in languages]


def prose_of(page):
    """Return a page without its blocks."""
    return _BLOCK.sub("", text_of(page))


def links(page):
    """Return where the links and pictures of a page lead to in this checkout: (path, anchor)."""
    targets = [target for target in _LINK.findall(prose_of(page)) if "://" not in target]
    targets += re.findall(r'(?:src|srcset|href)="([^":]+)"', prose_of(page))
    return [target.partition("#")[::2] for target in targets]


def anchors(page):
    """Yield the anchors that GitHub gives to the headings of a page."""
    seen = Counter()
    for heading in re.findall(r"^#{1,6} (.+)$", prose_of(page), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        yield f"{name}-{seen[name]}" if seen[name] else name
        seen[name] += 1


def section(page, anchor):
    """Return the text under the heading that has an anchor, its blocks left out."""
    parts = re.split(r"^#{1,6} .+$", prose_of(page), flags=re.MULTILINE)[1:]
    return dict(zip(anchors(page), parts, strict=True))[anchor]


def spans(page):
    """Return what a page shows as code within its lines."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose_of(page))]
