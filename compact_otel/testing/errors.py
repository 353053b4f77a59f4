"""The errors an OpenAI server answers with: exceptions here, a status and JSON on the wire."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any


class ApiError(Exception):
    """An answer of the form `{"error": {"message", "type", "param", "code"}}`.

    A behaviour may raise it to fail a request in a way that `Step.status` and `Step.error` cannot
    say.

    Args:
        message: What the server says.
        status: The HTTP status; from 500 on the error's type is `server_error`.
        code: What programs tell the error by, such as `context_length_exceeded`.
        param: The field of the request that it is about.

    Attributes:
        status: The HTTP status.
        error: The object under `error` on the wire.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        kind = (
            "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
        )
        self.error: dict[str, Any] = {
            "message": message,
            "type": kind,
            "param": param,
            "code": code,
        }


class ContextOverflowError(ApiError):
    """The input does not fit: the one error that some servers put into the stream instead."""


def no_api_key() -> ApiError:
    """Return the error for a request without an Authorization header (quoted)."""
    return ApiError(
        "You didn't provide an API key. You need to provide your API key in an Authorization "
        "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field "
        "(with blank username) if you're accessing the API from your browser and are prompted for "
        "a username and password. You can obtain an API key from "
        "https://platform.openai.com/account/api-keys.",
        status=401,
    )


def invalid_url(method: str, path: str, status: int = 404) -> ApiError:
    """Return the error for a path that is no endpoint (quoted), or not with this method."""
    return ApiError(f"Invalid URL ({method} {path})", status=status)


def unreadable_body() -> ApiError:
    """Return the error for a body that is no JSON (quoted)."""
    return ApiError(
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't "
        "using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was "
        "sent was not valid JSON. If you have trouble figuring out how to fix this, please contact "
        "us through our help center at help.openai.com.)"
    )
