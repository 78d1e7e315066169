import os
from typing import Annotated

import httpx
from bienvenue_client import AsyncBienvenue, ProblemError, User
from fastapi import Depends, FastAPI, HTTPException, Request

app = FastAPI()
bienvenue = AsyncBienvenue(os.environ.get("BIENVENUE_URL", "http://localhost:8000"))


async def signed_in(request: Request) -> User:
    try:
        current = await bienvenue.get_session(request, client_address=request.client.host if request.client else None)
    except (ProblemError, httpx.HTTPError) as error:
        raise HTTPException(503, "Try again in a moment.") from error
    if current is None:
        raise HTTPException(401, "Sign in first.")
    return current.user


@app.get("/api/me")
async def me(user: Annotated[User, Depends(signed_in)]) -> dict[str, str]:
    return {"email": user.email}
