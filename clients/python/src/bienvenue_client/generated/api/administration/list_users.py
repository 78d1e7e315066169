from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.list_users_role import ListUsersRole
from ...models.list_users_state import ListUsersState
from ...models.problem import Problem
from ...models.users import Users
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    email: str | Unset = UNSET,
    email_prefix: str | Unset = UNSET,
    state: ListUsersState | Unset = UNSET,
    role: ListUsersRole | Unset = UNSET,
    group: str | Unset = UNSET,
    limit: int | Unset = 50,
    after: str | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["email"] = email

    params["email_prefix"] = email_prefix

    json_state: str | Unset = UNSET
    if not isinstance(state, Unset):
        json_state = state.value

    params["state"] = json_state

    json_role: str | Unset = UNSET
    if not isinstance(role, Unset):
        json_role = role.value

    params["role"] = json_role

    params["group"] = group

    params["limit"] = limit

    params["after"] = after

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/admin/users",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | Users | None:
    if response.status_code == 200:
        response_200 = Users.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = Problem.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = Problem.from_dict(response.json())

        return response_403

    if response.status_code == 413:
        response_413 = Problem.from_dict(response.json())

        return response_413

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
) -> Response[Problem | Users]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    email: str | Unset = UNSET,
    email_prefix: str | Unset = UNSET,
    state: ListUsersState | Unset = UNSET,
    role: ListUsersRole | Unset = UNSET,
    group: str | Unset = UNSET,
    limit: int | Unset = 50,
    after: str | Unset = UNSET,
) -> Response[Problem | Users]:
    """Find accounts

     Returns the accounts that match all given parameters, page by page, in the order of their ids. A new
    account comes
    last, so no account is missed or repeated.

    Args:
        email (str | Unset):
        email_prefix (str | Unset):
        state (ListUsersState | Unset):
        role (ListUsersRole | Unset):
        group (str | Unset):
        limit (int | Unset):  Default: 50.
        after (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | Users]
    """

    kwargs = _get_kwargs(
        email=email,
        email_prefix=email_prefix,
        state=state,
        role=role,
        group=group,
        limit=limit,
        after=after,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    email: str | Unset = UNSET,
    email_prefix: str | Unset = UNSET,
    state: ListUsersState | Unset = UNSET,
    role: ListUsersRole | Unset = UNSET,
    group: str | Unset = UNSET,
    limit: int | Unset = 50,
    after: str | Unset = UNSET,
) -> Problem | Users | None:
    """Find accounts

     Returns the accounts that match all given parameters, page by page, in the order of their ids. A new
    account comes
    last, so no account is missed or repeated.

    Args:
        email (str | Unset):
        email_prefix (str | Unset):
        state (ListUsersState | Unset):
        role (ListUsersRole | Unset):
        group (str | Unset):
        limit (int | Unset):  Default: 50.
        after (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | Users
    """

    return sync_detailed(
        client=client,
        email=email,
        email_prefix=email_prefix,
        state=state,
        role=role,
        group=group,
        limit=limit,
        after=after,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    email: str | Unset = UNSET,
    email_prefix: str | Unset = UNSET,
    state: ListUsersState | Unset = UNSET,
    role: ListUsersRole | Unset = UNSET,
    group: str | Unset = UNSET,
    limit: int | Unset = 50,
    after: str | Unset = UNSET,
) -> Response[Problem | Users]:
    """Find accounts

     Returns the accounts that match all given parameters, page by page, in the order of their ids. A new
    account comes
    last, so no account is missed or repeated.

    Args:
        email (str | Unset):
        email_prefix (str | Unset):
        state (ListUsersState | Unset):
        role (ListUsersRole | Unset):
        group (str | Unset):
        limit (int | Unset):  Default: 50.
        after (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | Users]
    """

    kwargs = _get_kwargs(
        email=email,
        email_prefix=email_prefix,
        state=state,
        role=role,
        group=group,
        limit=limit,
        after=after,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    email: str | Unset = UNSET,
    email_prefix: str | Unset = UNSET,
    state: ListUsersState | Unset = UNSET,
    role: ListUsersRole | Unset = UNSET,
    group: str | Unset = UNSET,
    limit: int | Unset = 50,
    after: str | Unset = UNSET,
) -> Problem | Users | None:
    """Find accounts

     Returns the accounts that match all given parameters, page by page, in the order of their ids. A new
    account comes
    last, so no account is missed or repeated.

    Args:
        email (str | Unset):
        email_prefix (str | Unset):
        state (ListUsersState | Unset):
        role (ListUsersRole | Unset):
        group (str | Unset):
        limit (int | Unset):  Default: 50.
        after (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | Users
    """

    return (
        await asyncio_detailed(
            client=client,
            email=email,
            email_prefix=email_prefix,
            state=state,
            role=role,
            group=group,
            limit=limit,
            after=after,
        )
    ).parsed
