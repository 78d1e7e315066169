from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="Undo")


@_attrs_define
class Undo:
    """The one-time token that reverts a change of the email address.

    Example:
        {'token': 'bienvenue_undo_…'}

    Attributes:
        token (str): The token from the link in the email to the former address.
    """

    token: str

    def to_dict(self) -> dict[str, Any]:
        token = self.token

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "token": token,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        token = d.pop("token")

        undo = cls(
            token=token,
        )

        return undo
