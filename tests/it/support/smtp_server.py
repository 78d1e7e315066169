"""A mail server that takes every letter and every password: PORT FOLDER."""

import asyncio
import sys

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, AuthResult

port, folder = sys.argv[1:]


def session():
    return SMTP(
        Mailbox(folder),
        authenticator=lambda *_: AuthResult(success=True),
        auth_require_tls=False,
    )


async def serve():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", int(port))
    await server.serve_forever()


asyncio.run(serve())
