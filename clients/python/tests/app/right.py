from bienvenue_client import AsyncBienvenue, Bienvenue, CurrentSession, ProblemError, Registration
from bienvenue_client.generated.api.accounts import register
from django.http import HttpRequest
from fastapi import Request
from flask import Request as FlaskRequest


def story(url: str) -> str | None:
    with Bienvenue(url) as bienvenue:
        register.sync(client=bienvenue.client, body=Registration(email="ada@example.com", password="correct horse battery"))
        try:
            token: str = bienvenue.sign_in("ada@example.com", "correct horse battery").token
        except ProblemError as error:
            return error.problem.detail
        current = Bienvenue(url, token=token).get_session()
        return current.user.email if current is not None else None


async def of_fastapi(bienvenue: AsyncBienvenue, request: Request) -> CurrentSession | None:
    return await bienvenue.get_session(request)


def of_django(bienvenue: Bienvenue, request: HttpRequest) -> CurrentSession | None:
    return bienvenue.get_session(request)


def of_flask(bienvenue: Bienvenue, request: FlaskRequest) -> CurrentSession | None:
    return bienvenue.get_session(request)
