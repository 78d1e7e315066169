"""A mail server that takes every letter and every password: PORT FOLDER [smtps|starttls CERTIFICATE KEY]."""

import asyncio
import ssl
import sys

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, AuthResult

port, folder, *tls = sys.argv[1:]
context = None
if tls:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*tls[1:])
is_starttls = tls[:1] == ["starttls"]


def session():
    return SMTP(
        Mailbox(folder),
        authenticator=lambda *_: AuthResult(success=True),
        auth_require_tls=False,
        tls_context=context if is_starttls else None,
        require_starttls=is_starttls,
    )


async def serve():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        session, "127.0.0.1", int(port), ssl=None if is_starttls else context
    )
    await server.serve_forever()


asyncio.run(serve())
