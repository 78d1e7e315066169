"""Short ways for what every app does, around what is generated."""

import re
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, Protocol, Self

import httpx

from .generated import Client
from .generated.models import Credentials, CurrentSession, Delivery, Problem, Session
from .retry import AsyncRetryingTransport, RetryingTransport, retry_after

# How long an answer is waited for, in seconds. The service gives up earlier by itself.
TIMEOUT = 10.0


class Headers(Protocol):
    """The headers of a request, in whatever case."""

    def get(self, key: str, /) -> str | None: ...


class IncomingRequest(Protocol):
    """A request that came to a backend: of Starlette, FastAPI, Django, Flask or anything else with such headers."""

    @property
    def headers(self) -> Headers: ...


@dataclass(frozen=True)
class SignedIn:
    """A sign-in that succeeded."""

    session: Session
    token: str
    """What opens the session. It is secret, and is shown only here."""

    def __repr__(self) -> str:
        return f"SignedIn(session.id={str(self.session.id)!r})"


class ProblemError(Exception):
    """The service refused a request, or could not answer it. Tell failures apart by ``type``, as ``/problems/invalid-credentials``."""

    def __init__(self, problem: Problem, retry_after: int | None) -> None:
        super().__init__(f"{problem.type_}: {problem.detail}")
        self.problem = problem
        self.type = problem.type_
        self.retry_after = retry_after
        """After how many seconds another attempt may succeed, where the service says so."""


class Bienvenue:
    """A client that waits for its answers. It may be shared by threads."""

    def __init__(self, base_url: str, *, token: str | None = None, timeout: float = TIMEOUT) -> None:
        """Calls the service at ``base_url``, as ``https://auth.example.com``: signed in, where there is the ``token`` of a session."""
        self._http = httpx.Client(
            base_url=base_url, headers=_authorization(token), cookies=_no_cookies(), timeout=timeout, transport=RetryingTransport()
        )
        self.client = Client(base_url=base_url, raise_on_unexpected_status=True).set_httpx_client(self._http)
        """What the generated operations are called with."""

    def sign_in(self, email: str, password: str, *, client_address: str | None = None, user_agent: str | None = None) -> SignedIn:
        """Signs in for a token. A backend that does so for somebody else says from where: ``client_address`` is believed where the
        address of the backend is one of BIENVENUE_TRUSTED_PROXIES.

        Raises ``ProblemError``: ``/problems/invalid-credentials`` if there is no such account or the password is wrong.
        """
        return _signed_in(self._http.request(**_sign_in(email, password, client_address, user_agent)))

    def sign_out(self, request: IncomingRequest | None = None, *, client_address: str | None = None) -> None:
        """Ends the session of ``request``, or of this client where there is no request. It is no error if it has ended already."""
        headers = _forwarded(request, client_address)
        if headers is not None:
            _signed_out(self._http.delete("/sessions/current", headers=headers))

    def get_session(self, request: IncomingRequest | None = None, *, client_address: str | None = None) -> CurrentSession | None:
        """Returns who is signed in, or ``None`` if nobody is: by the cookie or the Bearer token of ``request``, or by the token of this
        client where there is no request.

        Raises ``ProblemError`` or ``httpx.HTTPError`` if the service can't say. Answer 503 then: somebody may well be signed in.
        """
        headers = _forwarded(request, client_address)
        return None if headers is None else _current(self._http.get("/sessions/current", headers=headers))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class AsyncBienvenue:
    """A client that is awaited."""

    def __init__(self, base_url: str, *, token: str | None = None, timeout: float = TIMEOUT) -> None:
        """Calls the service at ``base_url``, as ``https://auth.example.com``: signed in, where there is the ``token`` of a session."""
        self._http = httpx.AsyncClient(
            base_url=base_url, headers=_authorization(token), cookies=_no_cookies(), timeout=timeout, transport=AsyncRetryingTransport()
        )
        self.client = Client(base_url=base_url, raise_on_unexpected_status=True).set_async_httpx_client(self._http)
        """What the generated operations are called with."""

    async def sign_in(self, email: str, password: str, *, client_address: str | None = None, user_agent: str | None = None) -> SignedIn:
        """As :meth:`Bienvenue.sign_in`."""
        return _signed_in(await self._http.request(**_sign_in(email, password, client_address, user_agent)))

    async def sign_out(self, request: IncomingRequest | None = None, *, client_address: str | None = None) -> None:
        """As :meth:`Bienvenue.sign_out`."""
        headers = _forwarded(request, client_address)
        if headers is not None:
            _signed_out(await self._http.delete("/sessions/current", headers=headers))

    async def get_session(self, request: IncomingRequest | None = None, *, client_address: str | None = None) -> CurrentSession | None:
        """As :meth:`Bienvenue.get_session`."""
        headers = _forwarded(request, client_address)
        return None if headers is None else _current(await self._http.get("/sessions/current", headers=headers))

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


def _authorization(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _no_cookies() -> CookieJar:
    """Keeps no cookies: a backend's client calls for many people, and no answer to one may sign in another."""
    return CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))


def _forwarded(request: IncomingRequest | None, client_address: str | None) -> dict[str, str] | None:
    """The headers that show the session of a request: the cookie or the token, and nothing else of it. None if there is neither."""
    address = {} if client_address is None else {"X-Forwarded-For": client_address}
    if request is None:
        return address
    authorization = request.headers.get("authorization") or ""
    if authorization.lower().startswith("bearer "):
        # As the service does: where there is a token it decides, whatever the cookie says. One with other characters is none.
        return {"Authorization": authorization, **address} if re.fullmatch(r"[!-~]+ [!-~]+", authorization) else None
    cookies = [cookie.strip() for cookie in (request.headers.get("cookie") or "").split(";")]
    # The names are those with TLS and on localhost.
    found = [cookie for cookie in cookies if re.fullmatch(r"(__Host-session|bienvenue-session)=[!-~]+", cookie)]
    return {"Cookie": "; ".join(found), **address} if found else None


def _sign_in(email: str, password: str, client_address: str | None, user_agent: str | None) -> dict[str, Any]:
    headers = {"X-Forwarded-For": client_address, "User-Agent": user_agent}
    return {
        "method": "POST",
        "url": "/sessions",
        "json": Credentials(email=email, password=password, delivery=Delivery.TOKEN).to_dict(),
        "headers": {name: value for name, value in headers.items() if value is not None},
    }


def _signed_in(response: httpx.Response) -> SignedIn:
    session = Session.from_dict(_answer(response))
    if not isinstance(session.token, str):
        raise ValueError("the answer to the sign-in has no token")
    return SignedIn(session, session.token)


def _signed_out(response: httpx.Response) -> None:
    if response.status_code != httpx.codes.UNAUTHORIZED:
        _answer(response)


def _current(response: httpx.Response) -> CurrentSession | None:
    if response.status_code == httpx.codes.UNAUTHORIZED:
        return None
    return CurrentSession.from_dict(_answer(response))


def _answer(response: httpx.Response) -> Any:
    """The body of an answer that is no problem."""
    if response.is_success:
        return response.json() if response.content else None
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        raise ProblemError(Problem.from_dict(response.json()), retry_after(response))
    # It comes from something between here and the service.
    raise httpx.HTTPStatusError(
        f"{response.url} answered {response.status_code}, but not as the service does", request=response.request, response=response
    )
