"""What a user can set, declared once: an argument wins over the environment, that over the default.

The environment has one rule: a field's name in upper case behind `COMPACT_`, with its section in
between except for `policy` and `telemetry`. So `policy.trigger_pct` is `COMPACT_TRIGGER_PCT`, and
`storage.path` is `COMPACT_STORAGE_PATH`. Lists are separated by commas (regular expressions by line
feeds), and `none` is an empty one. A `COMPACT_` name that no field has may belong to another
program, so it is only warned about when it looks like a typo.
"""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

from compact_otel.core.errors import ConfigError
from compact_otel.core.settings import CompactPolicy
from compact_otel.keys import Keys, parsed
from compact_otel.redaction.kinds import ALLOWED
from compact_otel.redaction.settings import Custom, checked_kinds, compiled

if TYPE_CHECKING:
    from compact_otel.redaction.redactor import Redactor

_log = logging.getLogger("compact_otel")
_UNNAMED_SECTIONS = ("policy", "telemetry")

Overrides = Mapping[str, Mapping[str, Any]]
"""Settings by the name of a model or agent, or a pattern of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """What events become, and where they go beside OpenTelemetry.

    Attributes:
        events: `span`: events of our span; `log`: log records of OpenTelemetry, which need no
            span that is sampled; `both`. A wrong word in the environment is told, and means `span`.
        spans: `always`: a span of ours for each model call; `triggered`: for those only that are
            not simply let through (compacted, replayed, failed). Metrics count all of them. A
            wrong word in the environment is told, and means `always`.
        exporter: `console` writes one JSON line per event to stderr; `ariadne` shows all spans of
            the tracer provider in the Ariadne viewer; `none` nothing.
        agent_spans: Whether the SDK's own tracing becomes OpenTelemetry spans, so that a compaction
            is seen where it happened: `auto` where no other bridge makes them.
        custom_span: Whether a compaction is a `custom_span` of the SDK's own tracing, too, which
            OpenAI's trace dashboard shows.
    """

    events: Literal["span", "log", "both"] = "span"
    spans: Literal["always", "triggered"] = "always"
    exporter: Literal["console", "ariadne", "none"] = "none"
    agent_spans: Literal["auto", "on", "off"] = "auto"
    custom_span: bool = False

    def __post_init__(self) -> None:
        _one_of("telemetry.events", self.events, ("span", "log", "both"))
        _one_of("telemetry.spans", self.spans, ("always", "triggered"))
        _one_of("telemetry.exporter", self.exporter, ("console", "ariadne", "none"))
        _one_of("telemetry.agent_spans", self.agent_spans, ("auto", "on", "off"))
        if not isinstance(self.custom_span, bool):
            raise ConfigError(
                f"need true or false in `telemetry.custom_span`, got {self.custom_span!r}"
            )


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
    timeout: float = 2.0

    def __post_init__(self) -> None:
        if not isinstance(self.exact, bool):
            raise ConfigError(f"need true or false in `estimator.exact`, got {self.exact!r}")
        _seconds("estimator.timeout", self.timeout)


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

    model: str | None = None
    fallback_models: tuple[str, ...] = ()
    api: Literal["responses", "chat"] = "responses"
    shape: Literal["transcript", "prefix"] = "transcript"
    native: bool = False
    window: int | None = None
    timeout: float = 60.0
    verify: bool = True
    facts_floor: float = 0.5
    ledger_pct: float = 0.4

    def __post_init__(self) -> None:
        self._check_models()
        _one_of("summarizer.api", self.api, ("responses", "chat"))
        _one_of("summarizer.shape", self.shape, ("transcript", "prefix"))
        if self.shape == "prefix" and self.api == "chat":
            raise ConfigError(
                "need `summarizer.api` to be responses for the `summarizer.shape` prefix, "
                "got 'chat': use the shape transcript"
            )
        _whole("summarizer.window", self.window)
        _seconds("summarizer.timeout", self.timeout)
        for name in ("native", "verify"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise ConfigError(f"need true or false in `summarizer.{name}`, got {value!r}")
        _share("summarizer.facts_floor", self.facts_floor, most=1.0)
        _share("summarizer.ledger_pct", self.ledger_pct, most=0.9)

    def _check_models(self) -> None:
        model, others = self.model, self.fallback_models
        if model is not None and (not isinstance(model, str) or not model.strip()):
            raise ConfigError(
                f"need a model name in `summarizer.model`, got {model!r}; "
                "leave it out for the extractive summariser"
            )
        if not isinstance(others, list | tuple) or not all(
            isinstance(name, str) and name.strip() for name in others
        ):
            raise ConfigError(
                f"need a list of model names in `summarizer.fallback_models`, got {others!r}"
            )
        object.__setattr__(self, "fallback_models", tuple(others))


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
    path: str = ".compact/archive"
    bucket: str | None = None
    prefix: str = "compact/archive"
    kms_key_id: str | None = None
    region: str | None = None
    endpoint: str | None = None
    compress: bool = False
    encrypt: bool | None = None
    encryption_key: Keys | None = field(default=None, repr=False)
    timeout: float = 10.0

    def __post_init__(self) -> None:
        _one_of("storage.adapter", self.adapter, ("fs", "s3", "memory", "none"))
        for name in ("bucket", "prefix", "kms_key_id", "region", "endpoint"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise ConfigError(f"need text in `storage.{name}`, got {value!r}")
        if self.adapter == "s3":
            check_bucket(self.bucket, self.endpoint)
        self._check_encryption()
        if not isinstance(self.path, str) or not self.path:
            raise ConfigError(f"need a folder in `storage.path`, got {self.path!r}")
        _seconds("storage.timeout", self.timeout)

    def _check_encryption(self) -> None:
        for name in ("compress", "encrypt"):
            value = getattr(self, name)
            if not isinstance(value, bool) and (name, value) != ("encrypt", None):
                raise ConfigError(f"need true or false in `storage.{name}`, got {value!r}")
        if self.encryption_key is not None and not callable(self.encryption_key):
            parsed(self.encryption_key, "storage.encryption_key")
        elif self.encryption_key is None and self.encrypt:
            raise ConfigError(
                "`storage.encrypt` needs a key: put one into COMPACT_STORAGE_ENCRYPTION_KEY "
                "(`openssl rand -base64 32` makes one)"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionConfig:
    """What is taken out of everything that leaves the process.

    Attributes:
        enabled: Whether anything is. Without it secrets and personal data go wherever the archive
            and telemetry go; the log and an event say so.
        allow: Kinds of personal data that may pass: `email`, `phone`, `card`, `bank_account`,
            `national_id`, `birth_date`, `name`, `address`. The last two pass unless this is set to
            something without them. Secrets cannot be allowed.
        patterns: Regular expressions of your own, beside what is known. A group named `secret`
            marks what is replaced in a match; without one it is the whole match.
        custom: Takes each text when all else is done, and returns it without what else is secret.
            If it raises, the text goes as a whole. Not in the environment.
        summarizer_prompt: Whether a summariser that asks a model sees redacted text only. It is
            then asked by a transcript: neither `summarizer.shape` prefix nor `summarizer.native`
            has any effect.
    """

    enabled: bool = True
    allow: tuple[str, ...] = ALLOWED
    patterns: tuple[str, ...] = ()
    custom: Custom | None = None
    summarizer_prompt: bool = False

    def __post_init__(self) -> None:
        for name in ("enabled", "summarizer_prompt"):
            if not isinstance(value := getattr(self, name), bool):
                raise ConfigError(f"need true or false in `redaction.{name}`, got {value!r}")
        for name, what in (("allow", "kinds of personal data"), ("patterns", "expressions")):
            value = getattr(self, name)
            if not isinstance(value, list | tuple) or not all(
                isinstance(one, str) for one in value
            ):
                raise ConfigError(f"need a list of {what} in `redaction.{name}`, got {value!r}")
            object.__setattr__(self, name, tuple(value))
        if self.custom is not None and not callable(self.custom):
            raise ConfigError(
                f"need a function from text to text in `redaction.custom`, got {self.custom!r}; "
                "it cannot be named in the environment"
            )
        checked_kinds("redaction.allow", self.allow)
        for pattern in self.patterns:
            compiled("redaction.patterns", pattern)

    def redactor(self) -> Redactor:
        """Return what redacts as this says."""
        from compact_otel.redaction.redactor import Redactor

        return Redactor(self.patterns, allow=self.allow, custom=self.custom, section="redaction.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactConfig:
    """Everything that can be set.

    Attributes:
        mode: `compact` does its work. `observe` says in spans and events what it would do, with the
            extractive summariser in memory, and changes, stores and pays nothing. `off` does not
            even look; `manual_compact` still works.
        model: Model name, for callers without the Agents SDK; in a model call the SDK's name wins.
        max_context_tokens: Tokens of input that the model accepts; None takes them from a table of
            model names.
        policy: When to compact and what stays.
        models: What is different for some models: `{"gpt-4o*": {"max_context_tokens": 60_000,
            "trigger_pct": 0.7}}`. Names may have the wildcards of a shell; the first that fits
            counts. Values are `max_context_tokens` and fields of `policy`. Not in the environment.
        agents: The same by the name of the agent; wins over `models`.
        telemetry: Where events go beside OpenTelemetry.
        estimator: How tokens are counted.
        summarizer: How summaries are asked for.
        storage: Where what is compacted away is kept.
        redaction: What is taken out of everything that leaves the process.
        on_insufficient_budget: What a model call does when what must stay does not fit:
            `passthrough` sends the input as it came, `raise` raises `InsufficientBudget`.
            `preflight` and `manual_compact` always raise.

    Raises:
        ConfigError: If a value is impossible; it names the field, the rule and the value.
    """

    mode: Literal["compact", "observe", "off"] = "compact"
    model: str | None = None
    max_context_tokens: int | None = None
    policy: CompactPolicy = field(default_factory=CompactPolicy)
    models: Overrides = field(default_factory=dict)
    agents: Overrides = field(default_factory=dict)
    telemetry: TelemetryConfig = field(default_factory=TelemetryConfig)
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)
    summarizer: SummarizerConfig = field(default_factory=SummarizerConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    redaction: RedactionConfig = field(default_factory=RedactionConfig)
    on_insufficient_budget: Literal["passthrough", "raise"] = "passthrough"

    def __post_init__(self) -> None:
        if self.model is not None and not isinstance(self.model, str):
            raise ConfigError(f"need a model name in `model`, got {self.model!r}")
        for name, kind in _SECTIONS.items():
            if not isinstance(value := getattr(self, name), kind):
                names = ", ".join(entry.name for entry in fields(kind))
                raise ConfigError(
                    f"need a {kind.__name__} in `{name}`, got {value!r}; "
                    f"a mapping with any of {names} will do"
                )
        _one_of("mode", self.mode, ("compact", "observe", "off"))
        _one_of("on_insufficient_budget", self.on_insufficient_budget, ("passthrough", "raise"))
        _fits_window(self.max_context_tokens, self.policy)
        for name in ("models", "agents"):
            self._check_overrides(name)

    def _check_overrides(self, name: str) -> None:
        overrides = getattr(self, name)
        if not isinstance(overrides, Mapping):
            raise ConfigError(f"need a mapping of names in `{name}`, got {overrides!r}")
        for pattern, values in overrides.items():
            where = f"{name}[{pattern!r}]"
            if not isinstance(pattern, str) or not isinstance(values, Mapping):
                raise ConfigError(f"need a mapping of settings in `{where}`, got {values!r}")
            for field_ in values:
                if field_ not in _OVERRIDABLE:
                    raise ConfigError(_unknown(str(field_), list(_OVERRIDABLE), f"{where}."))
            try:
                self._with(values)
            except ConfigError as error:
                raise ConfigError(f"{error} (in `{where}`)") from error

    def settings_for(
        self, model: str | None, agent: str | None
    ) -> tuple[CompactPolicy, int | None]:
        """Return the policy and `max_context_tokens` for a call.

        Args:
            model: Name as given to the SDK, None if unknown.
            agent: Name of the agent, None if unknown.
        """
        if not self.models and not self.agents:
            return self.policy, self.max_context_tokens
        return self._with({**_first(self.models, model), **_first(self.agents, agent)})

    def _with(self, values: Mapping[str, Any]) -> tuple[CompactPolicy, int | None]:
        rest = dict(values)
        tokens = rest.pop("max_context_tokens", self.max_context_tokens)
        policy = replace(self.policy, **rest)
        _fits_window(tokens, policy)
        return policy, tokens

    @classmethod
    def load(cls, **arguments: Any) -> CompactConfig:
        """Return the configuration of the environment with `arguments` on top.

        Args:
            **arguments: Fields of this class or, flat, of its `policy`: `trigger_pct=0.8`.

        Raises:
            ConfigError: If a name is unknown or a value is impossible, here or there.
        """
        return replace_fields(_with(cls(), _from_environment(os.environ)), **arguments)


_OVERRIDABLE = ("max_context_tokens", *(entry.name for entry in fields(CompactPolicy)))


def _fits_window(tokens: int | None, policy: CompactPolicy) -> None:
    _whole("max_context_tokens", tokens)
    if tokens is not None and tokens <= policy.hard_cap_buffer:
        raise ConfigError(
            "need `max_context_tokens` > `policy.hard_cap_buffer`, "
            f"got {tokens} and {policy.hard_cap_buffer}: lower the buffer for a window this small"
        )


def _first(overrides: Overrides, name: str | None) -> Mapping[str, Any]:
    """Return what the first pattern that fits a name says."""
    if name is not None:
        for pattern, values in overrides.items():
            if fnmatchcase(name, pattern):
                return values
    return {}


_SECTIONS: dict[str, type[Any]] = {
    "policy": CompactPolicy,
    "telemetry": TelemetryConfig,
    "estimator": EstimatorConfig,
    "summarizer": SummarizerConfig,
    "storage": StorageConfig,
    "redaction": RedactionConfig,
}


def replace_fields(config: CompactConfig, **arguments: Any) -> CompactConfig:
    """Return `config` with other values; policy fields may be given flat, sections as mappings.

    Raises:
        ConfigError: If a name is unknown or a value is impossible.
    """
    values: dict[str, dict[str, Any]] = {}
    for name, value in arguments.items():
        section, known = _place(name)
        if isinstance(value, Mapping) and known in _SECTIONS:
            valid = [entry.name for entry in fields(_SECTIONS[known])]
            for key in value:
                if key not in valid:
                    raise ConfigError(_unknown(str(key), valid, f"{known}."))
            values.setdefault(known, {}).update(value)
        else:
            values.setdefault(section, {})[known] = value
    return _with(config, values)


def _place(name: str) -> tuple[str, str]:
    """Return (section, field) of an argument; the section of a top-level field is ''."""
    top = [entry.name for entry in fields(CompactConfig)]
    policy = [entry.name for entry in fields(CompactPolicy)]
    if name in top:
        return "", name
    if name in policy:
        return "policy", name
    raise ConfigError(_unknown(name, [*top, *policy]))


def _with(config: CompactConfig, values: Mapping[str, Mapping[str, Any]]) -> CompactConfig:
    """Return `config` with values by section, all put in at once: rules span fields."""
    changes: dict[str, Any] = dict(values.get("", {}))
    for name, kind in _SECTIONS.items():
        if name in values:
            section: Any = changes.get(name, getattr(config, name))
            if isinstance(section, kind):  # if not, the field says so
                changes[name] = replace(section, **values[name])
    return replace(config, **changes)


_FORGIVEN = (("telemetry", "events"), ("telemetry", "spans"))

_READ_ELSEWHERE = "COMPACT_ARIADNE_"
"""OpenTelemetry makes that exporter, which then looks after its own settings."""


def _from_environment(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the values that the environment sets, by section."""
    values: dict[str, dict[str, Any]] = {}
    given = {
        name: text
        for name, text in environment.items()
        if name.startswith("COMPACT_") and text.strip()
    }
    names = _environment_names() if given else {}
    for name, text in given.items():
        if name.startswith(_READ_ELSEWHERE):
            continue
        if name not in names:
            if _nearest(name, names, cutoff=0.8):
                _log.warning("%s", _unknown(name, list(names)))
            continue
        section, known, kind = names[name]
        value = _parsed(name, text.strip(), kind)
        if (section, known) in _FORGIVEN and value not in get_args(kind):
            # Telemetry that was misspelt is no reason to leave the calls to overflow.
            _log.warning(
                "need `%s` to be one of %s, got %r; it counts as %s",
                *(name, ", ".join(get_args(kind)), value, getattr(TelemetryConfig(), known)),
            )
            continue
        values.setdefault(section, {})[known] = value
    return values


def _environment_names() -> dict[str, tuple[str, str, Any]]:
    """Return environment name -> (section, field, type), by the rule at the head of the module."""
    names: dict[str, tuple[str, str, Any]] = {}
    sections: dict[str, type[Any]] = {"": CompactConfig, **_SECTIONS}
    for section, kind in sections.items():
        hints = get_type_hints(kind)
        for entry in fields(kind):
            if is_dataclass(hints[entry.name]) or hints[entry.name] == Overrides:
                continue
            path = (entry.name,) if section in ("", *_UNNAMED_SECTIONS) else (section, entry.name)
            names["_".join(("COMPACT", *path)).upper()] = (section, entry.name, hints[entry.name])
    return names


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _parsed(name: str, text: str, kind: Any) -> Any:
    """Return the text as a value of a field's type; what the value may be, the field checks."""
    wanted = [option for option in (get_args(kind) or (kind,)) if option in (int, float)]
    if wanted:
        try:
            return wanted[0](text)
        except ValueError as error:
            what = "a whole number" if wanted[0] is int else "a number"
            raise ConfigError(f"need {what} in `{name}`, got {text!r}") from error
    if kind in (bool, bool | None):
        if text.lower() not in _BOOLEANS:
            raise ConfigError(f"need true or false in `{name}`, got {text!r}")
        return _BOOLEANS[text.lower()]
    if kind == tuple[str, ...]:
        if text.lower() == "none":
            return ()
        between = (
            "\n" if name.endswith("_PATTERNS") else ","
        )  # expressions have commas of their own
        return tuple(part.strip() for part in text.split(between) if part.strip())
    return text


def check_bucket(bucket: object, endpoint: object) -> None:
    """Refuse a bucket without a name, and an address that holds credentials.

    Raises:
        ConfigError: It names the setting and the way out.
    """
    if not isinstance(bucket, str) or not bucket:
        raise ConfigError(f"need the name of a bucket in `storage.bucket`, got {bucket!r}")
    if endpoint is None:
        return
    if not isinstance(endpoint, str) or not endpoint.startswith(("http://", "https://")):
        raise ConfigError(f"need an http(s) URL in `storage.endpoint`, got {endpoint!r}")
    if "@" in endpoint or "?" in endpoint:  # not shown: it may be logged
        raise ConfigError(f"`storage.endpoint` seems to hold credentials: {_CHAIN}")


def _one_of(name: str, value: object, valid: tuple[str, ...]) -> None:
    if value not in valid:
        raise ConfigError(f"need `{name}` to be one of {', '.join(valid)}, got {value!r}")


def _whole(name: str, value: int | None) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value <= 0):
        raise ConfigError(f"need a whole `{name}` > 0, got {value!r}")


def _seconds(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ConfigError(f"need seconds > 0 in `{name}`, got {value!r}")


def _share(name: str, value: object, *, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ConfigError(f"need 0 <= `{name}` <= {most:g}, got {value!r}")


_CREDENTIAL = re.compile(r"(?i)access_key|secret|password|credential|session_token")
_CHAIN = "leave them to boto3's default chain (a role, a profile or the environment)"


def _unknown(name: str, valid: list[str], section: str = "") -> str:
    if _CREDENTIAL.search(name):
        return f"`{section}{name}` is not a setting: credentials are none, {_CHAIN}"
    near = _nearest(name, valid, cutoff=0.6)
    if near:
        return f"`{section}{name}` is not a setting; did you mean `{section}{near}`?"
    return f"`{section}{name}` is not a setting; valid are {', '.join(sorted(valid))}"


def _nearest(name: str, names: Iterable[str], *, cutoff: float) -> str | None:
    import difflib  # only for those who mistype

    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=cutoff)), None)
