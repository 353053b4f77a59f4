"""Every block of Python and shell that a page shows runs, and prints what is shown."""

import json
import re
import subprocess

import pytest
import yaml

from tests.docs.commands import check, check_syntax
from tests.docs.elsewhere import BLOCKS, EXIT_CODES
from tests.docs.pages import DATA, PAGES, PYTHON, QUERIES, ROOT, SHELL, SHOWN, blocks, spans

_BEGINS, _ENDS = "\x1e", "\x1f"
LISTED = {
    block: [
        entry
        for entry in BLOCKS
        if entry.page == block.page and block.text.startswith(entry.begins)
    ]
    for block in blocks(languages=PYTHON + SHELL)
}


def blocks_to_run(languages):
    found = [block for block, entries in LISTED.items() if not entries]
    return pytest.mark.parametrize(
        "block", [block for block in found if block.language in languages], ids=str
    )


def write_files_above(block, folder):
    """Write what a page shows above a block as a file: blocks whose first line is a name."""
    for shown in blocks(block.page):
        name = re.match(r"# ([\w.-]+\.\w+)\n", shown.text)
        if name and shown.line < block.line:
            (folder / name[1]).write_text(shown.text)


@pytest.mark.filterwarnings("ignore:asynchronous generator:ResourceWarning")  # `run_sync`, twice
@pytest.mark.usefixtures("environment", "loop", "switched_off")
@blocks_to_run(PYTHON)
def test_python_runs(block, desk):
    write_files_above(block, desk)
    text = "\n" * (block.line - 1) + block.text  # so that an error names the line of the page
    exec(compile(text, block.page, "exec"), {"__name__": "__main__"})


@blocks_to_run(SHELL)
def test_a_shell_runs_it_and_prints_what_is_shown(block, desk, environment):
    write_files_above(block, desk)

    for (command, shown), (code, printed) in zip(
        block.commands, done(block.commands, environment), strict=True
    ):
        assert code == EXIT_CODES.get(command, 0), f"{command}\n{printed}"
        lines = iter([" ".join(line.split()) for line in printed.splitlines()])
        for line in shown.splitlines():
            wanted = " ".join(line.split())
            assert not wanted or wanted == "..." or wanted in lines, (line, printed)


def done(commands, environment):
    """Return (exit code, what is printed) of each command, one after the other in one shell."""
    script = "".join(
        f"printf '{_BEGINS}'\n{command}\nprintf '{_ENDS}%s' $?\n" for command, _ in commands
    )
    said = subprocess.run(
        ["bash", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env=environment,
        text=True,
        timeout=180,
        check=False,
    ).stdout
    found = re.findall(f"{_BEGINS}(.*?){_ENDS}(\\d+)", said, re.DOTALL)
    assert len(found) == len(commands), said
    return [(int(code), printed) for printed, code in found]


@pytest.mark.parametrize("block", LISTED, ids=str)
def test_every_block_can_be_parsed_and_asks_for_what_is_there(block):
    if block.language in PYTHON:
        compile(block.text, block.page, "exec")
        return
    script = "\n".join(command for command, _ in block.commands)
    assert script, "a console without a line that begins with `$ `"
    check_syntax(script)
    check(script)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_within_a_line_asks_for_what_is_there(page):
    shown = "uv run ", "uv pip ", "bash .ci/", "compactctl ", "docker compose "
    for span in spans(page):
        if span.startswith(shown) and "..." not in span:
            check(re.sub(r"[<>|\[\]]", " ", span))


def test_every_block_has_a_language_that_is_known():
    for block in blocks():
        known = PYTHON + SHELL + DATA + SHOWN
        asked = QUERIES if block.page == "docs/OBSERVABILITY.md" else ()
        assert block.language in known + asked, str(block)


def test_data_can_be_read():
    for block in blocks(languages=DATA):
        assert (json.loads if block.language == "json" else yaml.safe_load)(block.text), str(block)


@pytest.mark.parametrize(
    "entry", BLOCKS, ids=[f"{each.page} {each.begins[:24]}" for each in BLOCKS]
)
def test_every_entry_of_the_table_stands_for_one_block_and_names_what_runs_it(entry):
    assert sum(entry in entries for entries in LISTED.values()) == 1
    assert entry.why
    if entry.where is None:
        return
    runner, _, name = entry.where.replace(" ", "::").partition("::")
    defined = f"stage_{name}()" if runner == ".ci/run" else f"def {name}("
    assert defined in (ROOT / runner).read_text(encoding="utf-8")
