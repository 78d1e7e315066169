from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.credentials import Credentials
from ...models.problem import Problem
from ...models.session import Session
from ...types import Response


def _get_kwargs(
    *,
    body: Credentials,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/sessions",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | Session | None:
    if response.status_code == 201:
        response_201 = Session.from_dict(response.json())

        return response_201

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())

        return response_403

    if response.status_code == 408:
        response_408 = Problem.from_dict(response.json())

        return response_408

    if response.status_code == 413:
        response_413 = Problem.from_dict(response.json())

        return response_413

    if response.status_code == 415:
        response_415 = Problem.from_dict(response.json())

        return response_415

    if response.status_code == 429:
        response_429 = Problem.from_dict(response.json())

        return response_429

    if response.status_code == 500:
        response_500 = Problem.from_dict(response.json())

        return response_500

    if response.status_code == 503:
        response_503 = Problem.from_dict(response.json())

        return response_503

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Problem | Session]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: Credentials,
) -> Response[Problem | Session]:
    """Sign in

     Opens a new session, with a new token. For a browser, the response sets a cookie; the page needs no
    code for it.
    If the request came with a cookie, the session of that cookie ends. An app asks for the token with
    `"delivery":
    "token"` and sends it with each request as `Authorization: Bearer`.

    Args:
        body (Credentials): The credentials of an account. Example: {'email': 'ada@example.com',
            'password': 'correct horse battery', 'delivery': 'cookie'}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | Session]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    body: Credentials,
) -> Problem | Session | None:
    """Sign in

     Opens a new session, with a new token. For a browser, the response sets a cookie; the page needs no
    code for it.
    If the request came with a cookie, the session of that cookie ends. An app asks for the token with
    `"delivery":
    "token"` and sends it with each request as `Authorization: Bearer`.

    Args:
        body (Credentials): The credentials of an account. Example: {'email': 'ada@example.com',
            'password': 'correct horse battery', 'delivery': 'cookie'}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | Session
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: Credentials,
) -> Response[Problem | Session]:
    """Sign in

     Opens a new session, with a new token. For a browser, the response sets a cookie; the page needs no
    code for it.
    If the request came with a cookie, the session of that cookie ends. An app asks for the token with
    `"delivery":
    "token"` and sends it with each request as `Authorization: Bearer`.

    Args:
        body (Credentials): The credentials of an account. Example: {'email': 'ada@example.com',
            'password': 'correct horse battery', 'delivery': 'cookie'}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | Session]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: Credentials,
) -> Problem | Session | None:
    """Sign in

     Opens a new session, with a new token. For a browser, the response sets a cookie; the page needs no
    code for it.
    If the request came with a cookie, the session of that cookie ends. An app asks for the token with
    `"delivery":
    "token"` and sends it with each request as `Authorization: Bearer`.

    Args:
        body (Credentials): The credentials of an account. Example: {'email': 'ada@example.com',
            'password': 'correct horse battery', 'delivery': 'cookie'}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | Session
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
