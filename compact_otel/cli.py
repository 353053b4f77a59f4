"""compactctl: the command line.

Each command is a thin layer: options in, one function of the package, an exit code out. Imports
that take time stand inside the commands, so that `compactctl --help` does not wait for them.
"""

from __future__ import annotations

import errno
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import click

from compact_otel import __version__
from compact_otel.core.settings import Strategy

_A_FILE = click.Path(readable=False, allow_dash=True)
"""What a shell completes; what is there, and why it cannot be used, each command says itself."""


class _Commands(click.Group):
    """A group that says in a line what keeps it from writing what it has to say."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # else it fails at the end, where nobody can say it
        except OSError as error:
            if error.errno == errno.EPIPE or error.filename is not None:  # click's: it is quiet
                raise
            with suppress(OSError):
                sys.stdout.close()  # or the interpreter tries once more
            raise click.ClickException(f"cannot write: {error.strerror or error}") from error
        return result


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="compactctl")
@click.option(
    "--config",
    metavar="FILE",
    help="Read settings from this file.  [default: COMPACT_CONFIG, then compact.yaml, compact.yml "
    "or compact.json in this folder]",
)
@click.pass_context
def main(context: click.Context, /, *, config: str | None) -> None:
    """Agents that outlive their context window, and traces that show how."""
    if config is not None:
        from compact_otel.config_command import read_from

        context.with_resource(read_from(config))


@main.command(short_help="See an agent die of its context window, and survive it.")
@click.option(
    "--window",
    type=int,
    default=10_000,
    show_default=True,
    metavar="TOKENS",
    help="Context window of the model.",
)
@click.option(
    "--turns", type=int, metavar="N", show_default="all", help="Play the first N turns only."
)
@click.option(
    "--stream/--no-stream", default=False, show_default=True, help="Whether the agent streams."
)
@click.option(
    "--api",
    type=click.Choice(["responses", "chat"]),
    default="responses",
    show_default=True,
    help="API between the agent and its model.",
)
@click.option(
    "--archive",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".compact", "archive"),
    show_default=True,
    metavar="DIR",
    help="Where that goes which is compacted away.",
)
@click.option(
    "--live",
    is_flag=True,
    help="Ask OpenAI instead of the local server, with the key in OPENAI_API_KEY: about a hundred "
    "calls. Plays the part with compact_otel only.",
)
@click.option(
    "--model",
    default="gpt-4o-mini",
    show_default=True,
    metavar="NAME",
    help="The model asked for; the local server answers to any name.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all figures as one JSON object.")
@click.pass_context
def demo(context: click.Context, /, *, as_json: bool, **options: Any) -> None:
    """See an agent die of its context window, and survive it.

    The same agent lives through the same recorded customer service session twice, in the real
    OpenAI Agents SDK over real HTTP: without compact_otel, then with it. Neither key nor network
    is needed: its model is a local server with a small context window that plays the recorded
    answers.

    The exit code is 0 if the agent survived with compact_otel, 1 if not, and 2 for options that
    make no sense.

    \b
    Keys of the JSON object:
      turns, survived_without, survived_with    turns
      error, error_with                         what ended each part, or null
      compactions                               turn, call, tokens, messages
      facts_needed, facts_kept                  what the agent's next steps needed
      facts_compacted, facts_recovered          ... and had been compacted away
      archive, archive_files                    where that is now
      window, session_tokens, tokens_peak, model_calls, overflow_errors,
      facts_lost, duration_without_s, duration_with_s, and the options
    """  # noqa: D301 - click wants its \b as one character
    from compact_otel.demo.command import demo as play
    from compact_otel.demo.settings import SettingError, Settings

    try:
        survived = play(Settings(**options), as_json=as_json)
    except SettingError as error:
        hint = f"'--{error.option}'"
        raise click.BadParameter(str(error), ctx=context, param_hint=hint) from error
    context.exit(0 if survived else 1)


@main.command(short_help="Is everything in place, and if not, what is to be done?")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How long one address is waited for.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all findings as one JSON object.")
@click.pass_context
def doctor(context: click.Context, /, *, timeout: float, as_json: bool) -> None:
    """Look at versions, settings, entry points, exporters and addresses, and say what to do.

    Run it in the agent's own environment, with its variables. Addresses are only knocked at,
    and a bucket is asked for something that is not there: nothing is sent, no model is asked, and
    nothing is written.

    The exit code is 0 if nothing stands in the way, and 1 if something does.
    """
    from compact_otel.doctor.command import doctor as examine

    context.exit(0 if examine(timeout=timeout, as_json=as_json) else 1)


@main.command(short_help="See what a model call costs, layer by layer.")
@click.argument("file", metavar="FILE", type=_A_FILE)
@click.option(
    "--model",
    metavar="NAME",
    help="Count for this model.  [default: the request's own, then COMPACT_MODEL, then gpt-4o]",
)
@click.option(
    "--window",
    type=int,
    metavar="TOKENS",
    help="Tokens of input that the model accepts.  [default: COMPACT_MAX_CONTEXT_TOKENS, then "
    "what is known of the model]",
)
@click.option(
    "--session", metavar="ID", help="Which session of a database or an archive with several."
)
@click.option("--preview", is_flag=True, help="Show how the largest items begin, without secrets.")
@click.option("--json", "as_json", is_flag=True, help="Print all figures as one JSON object.")
def tokens(
    file: str,
    *,
    model: str | None,
    window: int | None,
    session: str | None,
    preview: bool,
    as_json: bool,
) -> None:
    """See what a model call costs, layer by layer, and how far the window is.

    FILE is - for stdin, or one of these:

    \b
      a request body       JSON, of the Responses API or of Chat Completions
      a list of items      a JSON array of input items or messages
      JSON Lines           one item a line, such as an archived transcript
      a session directory  of an archive; its latest transcript is counted
      a database           of the Agents SDK's SQLiteSession

    Nothing goes over the network, and no content is shown unless --preview is given.

    The four sums system, developer, tools_schema and messages are those of the event
    compact.token_estimate.

    \b
    Examples:
      compactctl tokens request.json
      compactctl tokens --model gpt-5 --preview .compact/archive/user_123
      compactctl tokens --session user_123 conversations.db
      jq .body log.json | compactctl tokens --json -

    The exit code is 0 if the call was counted, 1 if FILE holds none, and 2 for options or a
    COMPACT_ environment that make no sense.
    """  # noqa: D301 - click wants its \b as one character
    from compact_otel.tokens.command import tokens as count

    count(file, model=model, window=window, session=session, preview=preview, as_json=as_json)


@main.command("validate-config", short_help="Can this file be used, and if not, why?")
@click.argument("file", metavar="[FILE]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print what is wrong as one JSON object.")
@click.pass_context
def validate_config(context: click.Context, /, *, file: str | None, as_json: bool) -> None:
    """Check a file with settings: names, types, bounds, and the rules between them.

    With FILE that file is looked at by itself. Without, it is what an agent would get that starts
    here: the file that COMPACT_CONFIG names, or else compact.yaml, compact.yml or compact.json in
    this folder, if there is one, with the COMPACT_ environment above it. All that is wrong is told
    together, with file and line.

    \b
    Examples:
      compactctl validate-config compact.yaml
      compactctl validate-config

    \b
    Keys of the JSON object:
      file       path of the file that was looked at, or null
      valid      whether it can be used
      problems   what is wrong, as text

    The exit code is 0 if it can be used, 1 if not, and 2 if there is no such file.
    """  # noqa: D301 - click wants its \b as one character
    from compact_otel.config_command import validate

    context.exit(0 if validate(file, as_json=as_json) else 1)


@main.group(short_help="See what is set, and where.")
def config() -> None:
    """See the settings in force, and what a file with settings may hold.

    An argument in the program wins over the environment, that over the file, that over the default,
    field by field.
    """


@config.command("show", short_help="Each setting with its value, and from where it comes.")
@click.option("--json", "as_json", is_flag=True, help="Print all settings as one JSON object.")
def config_show(*, as_json: bool) -> None:
    """Print each setting with its value in force here, and from where that comes.

    Origins are default, the name of an environment variable, or file and line. Secrets are never
    shown, wherever they stand.

    \b
    Keys of the JSON object:
      file       path of the file that is read, or null
      settings   of each: setting, value, from, variable (its name in the environment, or null)

    The exit code is 0, or 2 if the file or the COMPACT_ environment cannot be used.
    """  # noqa: D301 - click wants its \b as one character
    from compact_otel.config_command import show as show_config

    show_config(as_json=as_json)


@config.command("schema", short_help="The JSON schema of a file, for editors.")
def config_schema() -> None:
    """Print the JSON schema (draft 2020-12) of a file with settings, for editors.

    \b
    Example:
      compactctl config schema > compact.schema.json
      # yaml-language-server: $schema=compact.schema.json    (first line of compact.yaml)

    The exit code is 0.
    """  # noqa: D301 - click wants its \b as one character
    from compact_otel.config_command import schema

    schema()


_in_archive = click.option(
    "--path",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Read the archive of files in this folder.  [default: what COMPACT_STORAGE_ says]",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print it as one JSON object.")


@main.group(short_help="Look after what was compacted away.")
def archive() -> None:
    """List, read, verify, prune and export what was compacted away.

    The archive is the one that the agent writes to with the same COMPACT_ environment: files below
    COMPACT_STORAGE_PATH, or objects in COMPACT_STORAGE_BUCKET if COMPACT_STORAGE_ADAPTER is s3.
    With --path DIR it is the one in that folder.
    """


@archive.command(short_help="List the sessions, or the records of one.")
@click.argument("session", metavar="[SESSION]", required=False)
@_in_archive
@_as_json
@click.pass_context
def ls(context: click.Context, /, *, session: str | None, path: Path | None, as_json: bool) -> None:
    """List the sessions with their compactions, bytes and last write, or the records of one.

    A session that cannot be read is named, and the others are listed all the same.

    The exit code is 0 if all was listed, 1 if there is no archive or something of it cannot be
    read, and 2 for an unknown session, or options or a COMPACT_ environment that make no sense.
    """
    from compact_otel.archive.listing import ls as list_archive

    context.exit(0 if list_archive(session, path=path, as_json=as_json) else 1)


@archive.command(short_help="Read a summary, a transcript, the events or the audit.")
@click.argument("session", metavar="SESSION")
@click.argument("step", metavar="[STEP]", type=click.IntRange(min=1), required=False)
@click.option("--summary", "part", flag_value="summary", default=True, help="This is the default.")
@click.option("--transcript", "part", flag_value="transcript", help="The history before it.")
@click.option("--events", "part", flag_value="events", help="What happened in the session.")
@click.option("--audit", "part", flag_value="audit", help="What was written and removed.")
@_in_archive
@_as_json
def show(session: str, step: int | None, *, part: Any, path: Path | None, as_json: bool) -> None:
    """Read the newest summary of a session, the one of STEP, or what an option names.

    Stored text is shown as text: control characters become question marks.

    The exit code is 0 if it was shown, 1 if nothing of that kind is kept or it cannot be read, and
    2 for an unknown session or step, or options or a COMPACT_ environment that make no sense.
    """
    from compact_otel.archive.showing import show as show_record

    show_record(session, step, part, path=path, as_json=as_json)


@archive.command(short_help="Is it all still there, and as it was written?")
@click.argument("sessions", metavar="[SESSION]...", nargs=-1)
@_in_archive
@_as_json
@click.pass_context
def verify(
    context: click.Context,
    /,
    *,
    sessions: tuple[str, ...],
    path: Path | None,
    as_json: bool,
) -> None:
    """Hold all sessions, or those that are named, against the audit of what was written.

    A note is something that a crash or a full disk explains; an error is something that was
    changed, put in or lost, or cannot be read.

    The exit code is 0 if there are no errors, 1 if there are, or no archive, and 2 for an unknown
    session, or options or a COMPACT_ environment that make no sense.
    """
    from compact_otel.archive.verifying import verify as hold_against_audit

    context.exit(0 if hold_against_audit(sessions, path=path, as_json=as_json) else 1)


@archive.command(short_help="Remove what is older than it may be kept.")
@click.argument("sessions", metavar="[SESSION]...", nargs=-1)
@click.option(
    "--older-than",
    required=True,
    metavar="AGE",
    help="Hours, days or weeks since the last write: 12h, 30d, 2w.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_in_archive
@_as_json
@click.pass_context
def prune(
    context: click.Context, /, *, sessions: tuple[str, ...], path: Path | None, **options: Any
) -> None:
    """Remove transcripts and summaries that were last written longer ago than AGE.

    Of all sessions, or of those that are named. Each removal is a line in the audit, so `verify`
    finds nothing missing. A session of which everything is older, its events and checkpoints, too,
    goes as a whole; its next compaction starts from nothing. A session that is being compacted is
    passed over, and files that compact_otel did not write stay.

    The exit code is 0 if all that is older is gone, or in use, 1 if something could not be read or
    removed, or the answer was no, and 2 for an unknown session, or options or a COMPACT_
    environment that make no sense.
    """
    from compact_otel.archive.pruning import prune as remove_old

    older_than = options.pop("older_than")
    context.exit(0 if remove_old(older_than, sessions, path=path, **options) else 1)


@archive.command(short_help="Write a session as one JSON document.")
@click.argument("session", metavar="SESSION")
@click.option(
    "-o",
    "--output",
    type=_A_FILE,
    default="-",
    show_default="stdout",
    metavar="FILE",
    help="Write it to FILE, readable for its owner alone; whole, or not at all.",
)
@click.option(
    "--checkpoints", is_flag=True, help="The checkpoints, too. These hold secrets unredacted."
)
@_in_archive
def export(session: str, *, output: str, checkpoints: bool, path: Path | None) -> None:
    """Write all that is kept of a session as one JSON document.

    \b
    Keys of the JSON object:
      session_id, archive   which session, and where it is kept
      steps                 of each compaction: step, transcript, summary, null for what is gone
      events, audit         what happened, and what was written and removed
      checkpoints           only with --checkpoints

    The exit code is 0 if it was written, 1 if there is no archive or something in it cannot be
    read, and 2 for an unknown session, a FILE that cannot be written, or options or a COMPACT_
    environment that make no sense.
    """  # noqa: D301 - click wants its \b as one character
    from compact_otel.archive.exporting import export as write_session

    write_session(session, output=output, checkpoints=checkpoints, path=path)


def _of_one_compaction(command: Any) -> Any:
    """Add what `dry-run`, `diff` and `compact` have in common."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print it as one JSON object."),
        click.option("--session", metavar="ID", help=_WHICH_SESSION),
        click.option(
            "--window",
            type=int,
            metavar="TOKENS",
            help="Tokens of input that the model accepts.  [default: COMPACT_MAX_CONTEXT_TOKENS, "
            "then what is known of the model]",
        ),
        click.option(
            "--model",
            metavar="NAME",
            help="The agent's model.  [default: the request's own, then COMPACT_MODEL, then "
            "gpt-4o]",
        ),
        click.option(
            "--note", metavar="TEXT", help="What matters in it; goes to whoever summarises."
        ),
        click.option(
            "--target",
            metavar="SIZE",
            help="What to aim for: a share of the input limit (0.4, 40%) or tokens (12000).  "
            "[default: COMPACT_TARGET_PCT, then 0.5; of the call itself, if that is smaller]",
        ),
        click.option(
            "--strategy",
            type=click.Choice(get_args(Strategy)),
            help="What the summary puts first.  [default: COMPACT_STRATEGY, then task_state]",
        ),
    ):
        command = option(command)
    return click.argument("file", metavar="FILE", type=_A_FILE)(command)


_WHICH_SESSION = (
    "Which session of a database or an archive with several. `compact` archives under it, too, and "
    "takes one for any FILE.  [default there: the session that FILE is of, else FILE's name "
    "without its ending]"
)


@main.command("dry-run", short_help="See what a compaction would keep, drop and save, and why.")
@click.option("--preview", is_flag=True, help="List each item with how it begins, without secrets.")
@_of_one_compaction
def dry_run(*, preview: bool, as_json: bool, **asked: Any) -> None:
    """See what `compactctl compact` would do, and why, without doing it.

    FILE is what `compactctl tokens` reads: a request body, a list of items, JSON Lines, an archive
    or a session in it, a database of the Agents SDK's SQLiteSession, or - for stdin.

    Nothing is written and no model is asked, so no key is needed: the summary is that of the
    extractive summariser. No content is shown unless --preview is given.

    Each item is kept, cleared (a tool's output that says what a later one says again gives way to a
    line) or summarised (it goes, and the summary stands for it).

    \b
    Keys of the JSON object:
      file, kind, api, model, model_source, estimator
      outcome                      compacted, fallback (not as planned), noop (nothing to gain)
      tokens_before, tokens_after, target, items_before, items_after
      kept, cleared, summarised    items
      layers                       name, tokens_before, tokens_after
      summary                      tokens, version, strategy, summarizer, model, facts_found,
                                   facts_kept; null without one
      policy                       strategy, target_pct, keep_recent_turns, keep_tool_io_pairs,
                                   reductions (how often both were reduced)
      trigger                      due (whether an agent would compact by itself), reason, tokens
      items                        index, fate, why, tokens, tokens_after, type, role, tool, preview
      notes                        what one has to know to trust the figures

    \b
    Examples:
      compactctl dry-run request.json
      compactctl dry-run --target 40% --preview session.jsonl
      compactctl dry-run --session user_123 --json conversations.db

    The exit code is 0 if there is a plan, also one in which everything stays, 1 if FILE cannot be
    read or what must stay does not fit, and 2 for options or a COMPACT_ environment that make no
    sense.
    """  # noqa: D301 - click wants its \b as one character
    from compact_otel.manual.command import Asked
    from compact_otel.manual.command import dry_run as plan

    plan(Asked(**asked), preview=preview, as_json=as_json)


@main.command(short_help="See a call before and after a compaction, as a diff.")
@click.option("--html", metavar="PAGE", help="Write it as one page of HTML instead; - for stdout.")
@click.option("--full", is_flag=True, help="Show what goes in full, not its first lines.")
@_of_one_compaction
def diff(*, html: str | None, full: bool, as_json: bool, **asked: Any) -> None:
    """See what goes (-), what a line stands for (~), the summary (+), and what it saves.

    FILE and options are those of `compactctl dry-run`, and so is what happens: no model is asked,
    and nothing is written but PAGE. What is shown is shown without secrets.

    \b
    Keys of the JSON object: those of `compactctl dry-run`, and
      changes    op (kept, cleared, dropped, summary), places, tokens_before, tokens_after,
                 before and after (lines of text)
      html       where the page is, or null

    \b
    Examples:
      compactctl diff request.json | less -R
      compactctl diff --html compaction.html --session user_123 conversations.db

    The exit code is 0 if there is a diff, also an empty one, 1 if FILE cannot be read or what must
    stay does not fit, and 2 for options or a COMPACT_ environment that make no sense.
    """  # noqa: D301 - click wants its \b as one character
    from compact_otel.manual.command import Asked
    from compact_otel.manual.command import diff as compare

    compare(Asked(**asked), html=html, full=full, as_json=as_json)


@main.command(short_help="Compact a session by hand, into a file.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=_A_FILE,
    metavar="OUT",
    help="Where to; - for stdout. Written whole or not at all, and readable for its owner alone.",
)
@_of_one_compaction
@click.pass_context
def compact(context: click.Context, /, *, output: str, as_json: bool, **asked: Any) -> None:
    """Compact FILE now, and write what an agent goes on with to OUT.

    FILE is what `compactctl tokens` reads, and OUT is of its kind: a request stays a request, JSON
    Lines stay JSON Lines, and all else becomes a JSON list of items. It holds the conversation as
    it is, with what is secret in it. FILE itself is never written to.

    What went is archived as the COMPACT_STORAGE_ environment says, without secrets. The model that
    COMPACT_SUMMARIZER_MODEL names writes the summary, if one is named; it is sent what goes.

    Where nothing can be gained OUT holds what FILE holds, and nothing is archived.

    \b
    Keys of the JSON object: those of `compactctl dry-run`, and
      output           OUT
      archive          where the history is, null if it was not archived
      archive_error    why it was not; null if it was, or was not to be

    \b
    Examples:
      compactctl compact session.jsonl -o compacted.jsonl
      compactctl compact request.json -o smaller.json --target 12000 --strategy code_delta
      compactctl compact conversations.db --session user_123 -o items.json --note "keep the ids"

    The exit code is 0 if OUT was written, 1 if it could not be compacted, or was and not archived,
    and 2 for options, an OUT or a COMPACT_ environment that make no sense.
    """  # noqa: D301 - click wants its \b as one character
    from compact_otel.manual.command import Asked
    from compact_otel.manual.command import compact as make

    context.exit(0 if make(Asked(**asked), output=output, as_json=as_json) else 1)


@main.command(short_help="See what the next call of a session remembers.")
@click.argument("session", metavar="SESSION")
@_in_archive
@_as_json
def status(session: str, *, path: Path | None, as_json: bool) -> None:
    """See what the next call of a session remembers of what was compacted away.

    The summary in force, what it stands for, and what stays beside it, without secrets: from the
    checkpoints in the archive, as an agent reads them that takes the session up. Of a summary that
    was pruned the text is not shown (in JSON `summary_pruned` is true).

    The exit code is 0 if it was shown, 1 if there is no archive or it cannot be read, and 2 for an
    unknown session, or options or a COMPACT_ environment that make no sense.
    """
    from compact_otel.archive.remembering import status as show_status

    show_status(session, path=path, as_json=as_json)


@main.command(short_help="Write what compaction did to a session as a page to look at.")
@click.argument("source", metavar="SESSION|FILE")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write the page to FILE, readable for its owner alone; whole, or not at all. - is stdout.",
)
@click.option(
    "--model",
    metavar="NAME",
    help="Count for this model.  [default: the archive's or the request's own, then "
    "COMPACT_MODEL, then gpt-4o]",
)
@click.option(
    "--window",
    type=int,
    metavar="TOKENS",
    help="Tokens of input that the model accepts.  [default: what the archive says, then "
    "COMPACT_MAX_CONTEXT_TOKENS, then what is known of the model]",
)
@click.option("--session", metavar="ID", help="Which session of a database with several.")
@_in_archive
@click.option(
    "--json", "as_json", is_flag=True, help="Write what the page shows as one JSON object instead."
)
def report(source: str, **options: Any) -> None:
    """Write what compaction did to a session as one page: nothing to install, nothing loaded.

    SESSION is one of the archive, or its folder. What happened in it is drawn: the tokens of each
    model call, each compaction with its summary, and what left the context.

    FILE is anything that `compactctl tokens` counts, or - for stdin. It is played call by call with
    the settings in force, to see what compaction would do to this conversation. No model is asked,
    and nothing is stored.

    Texts are redacted, as COMPACT_REDACTION_ says. With --path SESSION is never taken for a FILE.

    \b
    Examples:
      compactctl report user_123 -o report.html
      compactctl report request.json --model gpt-4o-mini --window 20000 -o report.html

    The exit code is 0 if the page was written, 1 if there is no archive, or what was found cannot
    be read, and 2 for an unknown session, or options or a COMPACT_ environment that make no sense.
    """  # noqa: D301 - click wants its \b as one character
    from compact_otel.report.command import report as write_report

    write_report(source, **options)
