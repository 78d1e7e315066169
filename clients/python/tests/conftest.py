"""A running service, on a database of its own."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

PROGRAM = os.environ.get("BIENVENUE") or str(Path(__file__).parents[3] / "target/debug/bienvenue")


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts the service with such settings, and returns its URL."""
    running: list[subprocess.Popen[bytes]] = []

    def start(**settings: str) -> str:
        port = free_port()
        running.append(
            subprocess.Popen(
                [PROGRAM, "serve"],
                cwd=tmp_path,
                env={"BIENVENUE_LISTEN": f"127.0.0.1:{port}", "BIENVENUE_BCRYPT_COST": "4", **settings},
            )
        )
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                if httpx.get(f"{url}/health/ready").is_success:
                    return url
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise TimeoutError(f"nothing answers at {url}")

    yield start
    for service in running:
        service.terminate()
        service.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
