"""Puts compact_otel into the Agents SDK, and takes it out again without a trace.

`get_response` and `stream_response` are wrapped in every subclass of `agents.Model`, in three ways
that together leave no gap: a post-import hook (so switching on imports nothing of the SDK),
`Model.__init_subclass__` for classes defined later, and a walk over those that exist already. What
a wrapper does is loaded with the first model call, so that a program starts as fast as without us.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from os import PathLike
from typing import TYPE_CHECKING, Any

import wrapt

from compact_otel.config import (
    CompactConfig,
    EstimatorConfig,
    RedactionConfig,
    StorageConfig,
    SummarizerConfig,
    replace_fields,
)
from compact_otel.core.errors import ConfigError
from compact_otel.manager import CompactManager

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from compact_otel.agent_spans import AgentSpans

_log = logging.getLogger("compact_otel")

_MODELS = "agents.models.interface"
_RUNNER = "agents.run"
OLDEST_SDK = "0.14"
"""The first version of openai-agents that this works with."""

_METHODS = ("get_response", "stream_response")
_PARTS = (
    *("estimator", "summarizer", "storage", "exporters"),
    *("tracer_provider", "meter_provider", "logger_provider"),
)

_SECTIONS = (Mapping, EstimatorConfig, StorageConfig, SummarizerConfig, RedactionConfig)

_active: CompactManager | None = None  # None: our wrappers are inert
_agent_spans: AgentSpans | None = None


def active_manager() -> CompactManager | None:
    """Return the manager that model calls go to, None while switched off."""
    return _active


def switch_on(manager: CompactManager) -> None:
    """Let every model call go to a manager, whether the SDK is imported already or later."""
    global _active  # noqa: PLW0603 - the SDK's classes are the process's, too
    _active = manager
    for module, install in ((_MODELS, _install_models), (_RUNNER, _install_runner)):
        wrapt.register_post_import_hook(install, module)  # at once if already imported


def switch_off() -> None:
    """Put every class of the SDK back as it was."""
    global _active  # noqa: PLW0603 - as above
    _active = None
    _restore_models()
    _restore_runner()


def described_manager(options: dict[str, Any]) -> CompactManager:
    """Return the manager that the options of `instrument()` describe.

    Raises:
        ConfigError: If they describe none.
    """
    options = dict(options)
    given = options.pop("manager", None)
    # `storage` is a section of the configuration, or an adapter made by hand; two others likewise.
    parts = {
        name: options.pop(name)
        for name in _PARTS
        if name in options and not isinstance(options[name], _SECTIONS)
    }
    config = options.pop("config", None)
    if given is not None:
        if parts or options or config is not None:
            raise ConfigError("need either `manager` or other options, got both")
        if not isinstance(given, CompactManager):
            raise ConfigError(f"need a CompactManager in `manager`, got {type(given).__name__}")
        return given
    if config is None or isinstance(config, str | PathLike):
        config = CompactConfig.load(config=config, **options)
    elif isinstance(config, CompactConfig):
        config = replace_fields(config, **options)
    else:
        raise ConfigError(
            f"need a CompactConfig, or the path of a file, in `config`, got {type(config).__name__}"
        )
    return CompactManager(config, **parts)


class _Wrapper(wrapt.FunctionWrapper):  # type: ignore[type-arg]  # its types are the method's
    """Our wrapper around one method of one class; passes through while switched off."""

    def __init__(self, found: Any, handler: Callable[..., Any], *, own: bool) -> None:
        super().__init__(found, handler)
        self._self_own = own

    @property
    def own(self) -> bool:
        """Whether what we wrapped stood in this class's own `__dict__`."""
        return bool(self._self_own)


def _model_handler(name: str) -> Callable[..., Any]:
    def enter(wrapped: Any, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        manager = active_manager()
        if manager is None:
            return wrapped(*args, **kwargs)
        from compact_otel.hooks import HANDLERS
        from compact_otel.model_call import ModelCall

        return HANDLERS[name](manager, ModelCall(wrapped, model, args, kwargs))

    return enter


def _install_models(module: Any) -> None:
    """Wrap the model classes; the post-import hook cannot be taken back, so it asks first."""
    # `agents` is a common module name: go on only if this is the SDK.
    ours = all(hasattr(module, name) for name in ("Model", "ModelProvider", "ModelTracing"))
    if active_manager() is None or not ours or _is_too_old():
        return
    model = module.Model
    if not isinstance(model.__dict__.get("__init_subclass__"), _SubclassHook):
        model.__init_subclass__ = _SubclassHook(model)
    for cls in _subclasses(model):
        _wrap(cls)


def _is_too_old() -> bool:
    """Say whether the SDK is older than what we know, and log it if so."""
    try:
        found = metadata.version("openai-agents")
    except metadata.PackageNotFoundError:  # not installed, but there: the user knows
        return False
    parts = [int(part) for part in found.split(".")[:2] if part.isdigit()]
    if parts >= [int(part) for part in OLDEST_SDK.split(".")]:
        return False
    _log.error(
        "compact_otel stays off: need openai-agents >= %s, found %s; upgrade it", OLDEST_SDK, found
    )
    return True


class _SubclassHook(classmethod):  # type: ignore[type-arg]  # its types are the method's
    """`Model.__init_subclass__` while switched on: wraps each class as it is defined."""

    def __init__(self, model: Any) -> None:
        self.before = model.__dict__.get("__init_subclass__")

        def hook(cls: type, **options: Any) -> None:
            if self.before is None:
                super(model, cls).__init_subclass__(**options)  # type: ignore[misc]  # Any
            else:
                self.before.__get__(None, cls)(**options)
            if active_manager() is not None:
                _wrap(cls)

        super().__init__(hook)


def _wrap(cls: type) -> None:
    """Wrap both methods in a class's own `__dict__`, also those that a mixin provides."""
    for name in _METHODS:
        found = inspect.getattr_static(cls, name, None)
        abstract = getattr(found, "__isabstractmethod__", False)
        if found is not None and not abstract and not isinstance(found, _Wrapper):
            setattr(cls, name, _Wrapper(found, _model_handler(name), own=name in cls.__dict__))


def _unwrap(cls: type, name: str) -> None:
    """Put back the very object that was there; another tool's patch on top of ours stays."""
    wrapper = cls.__dict__.get(name)
    if isinstance(wrapper, _Wrapper):
        delattr(cls, name)
        if wrapper.own:
            setattr(cls, name, wrapper.__wrapped__)


def _restore_models() -> None:
    module = sys.modules.get(_MODELS)
    if module is None or not hasattr(module, "Model"):
        return
    hook = module.Model.__dict__.get("__init_subclass__")
    if isinstance(hook, _SubclassHook):
        del module.Model.__init_subclass__
        if hook.before is not None:
            module.Model.__init_subclass__ = hook.before
    for cls in _subclasses(module.Model):
        for name in _METHODS:
            _unwrap(cls, name)


def _subclasses(cls: Any) -> Iterator[type]:
    for sub in cls.__subclasses__():
        yield sub
        yield from _subclasses(sub)


def _install_runner(module: Any) -> None:
    """Let model calls know their run's session: a hint for names, nothing depends on it."""
    runner = getattr(module, "AgentRunner", None)
    if active_manager() is None or runner is None:
        return
    for name, handler in (("run", _run_with_hint), ("run_streamed", _run_streamed_with_hint)):
        found = runner.__dict__.get(name)
        if found is not None and not isinstance(found, _Wrapper):
            setattr(runner, name, _Wrapper(found, handler, own=True))


async def _run_with_hint(
    wrapped: Any,
    runner: Any,  # noqa: ARG001 - wrapt's signature
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    from compact_otel.session import in_session

    _show_agents()
    with in_session(kwargs.get("session")):
        return await wrapped(*args, **kwargs)


def _run_streamed_with_hint(
    wrapped: Any,
    runner: Any,  # noqa: ARG001 - wrapt's signature
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    from compact_otel.session import in_session

    _show_agents()
    with in_session(kwargs.get("session")):  # the run's task copies the context in which it is made
        return wrapped(*args, **kwargs)


def _show_agents() -> None:
    """Make spans of the run that is about to begin, where that is wanted."""
    global _agent_spans  # noqa: PLW0603 - one for the process, as the SDK's tracing is
    if not _wants_agent_spans():
        return
    from compact_otel.agent_spans import AgentSpans, register

    if _agent_spans is None:
        _agent_spans = AgentSpans(_span_provider, _wants_agent_spans, _clean)
    register(_agent_spans)


def _wants_agent_spans() -> bool:
    """Say so for the next trace: a bridge may have been switched on meanwhile, or we off."""
    manager = active_manager()
    if manager is None or manager.config.mode == "off":
        return False
    wanted = manager.config.telemetry.agent_spans
    if wanted == "off":
        return False
    from compact_otel.agent_spans import is_bridged

    return wanted == "on" or not is_bridged()


def _clean(name: str) -> str:
    """Return a name of the application as it may stand on a span."""
    manager = active_manager()
    return name if manager is None else manager.clean_name(name)


def _span_provider() -> TracerProvider | None:
    manager = active_manager()
    return None if manager is None else manager.tracer_provider


def _restore_runner() -> None:
    runner = getattr(sys.modules.get(_RUNNER), "AgentRunner", None)
    if runner is not None:
        for name in ("run", "run_streamed"):
            _unwrap(runner, name)
