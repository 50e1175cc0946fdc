"""What a picture or a video could do that has taken its process over: each attempt is made in such a process."""

import contextlib
import ctypes
import json
import os
import platform
import resource
import socket
import threading
from pathlib import Path

import pytest

from emomask import Settings
from emomask.web import confinement, decoder, video_worker
from emomask.web.processes import start_process

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="seccomp's filter is one for x86-64")
MUCH = 8 << 30


class Buffer(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def look_into_parent(folder):
    """Read memory of the server; the same place is one of ours."""
    secret = ctypes.create_string_buffer(8)
    place = Buffer(ctypes.addressof(secret), 8)
    libc = ctypes.CDLL(None, use_errno=True)
    got = libc.process_vm_readv(os.getpid(), ctypes.byref(place), 1, ctypes.byref(place), 1, 0)
    if got < 0:
        raise OSError(ctypes.get_errno(), "process_vm_readv")


def fork(folder):
    if os.fork() == 0:
        os._exit(0)


def raise_limit(folder):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard + 1))


def start_thread(folder):
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


ATTEMPTS = {
    "read a file": lambda folder: open("/etc/passwd").close(),
    "list a folder": lambda folder: os.listdir("/etc"),
    "read another visitor's video": lambda folder: open(folder + "/other/upload").close(),
    "read its own video": lambda folder: open(folder + "/own/upload").close(),
    "write its own result": lambda folder: open(folder + "/own/masked.mp4", "w").close(),
    "write elsewhere": lambda folder: open(folder + "/evil", "w").close(),
    "read the server's memory file": lambda folder: open("/proc/%d/mem" % os.getppid(), "rb").close(),
    "read memory": look_into_parent,
    "open a socket": lambda folder: socket.socket().close(),
    "open a socket of this machine": lambda folder: socket.socket(socket.AF_UNIX).close(),
    "reach the server": lambda folder: os.kill(os.getppid(), 0),
    "start a process": fork,
    "raise a limit": raise_limit,
    "start a thread": start_thread,
}


def confine_nothing(folder):
    pass


def confine_decoder(folder):
    decoder._lock_up(MUCH)


def confine_video(folder):
    job = video_worker.VideoJob(folder + "/own/upload", folder + "/own/masked.mp4", Settings(), 10)
    video_worker.confine(job)


def attempt_all(connection, confine, folder):
    """Runs in the process; tells which attempts succeeded."""
    confine(folder)
    done = []
    for name, attempt in ATTEMPTS.items():
        with contextlib.suppress(OSError, ValueError):
            attempt(folder)
            done.append(name)
    connection.send_bytes(json.dumps(done).encode())


def succeeded(confine, folder):
    for name in ("own", "other"):
        (folder / name).mkdir()
        (folder / name / "upload").write_bytes(b"x")
    process, connection = start_process(attempt_all, confine, str(folder))
    try:
        assert connection.poll(60)
        return set(json.loads(connection.recv_bytes().decode()))
    finally:
        process.kill()
        process.join()


def test_without_confinement_all_of_it_can_be_done(tmp_path):
    of_root = {"read the server's memory file", "raise a limit"}
    assert succeeded(confine_nothing, tmp_path) >= set(ATTEMPTS) - of_root


def test_what_decodes_pictures_can_do_nothing_else(tmp_path):
    # A thread needs memory alone; HEICs are decoded by several.
    assert succeeded(confine_decoder, tmp_path) == {"start a thread"}


def test_what_masks_a_video_can_open_its_own_files_only(tmp_path):
    if not has_landlock():
        pytest.skip("needs a kernel with Landlock")
    assert succeeded(confine_video, tmp_path) == {"read its own video", "write its own result", "start a thread"}


def has_landlock():
    return confinement._libc.syscall(confinement._CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1)) > 0


def test_all_threads_of_the_decoders_are_confined(sandbox):
    pid = sandbox._workers[0]._process.pid
    sandbox.decode((Path(__file__).parents[2] / "emojis" / "happy.png").read_bytes())
    for task in Path("/proc/%d/task" % pid).iterdir():
        assert "Seccomp:\t2\n" in (task / "status").read_text()


def test_a_kernel_without_landlock_changes_nothing(monkeypatch):
    class OldKernel:
        @staticmethod
        def syscall(number, *arguments):
            ctypes.set_errno(38)
            return -1

    monkeypatch.setattr(confinement, "_libc", OldKernel)
    assert confinement.confine_files(["/usr"], []) is False
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert confinement.allow_decoding_only() is False and confinement.forbid_reaching_out() is False
