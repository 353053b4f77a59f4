"""One request to a model that writes a summary: what is sent, what came back, what a trace shows.

The two APIs differ in the names of things only. What a model does not take (`temperature` with one
that reasons, `seed` or `store` with some servers) it says in its refusal; it is left out then, and
from then on. Waiting and asking again after 429, 5xx and lost connections is the client's own work:
exponential with jitter, by `Retry-After` where the server names a time.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider

from compact_otel.core import events
from compact_otel.core.errors import SummaryError
from compact_otel.core.types import Usage
from compact_otel.model_names import understood
from compact_otel.overflow import Overflow, overflow_in
from compact_otel.patience import Patience
from compact_otel.schema import ERROR_TYPE, SCHEMA, SCHEMA_URL, SCOPE
from compact_otel.suppression import is_suppressed
from compact_otel.telemetry import attributes_of, has_span_events
from compact_otel.version import __version__

if TYPE_CHECKING:
    from openai import AsyncOpenAI

ApiName = Literal["responses", "chat"]

_MOST = 10**12  # tokens; no request has more
_REASONING_TOKENS = 4_000
"""Room for what a model thinks before it writes; it counts as output."""

_WHO = "the span of a summariser"


class WindowError(SummaryError):
    """The request was larger than the model's window.

    Attributes:
        refused: What the provider says.
    """

    def __init__(self, refused: Overflow) -> None:
        super().__init__("the material is larger than the model's window", reason="window_exceeded")
        self.refused = refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a model is asked.

    Attributes:
        model: Its name.
        instructions: The fixed part of the prompt.
        message: The part that differs.
        tokens: The longest note.
        seed: Where the API takes one.
        timeout: Seconds for one request.
        prefix: The beginning of a request of the Responses API behind which `message` stands, as
            what the user says last; None for a request of our own.
    """

    model: str
    instructions: str
    message: str
    tokens: int
    seed: int | None
    timeout: float
    prefix: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back, in either API.

    Attributes:
        text: The note.
        model: The model that wrote it, as the provider names it.
        id: Of the response.
        finish: Why it ended; `stop` if by itself.
        refusal: Whether the model refused.
        usage: As the provider counted; None if it did not.
    """

    text: str
    model: str
    id: str | None
    finish: str
    refusal: bool
    usage: Usage | None


class Caller:
    """Asks models, and remembers what each of them does not take.

    Args:
        api: The API that is used.
        tracer_provider: Where spans go; None for the global provider.
    """

    def __init__(self, api: ApiName, tracer_provider: TracerProvider | None) -> None:
        self._api = api
        self._patience = Patience()
        self._tracer = trace.get_tracer(
            SCOPE, __version__, tracer_provider=tracer_provider, schema_url=SCHEMA_URL
        )
        self._refused: dict[str, frozenset[str]] = {}

    async def ask(self, client: AsyncOpenAI, question: Question, told: Told) -> Reply:
        """Return the answer, whatever it is worth.

        Raises:
            SummaryError: If there is none; `reason` says why.
        """
        handled = sys.exc_info()[1]  # a refusal of the agent's call, if this is its rescue
        while True:
            options = self._options(question)
            told.asks(options)
            try:
                reply = _reply(await self._sent(client, question, options))
            except Exception as error:  # a server, or a client made by others, may do anything
                unknown = _parameter_in(error, options, handled)
                if unknown is None:
                    raise _explained(error, handled) from error
                known = self._refused.get(question.model, frozenset())
                self._refused[question.model] = known | {unknown}
                continue
            told.hears(reply)
            return reply

    async def compact(
        self, client: AsyncOpenAI, request: Mapping[str, Any], told: Told
    ) -> tuple[tuple[Any, ...], Usage | None]:
        """Return what a provider made of a history, word for word, and what that cost.

        Raises:
            SummaryError: If there is no answer; `reason` says why.
        """
        handled = sys.exc_info()[1]
        try:
            raw = await client.responses.with_raw_response.compact(**request)
            # The parsed items are of other types than these, so they would not come out the same.
            output, answer = tuple(raw.http_response.json()["output"]), raw.parse()
        except Exception as error:  # a server, or a client made by others, may do anything
            raise _explained(error, handled) from error
        usage = _usage(getattr(answer, "usage", None), "input_tokens", "output_tokens")
        told.hears(
            Reply(
                text="",
                model=str(request["model"]),
                id=getattr(answer, "id", None),
                finish="stop",
                refusal=False,
                usage=usage,
            )
        )
        return output, usage

    def _options(self, question: Question) -> dict[str, Any]:
        """Return what is sent beside the text, without what the model is known not to take."""
        reasons = _reasons(question.model)
        room = output_room(question.model, question.tokens)
        sampling = {} if reasons else {"temperature": 0}
        options: dict[str, Any]
        if self._api == "responses":
            options = {"max_output_tokens": room, "store": False, **sampling}
            if reasons and question.prefix is None:
                options["reasoning"] = {"effort": "low"}
        else:
            options = {"max_completion_tokens": room, **sampling}
            if reasons:
                options["reasoning_effort"] = "low"
            if question.seed is not None:
                options["seed"] = question.seed
        refused = self._refused.get(question.model, frozenset())
        if "max_completion_tokens" in refused and "max_tokens" not in refused:
            options["max_tokens"] = room  # what servers of open models call it
        return {name: value for name, value in options.items() if name not in refused}

    async def _sent(
        self, client: AsyncOpenAI, question: Question, options: Mapping[str, Any]
    ) -> Any:
        if question.prefix is not None:
            last = {"role": "user", "content": question.message}
            request = {**question.prefix, "input": [*question.prefix["input"], last], **options}
            return await client.responses.create(**request, timeout=question.timeout)
        if self._api == "responses":
            return await client.responses.create(
                model=question.model,
                instructions=question.instructions,
                input=question.message,
                timeout=question.timeout,
                **options,
            )
        return await client.chat.completions.create(
            model=question.model,
            messages=[
                {"role": "system", "content": question.instructions},
                {"role": "user", "content": question.message},
            ],
            timeout=question.timeout,
            **options,
        )

    @contextmanager
    def span(self, client: AsyncOpenAI, model: str) -> Iterator[Told]:
        """Open the span of one request, below whatever span is current; no content is on it.

        The SDK's own record of exceptions is off: their texts may quote a conversation.
        """
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": _provider(client),
            "gen_ai.request.model": model,
        }
        url = client.base_url
        if host := getattr(url, "host", None):
            attributes["server.address"] = host
            attributes["server.port"] = url.port or (443 if url.scheme == "https" else 80)
        start = partial(
            self._tracer.start_span, f"chat {model}", kind=SpanKind.CLIENT, attributes=attributes
        )
        started = None if is_suppressed() else self._patience.call(_WHO, start)
        span = started or trace.INVALID_SPAN
        told = Told(span, self._patience)
        with trace.use_span(
            span, end_on_exit=False, record_exception=False, set_status_on_exception=False
        ):
            try:
                yield told
            except BaseException as error:
                told.fails(error)
                raise
            finally:
                self._patience.call(_WHO, span.end)


class Told:
    """What the span of one request tells; costs nothing where nobody records.

    Args:
        span: The span.
        patience: Calls it; its processors may fail or hang.
    """

    def __init__(self, span: trace.Span, patience: Patience) -> None:
        self._span = span
        self._patience = patience
        self._recording = patience.call(_WHO, span.is_recording) is True
        self._answered = False

    def asks(self, options: Mapping[str, Any]) -> None:
        """Tell what is sent."""
        limit = next((value for name, value in options.items() if name.startswith("max_")), None)
        self._set(
            {
                "gen_ai.request.max_tokens": limit,
                "gen_ai.request.temperature": 0.0 if "temperature" in options else None,
                "gen_ai.request.seed": options.get("seed"),
            }
        )

    def hears(self, reply: Reply) -> None:
        """Tell what came back."""
        self._answered = True
        self._set(
            {
                "gen_ai.response.model": reply.model,
                "gen_ai.response.id": reply.id,
                "gen_ai.response.finish_reasons": (reply.finish,),
                **_told_usage(reply.usage),
            }
        )

    def fails(self, error: BaseException) -> None:
        """Tell why there is no note; where there was an answer, the request itself went well."""
        reason = error.reason if isinstance(error, SummaryError) else type(error).__name__
        self._set({ERROR_TYPE: reason})
        if self._recording and not self._answered:
            self._patience.call(_WHO, partial(self._span.set_status, Status(StatusCode.ERROR)))

    def goes_on(self, reason: str, fallback: events.FailureFallback | None) -> None:
        """Tell what is done instead; None if that is for others to decide."""
        if not self._recording or fallback is None or not has_span_events():
            return
        failure = events.Failure(
            stage="summarize",
            fallback=fallback,
            error_type=reason,
            message="a summariser gave nothing usable",
        )
        name, attributes = SCHEMA[events.Failure].name, attributes_of(failure)
        self._patience.call(_WHO, partial(self._span.add_event, name, attributes))

    def _set(self, attributes: Mapping[str, Any]) -> None:
        if self._recording:
            known = {name: value for name, value in attributes.items() if value is not None}
            self._patience.call(_WHO, partial(self._span.set_attributes, known))


def output_room(model: str, tokens: int) -> int:
    """Return the tokens that a model may put out for a note of at most so many."""
    return tokens + tokens // 2 + 64 + (_REASONING_TOKENS if _reasons(model) else 0)


def _reasons(model: str) -> bool:
    return understood(model).family == "harmony"


def _provider(client: AsyncOpenAI) -> str:
    return "azure.ai.openai" if "Azure" in type(client).__name__ else "openai"


_NO_PARAMETER = frozenset({"model", "input", "messages", "instructions"})


def _parameter_in(
    error: Exception, options: Mapping[str, Any], handled: BaseException | None
) -> str | None:
    """Return the option that a refusal names, None if it is about something else."""
    if getattr(error, "status_code", None) not in (400, 422):
        return None
    if overflow_in(error, handled=handled):
        return None
    named = getattr(error, "param", None)
    if isinstance(named, str):
        named = re.split(r"[.\[]", named)[0]
        if named in options:
            return named
        if named in _NO_PARAMETER:
            return None
    text = str(error)
    return next((name for name in options if re.search(rf"\b{name}\b", text)), None)


def _explained(error: Exception, handled: BaseException | None) -> SummaryError:
    """Return an error of ours for one of the client's; its text may quote a conversation."""
    import openai

    if refused := overflow_in(error, handled=handled):
        return WindowError(refused)
    if isinstance(error, openai.APITimeoutError):
        reason = "timeout"
    elif isinstance(error, openai.APIConnectionError):
        reason = "connection"
    elif isinstance(error, openai.APIStatusError):
        reason = _status_reason(error.status_code, error.code)
    elif isinstance(error, openai.OpenAIError):
        reason = "malformed"
    else:  # an answer that is no JSON, or not of the API's form
        reason = "malformed" if isinstance(error, _WRONG_FORM) else type(error).__name__
    return SummaryError(f"the model gave no answer: {reason}", reason=reason)


_WRONG_FORM = (ValueError, TypeError, AttributeError, LookupError)
_REASONS = {
    401: "unauthorized",
    403: "unauthorized",
    404: "model_not_found",
    408: "timeout",
    429: "rate_limited",
}
_SERVER = 500


def _status_reason(status: int, code: str | None) -> str:
    if code == "content_filter":  # Azure refuses with a status
        return "refused"
    if code == "insufficient_quota":
        return code
    return _REASONS.get(status, "server_error" if status >= _SERVER else "bad_request")


def _reply(answer: Any) -> Reply:
    """Read an answer of either API.

    Raises:
        AttributeError, LookupError, TypeError: If it is not of the API's form.
    """
    reply = _chat_reply(answer) if hasattr(answer, "choices") else _responses_reply(answer)
    return replace(reply, text=_unwrapped(reply.text))


def _responses_reply(answer: Any) -> Reply:
    parts = [part for item in answer.output if item.type == "message" for part in item.content]
    details, usage = answer.incomplete_details, answer.usage
    finish = "stop" if answer.status in ("completed", None) else str(answer.status)
    if details is not None and details.reason:
        finish = {"max_output_tokens": "length"}.get(details.reason, str(details.reason))
    return Reply(
        text="".join(part.text for part in parts if part.type == "output_text"),
        model=str(answer.model),
        id=answer.id,
        finish=finish,
        refusal=any(part.type == "refusal" for part in parts),
        usage=_usage(usage, "input_tokens", "output_tokens"),
    )


def _chat_reply(answer: Any) -> Reply:
    choice, usage = answer.choices[0], answer.usage
    return Reply(
        text=_joined(choice.message.content),
        model=str(answer.model),
        id=answer.id,
        finish=str(choice.finish_reason or "stop"),
        refusal=bool(getattr(choice.message, "refusal", None)),
        usage=_usage(usage, "prompt_tokens", "completion_tokens"),
    )


def _usage(counted: Any, input_name: str, output_name: str) -> Usage | None:
    """Return what a server counted, None where it did not; servers like OpenAI's leave out much."""
    if _count(counted, input_name) is None:
        return None
    details = getattr(counted, f"{input_name}_details", None)
    return Usage(
        input_tokens=_count(counted, input_name) or 0,
        cached_tokens=_count(details, "cached_tokens") or 0,
        output_tokens=_count(counted, output_name) or 0,
    )


def _count(holder: Any, name: str) -> int | None:
    value = getattr(holder, name, None)
    return value if type(value) is int and 0 <= value <= _MOST else None


def _told_usage(usage: Usage | None) -> dict[str, int]:
    if usage is None:
        return {}
    told = {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
    }
    return {name: count for name, count in told.items() if count or "cache" not in name}


def _joined(content: str | Sequence[Any] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(str(getattr(part, "text", "")) for part in content)


_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"\A```(?:markdown|md|text)?\n(.*)\n```\Z", re.DOTALL)


def _unwrapped(text: str) -> str:
    """Return a note without the thoughts of an open model before it, or a fence around it."""
    text = _THOUGHT.sub("", text).strip()
    fenced = _FENCE.match(text)
    return fenced[1].strip() if fenced and "```" not in fenced[1] else text
