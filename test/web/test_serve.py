"""The command ``emomask serve``: its one line, its end, and what it says when it cannot work."""

import os
import signal
import subprocess
import sys

import httpx
import pytest
from server_process import server_process

PROGRAM = "import sys; from emomask.cli import main; sys.exit(main())"


def serve(*options, before=""):
    """The command as it ends: its exit code and what it says of errors."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", before + PROGRAM, "serve", *options]
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60, env=environment)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_on_this_machine_only_and_ends_in_peace(number, capfd):
    with server_process() as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert httpx.get(server.url, trust_env=False).status_code == 200
        server.process.send_signal(number)
        assert server.process.wait(20) in (0, 130, 143, -number)
        assert server.process.stdout.read() == ""
    errors = capfd.readouterr().err
    assert "Traceback" not in errors and "emomask: error" not in errors


def test_the_operators_choices_are_what_visitors_find():
    with server_process("--style", "blur", "--margin", "0.4", "--live-visitors", "3") as server:
        told = httpx.get(server.url + "api/options", trust_env=False).json()
    assert told["defaults"] == {"style": "blur", "emoji_set": "noto", "margin": 0.4}


@pytest.mark.parametrize(
    "options, status, reason",
    [
        (["--port", "70000"], 2, "port must lie between 0 and 65535"),
        (["--host", "203.0.113.7"], 1, "Cannot listen on 203.0.113.7"),
        (["--host", "no.such.host.invalid"], 1, "Cannot listen on no.such.host.invalid"),
        (["--tls-key", "x"], 2, "belong together"),
        (["--token-file", "/nowhere"], 2, "/nowhere cannot be read"),
        (["--models", "/nowhere", "--port", "0"], 1, "cannot be read"),
        (["--emojis", "/nowhere", "--port", "0"], 1, "/nowhere"),
    ],
)
def test_what_cannot_work_is_one_line(options, status, reason):
    code, errors = serve(*options)
    assert code == status and reason in errors and len(errors.splitlines()) == 1, errors


def test_without_the_extra_the_remedy_is_named():
    code, errors = serve(before="import sys; sys.modules['fastapi'] = None; ")
    assert code == 1 and "pip install 'emomask[web]'" in errors and len(errors.splitlines()) == 1
