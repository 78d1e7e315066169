from enum import StrEnum


class ListUsersState(StrEnum):
    DISABLED = "disabled"
    UNVERIFIED = "unverified"
    VERIFIED = "verified"

    def __str__(self) -> str:
        return str(self.value)
