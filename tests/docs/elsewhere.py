"""The one table of blocks that test_blocks does not run: where they are run, or why they cannot be.

Each is parsed all the same, and its programs, options, files and extras are looked up. A block that
is not listed is run, or the tests fail.
"""

from typing import NamedTuple


class Elsewhere(NamedTuple):
    """A block that is not run here.

    Attributes:
        page: Where it stands.
        begins: How its text begins; no other block of the page does.
        where: The test (`tests/...py::name`) or stage (`.ci/run name`) that runs it; None if
            nobody can here.
        why: Why it is not run here.
    """

    page: str
    begins: str
    where: str | None
    why: str


BLOCKS = (
    Elsewhere(
        "README.md",
        "$ pip install uv\n$ uv run compactctl demo",
        "tests/demo/test_cli.py::test_the_command_alone_shows_the_whole_session",
        "half a minute, once is enough",
    ),
    Elsewhere(
        "README.md",
        "$ uv venv",
        ".ci/run wheel",
        "installs from a registry",
    ),
    Elsewhere(
        "README.md",
        "$ opentelemetry-instrument",
        ".ci/run examples",
        "half a minute, once is enough",
    ),
    Elsewhere(
        "README.md",
        "$ uv run pytest",
        ".ci/run tests",
        "is what runs this",
    ),
    Elsewhere(
        "README.md",
        "$ uv pip install -r",
        ".ci/run lint",
        "installs from a registry, and looks at the whole checkout",
    ),
    Elsewhere(
        "docs/ARCHIVE.md",
        "compact_otel.instrument(storage",
        "tests/cli/test_archive_doc.py::test_the_python_block_runs_and_encrypts",
        "needs a vault",
    ),
    *(
        Elsewhere(
            "docs/ARCHIVE.md",
            f"$ compactctl archive {command}",
            "tests/cli/test_archive_doc.py::test_each_command_does_what_it_is_shown_for",
            "with archives made for it",
        )
        for command in ("ls", "verify", "prune", "export")
    ),
    *(
        Elsewhere(
            "docs/CLI.md",
            f"$ compactctl {command} session.json",
            "tests/cli/test_cli_doc.py::test_the_examples_print_what_is_shown",
            "written from what is printed",
        )
        for command in ("dry-run", "diff", "compact")
    ),
    Elsewhere(
        "docs/CLI.md",
        'eval "$(_COMPACTCTL_COMPLETE=bash_source',
        "tests/cli/test_cli_doc.py::test_a_shell_completes_commands_options_and_files",
        "a line for each of three shells",
    ),
    Elsewhere(
        "docs/OBSERVABILITY.md",
        "$ git clone",
        None,
        "fetches and builds the viewer, with Node; done by hand, as the page says",
    ),
    Elsewhere(
        "docs/QUALITY.md",
        "$ uv run python tests/bench/quality.py",
        None,
        "takes minutes, over conversations that are not in the checkout",
    ),
    Elsewhere(
        "docs/QUALITY.md",
        "$ uv run --group bench",
        None,
        "fetches what others wrote, and takes minutes",
    ),
    *(
        Elsewhere(
            "docs/REPORT.md",
            f"$ compactctl {command}",
            "tests/cli/test_report_doc.py::test_each_command_does_what_it_is_shown_for",
            "with an archive made for it",
        )
        for command in ("report user_123", "report request.json", "status")
    ),
    Elsewhere(
        "docs/TOKENS.md",
        "$ compactctl tokens request.json",
        "tests/cli/test_tokens_doc.py"
        "::test_the_example_of_the_terminal_is_what_is_printed_but_for_a_token_here_or_there",
        "with a request made for it",
    ),
    Elsewhere(
        "collector/README.md",
        "$ docker compose",
        None,
        "needs container images; tests/collector/test_compose.py reads the file",
    ),
    Elsewhere(
        "collector/README.md",
        "$ otelcol-contrib",
        ".ci/run collector",
        "serves until it is stopped",
    ),
    Elsewhere(
        "collector/README.md",
        "$ uv run python -m tests.collector.show",
        None,
        "needs the programs that `.ci/run collector` builds",
    ),
)

EXIT_CODES = {"compactctl validate-config wrong.yaml": 1}
"""Of commands that are shown to fail; all others end with 0."""
