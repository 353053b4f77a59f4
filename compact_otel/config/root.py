"""The whole configuration, and what of it holds for one model and one agent."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from compact_otel.config.names import unknown
from compact_otel.config.sections import (
    EstimatorConfig,
    RedactionConfig,
    StorageConfig,
    SummarizerConfig,
    TelemetryConfig,
)
from compact_otel.core.errors import ConfigError
from compact_otel.core.fields import Path, Problem, check, dotted, failed, need, rules_of
from compact_otel.core.settings import CompactPolicy

Overrides = Mapping[str, Mapping[str, Any]]
"""Settings by the name of a model or agent, or a pattern of it."""

SECTIONS: Mapping[str, type[Any]] = {
    "policy": CompactPolicy,
    "telemetry": TelemetryConfig,
    "estimator": EstimatorConfig,
    "summarizer": SummarizerConfig,
    "storage": StorageConfig,
    "redaction": RedactionConfig,
}

OVERRIDABLE = ("max_context_tokens", *(entry.name for entry in fields(CompactPolicy)))
"""What `models` and `agents` may say."""

BY_NAME = ("models", "agents")
"""What is different for some."""

_BY_NAME = "a mapping of settings by name"


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
            counts. Values are `max_context_tokens` and fields of `policy`. In the environment it is
            one JSON object.
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
    model: str | None = field(default=None, metadata={"what": "a model name"})
    max_context_tokens: int | None = field(default=None, metadata={"gt": 0})
    policy: CompactPolicy = field(default_factory=CompactPolicy)
    models: Overrides = field(default_factory=dict, metadata={"what": _BY_NAME})
    agents: Overrides = field(default_factory=dict, metadata={"what": _BY_NAME})
    telemetry: TelemetryConfig = field(default_factory=TelemetryConfig)
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)
    summarizer: SummarizerConfig = field(default_factory=SummarizerConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    redaction: RedactionConfig = field(default_factory=RedactionConfig)
    on_insufficient_budget: Literal["passthrough", "raise"] = "passthrough"

    def __post_init__(self) -> None:
        wrong = (found for name in SECTIONS if (found := not_a_section(name, getattr(self, name))))
        if first := next(wrong, None):
            raise failed([first])
        check(self)
        _check_window(self.max_context_tokens, self.policy)
        problems = [found for name in BY_NAME for found in self._wrong_overrides(name)]
        if problems:
            raise failed(problems)

    def _wrong_overrides(self, name: str) -> Iterator[Problem]:
        for pattern, values in getattr(self, name).items():
            path = (name, str(pattern))
            if not isinstance(pattern, str):
                yield Problem(((name,),), "must have names that are texts", (pattern,))
            elif not isinstance(values, Mapping):
                yield Problem((path,), "must be a mapping of settings", (values,))
            elif strange := [each for each in values if each not in OVERRIDABLE]:
                for each in strange:
                    yield unknown((*path, str(each)), OVERRIDABLE)
            else:
                try:
                    self._with(values)
                except ConfigError as error:
                    for problem in error.problems:
                        yield _of_override(problem, path, values)

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
        _check_window(tokens, policy)
        return policy, tokens

    @classmethod
    def load(
        cls, *, config: str | os.PathLike[str] | None = None, **arguments: Any
    ) -> CompactConfig:
        """Return the configuration of file and environment with `arguments` on top.

        Args:
            config: Path of the file; None for what `COMPACT_CONFIG` names, or else `compact.yaml`,
                `compact.yml` or `compact.json` in the working directory, if it is there.
            **arguments: Fields of this class or, flat, of its `policy`: `trigger_pct=0.8`. A
                mapping changes some fields of a section, a section made by hand is all of it.

        Raises:
            ConfigError: If a name is unknown or a value is impossible, here or there, or the file
                cannot be read. It names all of them, and where each comes from.
        """
        from compact_otel.config.loading import loaded

        return loaded(config, arguments)


def not_a_section(name: str, value: object) -> Problem | None:
    """Return what is wrong with what is to be a section, None if it is one."""
    kind = SECTIONS[name]
    if isinstance(value, kind):
        return None
    names = ", ".join(entry.name for entry in fields(kind))
    rule = f"must be a mapping of settings, or an instance of {kind.__name__}"
    return Problem(((name,),), rule, (value,), f"settings are {names}")


def _of_override(problem: Problem, where: Path, values: Mapping[str, Any]) -> Problem:
    """Return a problem of what an override makes of the settings, at its place there."""
    paths = tuple((*where, path[-1]) if path[-1] in values else path for path in problem.paths)
    more = "" if paths[0][: len(where)] == where else f"look at {dotted(where)}"
    return problem._replace(paths=paths, way_out=problem.way_out or more)


def _check_window(tokens: int | None, policy: CompactPolicy) -> None:
    if tokens is None:
        return
    rule = rules_of(CompactConfig)["max_context_tokens"]
    if problem := rule.problem(tokens, ("max_context_tokens",)):
        raise failed([problem])
    need(
        tokens > policy.hard_cap_buffer,
        Problem(
            (("max_context_tokens",), ("policy", "hard_cap_buffer")),
            "must be > policy.hard_cap_buffer",
            (tokens, policy.hard_cap_buffer),
            "lower the buffer for a window this small",
        ),
    )


def _first(overrides: Overrides, name: str | None) -> Mapping[str, Any]:
    """Return what the first pattern that fits a name says."""
    if name is not None:
        for pattern, values in overrides.items():
            if fnmatchcase(name, pattern):
                return values
    return {}
