"""One more attempt, where the service asks for it."""

import asyncio
import re
import time

import httpx

# The longest time that is waited for a second attempt, in seconds. Where it is longer the answer is the caller's.
LONGEST_WAIT = 10


class RetryingTransport(httpx.HTTPTransport):
    """Tries once more, after the time that the service asks for with ``Retry-After``."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        wait = _wait(request, response)
        if wait is None:
            return response
        response.close()
        time.sleep(wait)
        return super().handle_request(request)


class AsyncRetryingTransport(httpx.AsyncHTTPTransport):
    """Tries once more, after the time that the service asks for with ``Retry-After``."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        wait = _wait(request, response)
        if wait is None:
            return response
        await response.aclose()
        await asyncio.sleep(wait)
        return await super().handle_async_request(request)


def retry_after(response: httpx.Response) -> int | None:
    """How long the service asks to wait, in seconds."""
    seconds = response.headers.get("retry-after", "")
    return int(seconds) if re.fullmatch("[0-9]{1,9}", seconds) else None


def _wait(request: httpx.Request, response: httpx.Response) -> int | None:
    wait = retry_after(response)
    return wait if wait is not None and wait <= LONGEST_WAIT and _may_be_repeated(request, response) else None


def _may_be_repeated(request: httpx.Request, response: httpx.Response) -> bool:
    """Whether a request may be sent again. A 429 did nothing. A 503 may come from a request that was carried out but took too long, so it
    is repeated only where that makes no difference to the caller: of what is sent by POST, for a sign-in."""
    if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
        return response.status_code == httpx.codes.TOO_MANY_REQUESTS
    is_sign_in = request.method == "POST" and request.url.path.endswith("/sessions")
    return is_sign_in or request.method in {"GET", "HEAD", "DELETE"}
