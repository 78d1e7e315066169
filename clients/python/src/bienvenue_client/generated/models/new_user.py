from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..models.role import Role
from ..types import UNSET, Unset

T = TypeVar("T", bound="NewUser")


@_attrs_define
class NewUser:
    """An account to create.

    Example:
        {'email': 'grace@example.com', 'name': 'Grace Hopper', 'role': 'user', 'groups': ['engineering'],
            'email_verified': False}

    Attributes:
        email (str): The email address.
        password (str | Unset): The password. Without one, the user gets an email with a link to choose one, and until
            then no password is right.
        name (None | str | Unset): The display name: 1 to 100 characters, or `null`.
        role (Role | Unset): What a user may do. Default: Role.USER.
        groups (list[str] | Unset): The groups of the user: at most 100, each 1 to 64 characters of `a-z 0-9 . _ -`.
        email_verified (bool | Unset): Whether the address counts as verified. Default: False.
    """

    email: str
    password: str | Unset = UNSET
    name: None | str | Unset = UNSET
    role: Role | Unset = Role.USER
    groups: list[str] | Unset = UNSET
    email_verified: bool | Unset = False

    def to_dict(self) -> dict[str, Any]:
        email = self.email

        password = self.password

        name: None | str | Unset
        if isinstance(self.name, Unset):
            name = UNSET
        else:
            name = self.name

        role: str | Unset = UNSET
        if not isinstance(self.role, Unset):
            role = self.role.value

        groups: list[str] | Unset = UNSET
        if not isinstance(self.groups, Unset):
            groups = self.groups

        email_verified = self.email_verified

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "email": email,
            }
        )
        if password is not UNSET:
            field_dict["password"] = password
        if name is not UNSET:
            field_dict["name"] = name
        if role is not UNSET:
            field_dict["role"] = role
        if groups is not UNSET:
            field_dict["groups"] = groups
        if email_verified is not UNSET:
            field_dict["email_verified"] = email_verified

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        email = d.pop("email")

        password = d.pop("password", UNSET)

        def _parse_name(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        name = _parse_name(d.pop("name", UNSET))

        _role = d.pop("role", UNSET)
        role: Role | Unset
        if isinstance(_role, Unset):
            role = UNSET
        else:
            role = Role(_role)

        groups = cast(list[str], d.pop("groups", UNSET))

        email_verified = d.pop("email_verified", UNSET)

        new_user = cls(
            email=email,
            password=password,
            name=name,
            role=role,
            groups=groups,
            email_verified=email_verified,
        )

        return new_user
