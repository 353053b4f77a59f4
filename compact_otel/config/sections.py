"""The sections of the configuration: each field declared once, with its type, default and meaning.

Everything else is read off these classes: what a value may be (`core.fields`), the names in the
environment, the schema of the file, the tables of the documentation.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from compact_otel.core.addresses import site
from compact_otel.core.errors import ConfigError
from compact_otel.core.fields import Problem, check, dotted, failed, need
from compact_otel.keys import Keys, parsed
from compact_otel.redaction.kinds import ALLOWED, PersonalKind
from compact_otel.redaction.settings import Custom, compiled

if TYPE_CHECKING:
    from compact_otel.redaction.redactor import Gate, Redactor

EventRows = Literal["compact", "all", "none"]
Group = Literal["agent", "session"]

VIEWER = "http://127.0.0.1:5175"
"""Where the Ariadne viewer listens unless it is told otherwise."""

CHAIN = "leave them to boto3's default chain (a role, a profile or the environment)"


def is_address(value: str) -> bool:
    """Say whether a text is the address of a server that speaks HTTP."""
    try:
        parts = urlsplit(value)
        is_plain = not (parts.query or parts.fragment or "@" in value) and parts.port != 0
        return parts.scheme in ("http", "https") and bool(parts.hostname) and is_plain
    except ValueError:
        return False


def is_near(address: str) -> bool:
    """Say whether an address is one of this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_said(value: str) -> bool:
    return bool(value.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """What events become, and where they go beside OpenTelemetry.

    Attributes:
        events: `span`: events of our span; `log`: log records of OpenTelemetry, which need no
            span that is sampled; `both`. A wrong word in the environment is told, and counts as
            not set.
        spans: `always`: a span of ours for each model call; `triggered`: for those only that are
            not simply let through (compacted, replayed, failed). Metrics count all of them. A
            wrong word in the environment is told, and counts as not set.
        exporter: `console` writes one JSON line per event to stderr; `ariadne` shows all spans of
            the tracer provider in the Ariadne viewer; `otlp` sends them to a collector, as the
            `OTEL_EXPORTER_OTLP_` environment says; `none` nothing.
        agent_spans: Whether the SDK's own tracing becomes OpenTelemetry spans, so that a compaction
            is seen where it happened: `auto` where no other bridge makes them.
        custom_span: Whether a compaction is a `custom_span` of the SDK's own tracing, too, which
            OpenAI's trace dashboard shows.
        ariadne_url: Address of the Ariadne viewer. Spans leave in clear: elsewhere than on this
            machine that is said once.
        ariadne_timeout: Seconds for one request to the viewer, at most 2.
        ariadne_event_rows: Whose events are rows in the viewer: `compact` ours and exceptions;
            `all`; `none`, for very long runs: its page redraws every row for each new one.
        ariadne_group: Traces stand together by `agent`, or by `session`.
        ariadne_icon: Whether compactions have an icon of their own, which is that of a handoff.
        ariadne_live: Whether what is decided is shown at once, and not when its span is over; None
            for true where the viewer is among the exporters.
    """

    events: Literal["span", "log", "both"] = field(default="span", metadata={"lenient": True})
    spans: Literal["always", "triggered"] = field(default="always", metadata={"lenient": True})
    exporter: Literal["console", "ariadne", "otlp", "none"] = "none"
    agent_spans: Literal["auto", "on", "off"] = "auto"
    custom_span: bool = False
    ariadne_url: str = field(
        default=VIEWER,
        metadata={
            "lenient": True,
            "check": is_address,
            "what": f"an address such as {VIEWER}",
            "show": site,
        },
    )
    ariadne_timeout: float = field(default=2.0, metadata={"lenient": True, "gt": 0, "le": 2})
    ariadne_event_rows: EventRows = field(default="compact", metadata={"lenient": True})
    ariadne_group: Group = field(default="agent", metadata={"lenient": True})
    ariadne_icon: bool = field(default=True, metadata={"lenient": True})
    ariadne_live: bool | None = field(default=None, metadata={"lenient": True})

    def __post_init__(self) -> None:
        check(self, ("telemetry",))


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorConfig:
    """How tokens are counted.

    Attributes:
        exact: Whether the provider is asked to count a call that is within a tenth of the trigger
            (`responses.input_tokens.count`, Responses API only). It is sent the whole call.
        timeout: Seconds after which our own count stands. A provider that hung is not asked for a
            minute.
    """

    exact: bool = False
    timeout: float = field(default=2.0, metadata={"gt": 0})

    def __post_init__(self) -> None:
        check(self, ("estimator",))


@dataclass(frozen=True, slots=True, kw_only=True)
class SummarizerConfig:
    """How summaries are asked for.

    Attributes:
        model: Model of OpenAI, or of a server like it, that writes the summaries; None for the
            extractive summariser, which needs none. A `summarizer` that is handed over wins.
            Key and address are `OPENAI_API_KEY` and `OPENAI_BASE_URL`.
        fallback_models: Who is asked next, in this order; nobody without a `model`.
        api: `responses`, or `chat` for servers that know Chat Completions only.
        shape: `transcript` quotes what goes as data, to any model. `prefix` asks the agent's own
            model behind the agent's own call, which the provider has in its prompt cache; where
            that cannot be done it is a transcript.
        native: Whether the provider's own `responses.compact` is asked first, for calls of an
            `OpenAIResponsesModel`, through the agent's own client. What it answers only the same
            model at the same server can read. Nobody asks it where a `summarizer` is handed over.
        window: Context window of the models that write the summaries, in tokens; None for what is
            known of each.
        timeout: Seconds after which the next summariser in line is asked. One that hung is left
            out for a minute.
        verify: Whether what a summariser wrote is held against the facts of what goes, and what is
            missing put back in a ledger under it.
        facts_floor: Below this share of the facts (by weight, as it was written) the summariser is
            asked once more, with what it left out named; 0: never. One that needs no model is not
            asked again.
        ledger_pct: Share of the summary's tokens that a summariser leaves to the ledger.
    """

    model: str | None = field(
        default=None,
        metadata={
            "what": "a model name",
            "check": _is_said,
            "way_out": "leave it out for the extractive summariser",
        },
    )
    fallback_models: tuple[str, ...] = field(default=(), metadata={"what": "model names"})
    api: Literal["responses", "chat"] = "responses"
    shape: Literal["transcript", "prefix"] = "transcript"
    native: bool = False
    window: int | None = field(default=None, metadata={"gt": 0})
    timeout: float = field(default=60.0, metadata={"gt": 0})
    verify: bool = True
    facts_floor: float = field(default=0.5, metadata={"ge": 0, "le": 1})
    ledger_pct: float = field(default=0.4, metadata={"ge": 0, "le": 0.9})

    def __post_init__(self) -> None:
        check(self, ("summarizer",))
        names = ("summarizer", "fallback_models")
        what = Problem((names,), "must be a list of model names", (self.fallback_models,))
        need(all(map(_is_said, self.fallback_models)), what)
        need(
            (self.shape, self.api) != ("prefix", "chat"),
            Problem(
                (("summarizer", "api"), ("summarizer", "shape")),
                "must be responses for the summarizer.shape prefix",
                (self.api,),
                "use the shape transcript",
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageConfig:
    """Where what is compacted away is kept.

    Attributes:
        adapter: `fs` stores files, `s3` objects in a bucket, `memory` keeps it until the process
            ends, `none` nothing.
        path: Folder of the `fs` adapter.
        bucket: Bucket of the `s3` adapter. Credentials come from boto3's default chain.
        prefix: What its keys begin with.
        kms_key_id: Key for SSE-KMS (id, ARN or alias); None leaves encryption to the bucket.
        region: Region of the bucket; None leaves it to boto3.
        endpoint: URL of a store that speaks the protocol of S3; None is S3 itself.
        compress: Whether transcripts are compressed.
        encrypt: Whether what is stored by `fs` and `s3` is encrypted before; None: if there is a
            key. True without one is an error, and False only reads what is encrypted.
        encryption_key: 32 bytes in base64, or several keys: the first encrypts, all decrypt. A
            function that returns them is asked for each record that is written.
        timeout: Seconds after which a call goes on without what it wanted to read or write, all
            that it does taken together. A storage that hung is left out for a minute.
    """

    adapter: Literal["fs", "s3", "memory", "none"] = "fs"
    path: str = field(default=".compact/archive", metadata={"what": "a folder", "check": bool})
    bucket: str | None = None
    prefix: str = "compact/archive"
    kms_key_id: str | None = None
    region: str | None = None
    endpoint: str | None = None
    compress: bool = False
    encrypt: bool | None = None
    encryption_key: Keys | None = field(
        default=None,
        repr=False,
        metadata={"file": False, "secret": True, "what": "a key, or several", "own_check": True},
    )
    timeout: float = field(default=10.0, metadata={"gt": 0})

    def __post_init__(self) -> None:
        check(self, ("storage",))
        if self.adapter == "s3":
            check_bucket(self.bucket, self.endpoint)
        self._check_encryption()

    def _check_encryption(self) -> None:
        key = self.encryption_key
        path = ("storage", "encryption_key")
        if key is not None and not callable(key):
            try:
                parsed(key, dotted(path))
            except ConfigError as error:
                raise failed([Problem((path,), "cannot be used", (), str(error))]) from error
        way_out = (
            "put one into COMPACT_STORAGE_ENCRYPTION_KEY (`openssl rand -base64 32` makes one)"
        )
        has_one = key is not None or not self.encrypt
        need(has_one, Problem((("storage", "encrypt"),), "needs a key", (), way_out))


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionConfig:
    """What is taken out of everything that leaves the process.

    Attributes:
        enabled: Whether anything is. Without it secrets and personal data go wherever the archive
            and telemetry go; the log and an event say so.
        allow: Kinds of personal data that may pass: `email`, `phone`, `card`, `bank_account`,
            `national_id`, `birth_date`, `name`, `address`. Unless it is set none passes. Secrets
            cannot be allowed.
        patterns: Regular expressions of your own, beside what is known. A group named `secret`
            marks what is replaced in a match; without one it is the whole match.
        custom: Takes each text when all else is done, and returns it without what else is secret.
            If it raises, the text goes as a whole. An argument only: a file cannot name it.
        summarizer_prompt: Whether a summariser that asks a model sees redacted text only. It is
            then asked by a transcript: neither `summarizer.shape` prefix nor `summarizer.native`
            has any effect.
    """

    enabled: bool = True
    allow: tuple[PersonalKind, ...] = ALLOWED
    patterns: tuple[str, ...] = field(
        default=(), metadata={"what": "regular expressions", "between": "\n"}
    )
    custom: Custom | None = field(
        default=None,
        metadata={
            "what": "a function from text to text",
            "way_out": "only an argument can name it",
        },
    )
    summarizer_prompt: bool = False

    def __post_init__(self) -> None:
        check(self, ("redaction",))
        for pattern in self.patterns:
            try:
                compiled("redaction.patterns", pattern)
            except ConfigError as error:
                rule, why = "must be a list of regular expressions", str(error.__cause__)
                path = ("redaction", "patterns")
                raise failed([Problem((path,), rule, (pattern,), why)]) from error

    def gate(self) -> Gate:
        """Return what everything passes that leaves the process."""
        from compact_otel.redaction.redactor import Unredacted

        return self.redactor() if self.enabled else Unredacted()

    def redactor(self) -> Redactor:
        """Return what redacts as this says."""
        from compact_otel.redaction.redactor import Redactor

        return Redactor(self.patterns, allow=self.allow, custom=self.custom, section="redaction.")


def check_bucket(bucket: object, endpoint: object) -> None:
    """Refuse a bucket without a name, and an address that holds credentials.

    Raises:
        ConfigError: It names the setting and the way out.
    """
    paths = ("storage", "bucket"), ("storage", "adapter")
    said = isinstance(bucket, str) and bool(bucket)
    need(said, Problem(paths, "must be the name of a bucket for the adapter s3", (bucket,)))
    if endpoint is None:
        return
    path = ("storage", "endpoint")
    is_http = isinstance(endpoint, str) and endpoint.startswith(("http://", "https://"))
    need(is_http, Problem((path,), "must be an http(s) URL", (site(endpoint),)))
    if "@" in str(endpoint) or "?" in str(endpoint):  # not shown: it may be logged
        raise failed([Problem((path,), "seems to hold credentials", way_out=CHAIN)])
