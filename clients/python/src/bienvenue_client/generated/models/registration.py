from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="Registration")


@_attrs_define
class Registration:
    """The email address and the password of a new account.

    Example:
        {'email': 'ada@example.com', 'password': 'correct horse battery'}

    Attributes:
        email (str): The email address, which identifies the account. It is stored in lower case, and an international
            domain in its
            ASCII form.
        password (str): A password that is hard to guess, for example a few unrelated words. It can contain any
            character except NUL. At
            most 1024 bytes.
    """

    email: str
    password: str

    def to_dict(self) -> dict[str, Any]:
        email = self.email

        password = self.password

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "email": email,
                "password": password,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        email = d.pop("email")

        password = d.pop("password")

        registration = cls(
            email=email,
            password=password,
        )

        return registration
