"""Whether what a page has somebody type is there: programs, options, files, stages, extras."""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import click

from compact_otel.cli import main as compactctl
from tests.docs.pages import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BUILT_IN = {"cd", "cp", "echo", "eval", "export", "source", "kill", "mkdir", "set"}
OF_THE_SYSTEM = {"cat", "curl", "grep", "head", "openssl"}
YOURS = {"docker", "git", "node", "npx", "otelcol-contrib"}
"""What readers have to have by themselves."""
FILES = {"app.py"}
"""Programs that the pages make up."""
_WITH_VALUE = {"--env-file", "--group", "--project", "--python", "--with"}


def check_syntax(script):
    """Raise if bash cannot parse a script."""
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def check(script):
    """Raise if a script asks for anything that is not there."""
    for words in simple_commands(script):
        _judge(words)


def simple_commands(script):
    """Yield the words of each command of a script, without what is redirected."""
    script = re.sub(r"(^|\s)#.*$", "", script.replace("\\\n", " "), flags=re.MULTILINE)
    lexer = shlex.shlex(script, posix=True, punctuation_chars="|&;<>\n")
    lexer.whitespace, lexer.whitespace_split = " \t", True
    words, skips = [], False
    for word in [*lexer, "\n"]:
        if skips:
            skips = False
        elif set(word) <= set("<>"):
            skips = True
        elif not set(word) <= set("|&;\n"):
            words.append(word)
        elif words:
            yield words
            words = []


def _judge(words):
    while words and re.match(r"\w+=", words[0]):
        words = words[1:]
    if not words or words[0].startswith("$("):
        return
    name, rest = words[0], words[1:]
    for word in rest:
        path = word.partition("::")[0]
        if re.match(r"(\.ci|collector|docs|examples|tests)/[\w./-]+$", path):
            assert (ROOT / path).exists(), f"{path} of {words}"
    special = {
        "uv": _uv,
        "python": _python,
        "compactctl": _compactctl,
        "bash": _bash,
        "pip": _install,
        "opentelemetry-instrument": _instrumented,
    }.get(name)
    if special is not None:
        special(rest)
    elif name not in BUILT_IN | OF_THE_SYSTEM | YOURS:
        assert shutil.which(name, path=Path(sys.executable).parent), f"no program {name}"


def _behind_options(words, with_value):
    while words and words[0].startswith("-"):
        words = words[2 if words[0] in with_value else 1 :]
    return words


def _uv(words):
    if words[0] == "run":
        groups = [words[at + 1] for at, word in enumerate(words) if word == "--group"]
        assert set(groups) <= set(PROJECT["dependency-groups"])
        _judge(_behind_options(words[1:], _WITH_VALUE))
    elif words[0] == "pip":
        _install(words[1:])
    else:
        assert words[0] in {"venv", "sync", "build"}, words


def _install(words):
    assert words[0] == "install", words
    for before, word in pairwise(words):
        if before == "-r":
            assert (ROOT / word).exists(), word
        for extras in re.findall(r"(?:compact-otel|\.)\[([\w,]+)\]", word):
            assert set(extras.split(",")) <= set(PROJECT["project"]["optional-dependencies"]), word


def _instrumented(words):
    while words and words[0].startswith("--"):
        words = words[2:]
    _judge(words)


def _python(words):
    if words[0] == "-m":
        assert importlib.util.find_spec(words[1]), words
    elif words[0] != "-c" and words[0] not in FILES:
        text = (ROOT / words[0]).read_text(encoding="utf-8")
        for word in words[1:]:
            option = word.partition("=")[0]
            assert not option.startswith("--") or f'"{option}"' in text, f"{option} of {words}"


def _bash(words):
    if words[0] != ".ci/run":
        assert (ROOT / words[0]).is_file(), words
    elif words[1:2] == ["mutation"]:
        _python([".ci/mutation", *words[2:]])
    elif words[1:2] not in (["dist"], ["requirements"]):
        text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
        assert all(f"stage_{stage}()" in text for stage in words[1:]), words


def _compactctl(words):
    command = compactctl
    known = {"--help"}
    for word in words:
        known |= {option for each in command.params for option in each.opts}
        if word.startswith("--"):
            assert word.partition("=")[0] in known, f"{word} of compactctl {words}"
        elif isinstance(command, click.Group) and word in command.commands:
            command = command.commands[word]
        else:
            wrong = isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z-]+", word)
            assert not wrong, f"no command {word} of compactctl {words}"
