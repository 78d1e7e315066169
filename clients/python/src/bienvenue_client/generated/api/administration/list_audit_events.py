import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.audit_events import AuditEvents
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    user_id: int | Unset = UNSET,
    actor_id: int | Unset = UNSET,
    kind: str | Unset = UNSET,
    ip: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    limit: int | Unset = 50,
    after: UUID | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["user_id"] = user_id

    params["actor_id"] = actor_id

    params["kind"] = kind

    params["ip"] = ip

    json_since: str | Unset = UNSET
    if not isinstance(since, Unset):
        json_since = since.isoformat()
    params["since"] = json_since

    json_until: str | Unset = UNSET
    if not isinstance(until, Unset):
        json_until = until.isoformat()
    params["until"] = json_until

    params["limit"] = limit

    json_after: str | Unset = UNSET
    if not isinstance(after, Unset):
        json_after = str(after)
    params["after"] = json_after

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/admin/audit-events",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> AuditEvents | Problem | None:
    if response.status_code == 200:
        response_200 = AuditEvents.from_dict(response.json())

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
) -> Response[AuditEvents | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    user_id: int | Unset = UNSET,
    actor_id: int | Unset = UNSET,
    kind: str | Unset = UNSET,
    ip: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    limit: int | Unset = 50,
    after: UUID | Unset = UNSET,
) -> Response[AuditEvents | Problem]:
    """Read the audit log

     Returns the events that match all given parameters, newest first: sign-ins, refused ones too, and
    changes of
    accounts, with who did them and from where.

    Args:
        user_id (int | Unset):
        actor_id (int | Unset):
        kind (str | Unset):
        ip (str | Unset):
        since (datetime.datetime | Unset):
        until (datetime.datetime | Unset):
        limit (int | Unset):  Default: 50.
        after (UUID | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AuditEvents | Problem]
    """

    kwargs = _get_kwargs(
        user_id=user_id,
        actor_id=actor_id,
        kind=kind,
        ip=ip,
        since=since,
        until=until,
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
    user_id: int | Unset = UNSET,
    actor_id: int | Unset = UNSET,
    kind: str | Unset = UNSET,
    ip: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    limit: int | Unset = 50,
    after: UUID | Unset = UNSET,
) -> AuditEvents | Problem | None:
    """Read the audit log

     Returns the events that match all given parameters, newest first: sign-ins, refused ones too, and
    changes of
    accounts, with who did them and from where.

    Args:
        user_id (int | Unset):
        actor_id (int | Unset):
        kind (str | Unset):
        ip (str | Unset):
        since (datetime.datetime | Unset):
        until (datetime.datetime | Unset):
        limit (int | Unset):  Default: 50.
        after (UUID | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AuditEvents | Problem
    """

    return sync_detailed(
        client=client,
        user_id=user_id,
        actor_id=actor_id,
        kind=kind,
        ip=ip,
        since=since,
        until=until,
        limit=limit,
        after=after,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    user_id: int | Unset = UNSET,
    actor_id: int | Unset = UNSET,
    kind: str | Unset = UNSET,
    ip: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    limit: int | Unset = 50,
    after: UUID | Unset = UNSET,
) -> Response[AuditEvents | Problem]:
    """Read the audit log

     Returns the events that match all given parameters, newest first: sign-ins, refused ones too, and
    changes of
    accounts, with who did them and from where.

    Args:
        user_id (int | Unset):
        actor_id (int | Unset):
        kind (str | Unset):
        ip (str | Unset):
        since (datetime.datetime | Unset):
        until (datetime.datetime | Unset):
        limit (int | Unset):  Default: 50.
        after (UUID | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AuditEvents | Problem]
    """

    kwargs = _get_kwargs(
        user_id=user_id,
        actor_id=actor_id,
        kind=kind,
        ip=ip,
        since=since,
        until=until,
        limit=limit,
        after=after,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    user_id: int | Unset = UNSET,
    actor_id: int | Unset = UNSET,
    kind: str | Unset = UNSET,
    ip: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    limit: int | Unset = 50,
    after: UUID | Unset = UNSET,
) -> AuditEvents | Problem | None:
    """Read the audit log

     Returns the events that match all given parameters, newest first: sign-ins, refused ones too, and
    changes of
    accounts, with who did them and from where.

    Args:
        user_id (int | Unset):
        actor_id (int | Unset):
        kind (str | Unset):
        ip (str | Unset):
        since (datetime.datetime | Unset):
        until (datetime.datetime | Unset):
        limit (int | Unset):  Default: 50.
        after (UUID | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AuditEvents | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            user_id=user_id,
            actor_id=actor_id,
            kind=kind,
            ip=ip,
            since=since,
            until=until,
            limit=limit,
            after=after,
        )
    ).parsed
