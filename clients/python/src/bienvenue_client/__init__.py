"""A typed client of bienvenue, the user authentication service.

:class:`Bienvenue` waits for its answers, :class:`AsyncBienvenue` is awaited. Every operation of the service is a module under
``bienvenue_client.generated.api``, and is called with their ``client``.
"""

from .client import AsyncBienvenue, Bienvenue, IncomingRequest, ProblemError, SignedIn
from .generated.models import CurrentSession, Problem, Registration, Session, User

__all__ = [
    "AsyncBienvenue",
    "Bienvenue",
    "CurrentSession",
    "IncomingRequest",
    "Problem",
    "ProblemError",
    "Registration",
    "Session",
    "SignedIn",
    "User",
]
