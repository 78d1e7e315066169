"""The package as its users get it: installed from its wheel, checked by mypy, and used with a running service."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import bienvenue_client
import httpx
import pytest
from bienvenue_client import AsyncBienvenue, Bienvenue, IncomingRequest, ProblemError, Registration
from bienvenue_client.generated.api.accounts import register
from conftest import free_port
from django.conf import settings
from django.test import RequestFactory
from fastapi import Request
from flask import Request as FlaskRequest
from werkzeug.test import EnvironBuilder

APP = Path(__file__).parent / "app"
EMAIL, PASSWORD = "ada@example.com", "correct horse battery"

StartService = Callable[..., str]
settings.configure()


def open_account(url: str) -> None:
    with Bienvenue(url) as bienvenue:
        register.sync(client=bienvenue.client, body=Registration(email=EMAIL, password=PASSWORD))


def sign_in_by_cookie(url: str) -> str:
    """The cookie, as a browser sends it."""
    cookie = httpx.post(f"{url}/sessions", json={"email": EMAIL, "password": PASSWORD}).headers["set-cookie"]
    return str(cookie).split(";")[0]


class Headers(dict[str, str]):
    """A request that is its headers."""

    @property
    def headers(self) -> dict[str, str]:
        return self


def requests(cookie: str) -> dict[str, IncomingRequest]:
    """The request with this cookie, as each framework has it."""
    return {
        "starlette": Request({"type": "http", "headers": [(b"cookie", cookie.encode("latin-1"))]}),
        "django": RequestFactory().get("/", HTTP_COOKIE=cookie),
        "flask": FlaskRequest(EnvironBuilder(headers=[("Cookie", cookie)]).get_environ()),
    }


def test_it_is_installed_and_says_that_it_is_typed() -> None:
    package = Path(bienvenue_client.__file__).parent
    assert package.is_relative_to(sys.prefix)
    assert (package / "py.typed").exists()


def test_a_misspelt_name_is_refused_by_mypy_and_a_right_one_is_not(tmp_path: Path) -> None:
    shown = tmp_path / "shown.py"
    shown.write_text((APP.parents[1] / "README.md").read_text().split("```python\n")[1].split("```")[0])
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "right.py", "misspelt.py", str(shown)]
    checked = subprocess.run(command, cwd=APP, capture_output=True, text=True)
    errors = re.findall(r"^(\S+\.py):(\d+): error:", checked.stdout, re.MULTILINE)
    lines = (APP / "misspelt.py").read_text().splitlines()
    wrong = [str(number) for number, line in enumerate(lines, 1) if re.search(r"pasword|tokn|\(current\.user\)|emial", line)]
    assert sorted(set(errors)) == [("misspelt.py", number) for number in wrong], checked.stdout


def test_a_wrong_password_is_a_problem_and_no_session_is_none(start_service: StartService) -> None:
    url = start_service()
    open_account(url)
    with Bienvenue(url) as bienvenue:
        with pytest.raises(ProblemError) as refused:
            bienvenue.sign_in(EMAIL, "wrong")
        assert refused.value.type == "/problems/invalid-credentials"
        assert bienvenue.get_session() is None
        bienvenue.sign_out()


def test_signing_in_and_out(start_service: StartService) -> None:
    url = start_service(BIENVENUE_TRUSTED_PROXIES="127.0.0.1")
    open_account(url)
    with Bienvenue(url) as bienvenue:
        signed_in = bienvenue.sign_in(EMAIL, PASSWORD, client_address="192.0.2.7", user_agent="Telephone/1.0")
        assert signed_in.token not in repr(signed_in)
        assert (signed_in.session.ip, signed_in.session.user_agent) == ("192.0.2.7", "Telephone/1.0")
        assert bienvenue.get_session() is None, "the client is nobody's"
    with Bienvenue(url, token=signed_in.token) as ada:
        current = ada.get_session()
        assert current is not None and current.user.email == EMAIL
        ada.sign_out()
        assert ada.get_session() is None


def test_signing_in_and_out_asynchronously(start_service: StartService) -> None:
    url = start_service()
    open_account(url)

    async def story() -> None:
        async with AsyncBienvenue(url) as bienvenue:
            signed_in = await bienvenue.sign_in(EMAIL, PASSWORD)
            assert await bienvenue.get_session(Headers(authorization="Bearer made-up")) is None
        async with AsyncBienvenue(url, token=signed_in.token) as ada:
            current = await ada.get_session()
            assert current is not None and current.user.email == EMAIL
            await ada.sign_out()
            assert await ada.get_session() is None

    asyncio.run(story())


def test_a_backend_knows_who_calls(start_service: StartService) -> None:
    url = start_service()
    open_account(url)
    cookie = sign_in_by_cookie(url)
    token = cookie.split("=")[1]
    with Bienvenue(url) as bienvenue:
        for hostile in ["", "theme=dark", "bienvenue-session=", "bienvenue-session=made-up", "bienvenue-session=\xe9", "; ;=;"]:
            for framework, request in requests(hostile).items():
                assert bienvenue.get_session(request) is None, f"{framework}: {hostile}"
        for hostile in ["Bearer made-up", "bearer \xe9", "Bearer ", "Bearer a b"]:
            assert bienvenue.get_session(Headers(authorization=hostile, cookie=cookie)) is None, hostile
        for framework, request in requests(f"theme=dark; {cookie}; other=\xe9").items():
            current = bienvenue.get_session(request)
            assert current is not None and current.user.email == EMAIL, framework
        for authorization in [f"Bearer {token}", f"bearer {token}"]:
            assert bienvenue.get_session(Headers(authorization=authorization)) is not None
        assert bienvenue.get_session(Headers(authorization="Basic x", cookie=cookie)) is not None
        bienvenue.sign_out(Headers(cookie="theme=dark"))
        assert bienvenue.get_session(Headers(cookie=cookie)) is not None
        bienvenue.sign_out(Headers(cookie=cookie))
        assert bienvenue.get_session(Headers(cookie=cookie)) is None


def test_a_client_keeps_no_cookie_of_the_people_it_calls_for(start_service: StartService) -> None:
    url = start_service()
    open_account(url)
    with Bienvenue(url) as bienvenue:
        answer = bienvenue.client.get_httpx_client().post("/sessions", json={"email": EMAIL, "password": PASSWORD})
        assert "set-cookie" in answer.headers
        assert bienvenue.get_session() is None


def test_it_waits_once_for_as_long_as_the_service_asks(start_service: StartService) -> None:
    url = start_service(BIENVENUE_ACCOUNT_FREE_FAILURES="1")
    open_account(url)
    with Bienvenue(url) as bienvenue:
        with pytest.raises(ProblemError):
            bienvenue.sign_in(EMAIL, "wrong")
        attempt = {"email": EMAIL, "password": PASSWORD}
        assert httpx.post(f"{url}/sessions", json=attempt).status_code == httpx.codes.TOO_MANY_REQUESTS
        bienvenue.sign_in(EMAIL, PASSWORD)


def test_it_leaves_long_waits_to_the_caller(start_service: StartService) -> None:
    url = start_service(BIENVENUE_ADDRESS_FAILURES="1")

    async def story() -> None:
        async with AsyncBienvenue(url) as bienvenue:
            for kind in ["invalid-credentials", "too-many-requests"]:
                with pytest.raises(ProblemError) as refused:
                    await bienvenue.sign_in(EMAIL, "wrong")
                assert refused.value.type == f"/problems/{kind}"
            assert refused.value.retry_after is not None and refused.value.retry_after > 10

    asyncio.run(story())


def test_it_says_that_it_cannot_say() -> None:
    with Bienvenue(f"http://127.0.0.1:{free_port()}") as bienvenue, pytest.raises(httpx.ConnectError):
        bienvenue.get_session(Headers(cookie="bienvenue-session=something"))
