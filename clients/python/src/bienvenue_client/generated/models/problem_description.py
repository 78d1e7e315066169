from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="ProblemDescription")


@_attrs_define
class ProblemDescription:
    """The explanation of a problem type.

    Attributes:
        type_ (str): The `type` of such a problem.
        title (str): A short summary.
        status (int): The HTTP status of such a problem.
        explanation (str): What the problem means.
        remedy (str): How to solve the problem.
    """

    type_: str
    title: str
    status: int
    explanation: str
    remedy: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        type_ = self.type_

        title = self.title

        status = self.status

        explanation = self.explanation

        remedy = self.remedy

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "type": type_,
                "title": title,
                "status": status,
                "explanation": explanation,
                "remedy": remedy,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        type_ = d.pop("type")

        title = d.pop("title")

        status = d.pop("status")

        explanation = d.pop("explanation")

        remedy = d.pop("remedy")

        problem_description = cls(
            type_=type_,
            title=title,
            status=status,
            explanation=explanation,
            remedy=remedy,
        )

        problem_description.additional_properties = d
        return problem_description

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
