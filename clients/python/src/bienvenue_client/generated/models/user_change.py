from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..models.role import Role
from ..types import UNSET, Unset

T = TypeVar("T", bound="UserChange")


@_attrs_define
class UserChange:
    """The changes of an account. Omitted fields stay as they are.

    Example:
        {'groups': ['engineering', 'on-call']}

    Attributes:
        name (None | str | Unset): The display name: 1 to 100 characters. `null` removes it.
        role (Role | Unset): What a user may do.
        groups (list[str] | Unset): All groups that the user is in from now on.
        disabled (bool | Unset): Whether the account is disabled. Disabling it ends its sessions and notifies the user.
        email_verified (bool | Unset): Whether the address counts as verified.
    """

    name: None | str | Unset = UNSET
    role: Role | Unset = UNSET
    groups: list[str] | Unset = UNSET
    disabled: bool | Unset = UNSET
    email_verified: bool | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
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

        disabled = self.disabled

        email_verified = self.email_verified

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if name is not UNSET:
            field_dict["name"] = name
        if role is not UNSET:
            field_dict["role"] = role
        if groups is not UNSET:
            field_dict["groups"] = groups
        if disabled is not UNSET:
            field_dict["disabled"] = disabled
        if email_verified is not UNSET:
            field_dict["email_verified"] = email_verified

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)

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

        disabled = d.pop("disabled", UNSET)

        email_verified = d.pop("email_verified", UNSET)

        user_change = cls(
            name=name,
            role=role,
            groups=groups,
            disabled=disabled,
            email_verified=email_verified,
        )

        return user_change
