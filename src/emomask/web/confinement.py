"""Takes rights from a process for good, by what Linux offers beyond limits: Landlock for files, seccomp for calls.

Both hold for what runs in the process, a picture that has taken it over included, even as root, whose processes may
raise their limits again.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from typing import Iterable, List

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_NO_NEW_PRIVS = 38

# --- Landlock ---

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all machines
_ASK_VERSION = 1
_PATH_RULE = 1
_EXECUTE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 2, 1 << 3
_READ = _EXECUTE | _READ_FILE | _READ_FOLDER
_OF_FILES = 1 << 1 | _READ_FILE | _EXECUTE | 1 << 14 | 1 << 15  # that may be given to a file: write, truncate, devices
# How many rights over files each version knows: versions 1 to 5, later ones know no more.
_RIGHTS = (13, 14, 15, 15, 16)
_NET_RIGHTS, _SCOPES = 3, 3  # TCP from version 4; signals and sockets of others from version 6


def confine_files(readable: Iterable[str], writable: Iterable[str]) -> bool:
    """From now on this thread, and those that it starts, can open nothing but what lies in or is one of these paths.

    Where the kernel can, there is no TCP and no signal to others either. Paths that do not exist are left out. False
    when the kernel has no Landlock (it came with Linux 5.13): then nothing has changed.
    """
    version = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))
    if version < 1:
        return False
    rights = (1 << _RIGHTS[min(version, len(_RIGHTS)) - 1]) - 1
    attributes = struct.pack("=Q", rights)
    if version >= 4:
        attributes += struct.pack("=Q", _NET_RIGHTS)
    if version >= 6:
        attributes += struct.pack("=Q", _SCOPES)
    rules = _called(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    try:
        for paths, granted in ((readable, _READ), (writable, rights)):
            for path in paths:
                _add_rule(rules, path, granted & rights)
        _forbid_new_rights()
        _called(_RESTRICT_SELF, ctypes.c_int(rules), ctypes.c_uint32(0))
    finally:
        os.close(rules)
    return True


def _add_rule(rules: int, path: str, granted: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            granted &= _OF_FILES
        rule = struct.pack("=Qi", granted, place)
        _called(_ADD_RULE, ctypes.c_int(rules), ctypes.c_int(_PATH_RULE), rule, ctypes.c_uint32(0))
    finally:
        os.close(place)


# --- seccomp, for x86-64, whose numbers these are ---

_AUDIT_ARCH = 0xC000003E
_OTHER_NUMBERS = 0x40000000  # x32's calls
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # where the kernel tells them
_SECCOMP, _SET_FILTER, _ALL_THREADS = 317, 1, 1
_CLONE, _CLONE3, _TGKILL, _PRLIMIT = 56, 435, 234, 302
_CLONE_THREAD = 0x10000

# What memory, time, threads, and pipes that are open take.
_DECODING = {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11,
    "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "readv": 19, "writev": 20,
    "sched_yield": 24, "mremap": 25, "madvise": 28, "nanosleep": 35, "getpid": 39, "exit": 60, "gettimeofday": 96,
    "getrusage": 98, "sysinfo": 99, "times": 100, "sigaltstack": 131, "gettid": 186, "futex": 202,
    "sched_getaffinity": 204, "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229,
    "clock_nanosleep": 230, "exit_group": 231, "ppoll": 271, "set_robust_list": 273, "getcpu": 309, "getrandom": 318,
    "membarrier": 324, "rseq": 334,
}  # fmt: skip
# Ways to other processes, the network, more rights, and parts of the kernel that nobody needs for a video.
_REACHING_OUT = {
    "socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50, "socketpair": 53, "fork": 57, "vfork": 58,
    "execve": 59, "kill": 62, "ptrace": 101, "setuid": 105, "setgid": 106, "setreuid": 113, "setregid": 114,
    "setresuid": 117, "setresgid": 119, "rt_sigqueueinfo": 129, "mknod": 133, "pivot_root": 155, "setrlimit": 160,
    "chroot": 161, "mount": 165, "umount2": 166, "iopl": 172, "ioperm": 173, "init_module": 175, "tkill": 200,
    "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250, "mknodat": 259, "unshare": 272,
    "accept4": 288, "rt_tgsigqueueinfo": 297, "perf_event_open": 298, "name_to_handle_at": 303,
    "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "finit_module": 313,
    "bpf": 321, "execveat": 322, "userfaultfd": 323, "pidfd_send_signal": 424, "io_uring_setup": 425,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "pidfd_open": 434, "pidfd_getfd": 438,
    "process_madvise": 440, "mount_setattr": 442, "process_mrelease": 448,
}  # fmt: skip


def allow_decoding_only() -> bool:
    """From now on no thread of this process can do more than compute, and talk through what is open.

    False where this is not supported, on other machines than x86-64: then nothing has changed.
    """
    return _filter(_DECODING.values(), _ALLOW, otherwise=_FAIL | errno.EPERM)


def forbid_reaching_out() -> bool:
    """From now on no thread of this process can reach another process or the network, or get more rights.

    False as with ``allow_decoding_only``.
    """
    return _filter(_REACHING_OUT.values(), _FAIL | errno.EPERM, otherwise=_ALLOW)


def _filter(numbers: Iterable[int], action: int, otherwise: int) -> bool:
    if platform.machine() != "x86_64" or not sys.platform.startswith("linux") or struct.calcsize("P") != 8:
        return False
    program = [(_LOAD, 0, 0, _ARCH), (_IF_EQUAL, 1, 0, _AUDIT_ARCH), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, _NUMBER)]
    program += [(_IF_AT_LEAST, 0, 1, _OTHER_NUMBERS), (_RETURN, 0, 0, _FAIL | errno.ENOSYS)]
    # The C library falls back to clone, whose flags can be seen.
    program += [(_IF_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _FAIL | errno.ENOSYS)]
    program += _only_when(_CLONE, [(_LOAD, 0, 0, _ARGUMENTS), (_IF_ANY_BIT, 0, 1, _CLONE_THREAD)])
    program += _only_when(_TGKILL, [(_LOAD, 0, 0, _ARGUMENTS), (_IF_EQUAL, 0, 1, os.getpid())])
    limits = _ARGUMENTS + 2 * 8  # the address of new ones, in two halves
    program += _only_when(
        _PRLIMIT, [(_LOAD, 0, 0, limits), (_IF_EQUAL, 0, 3, 0), (_LOAD, 0, 0, limits + 4), (_IF_EQUAL, 0, 1, 0)]
    )
    for number in numbers:
        program += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, action)]
    program.append((_RETURN, 0, 0, otherwise))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    given = struct.pack("HL", len(program), ctypes.addressof(code))
    _forbid_new_rights()
    _called(_SECCOMP, ctypes.c_uint(_SET_FILTER), ctypes.c_uint(_ALL_THREADS), given)
    return True


def _only_when(number: int, condition: List[tuple]) -> List[tuple]:
    """Steps that allow a call when ``condition``, whose last step skips one when it is not met, holds."""
    allowed = (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _FAIL | errno.EPERM)
    return [(_IF_EQUAL, 0, len(condition) + len(allowed), number), *condition, *allowed]


def _forbid_new_rights() -> None:
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _called(number: int, *arguments) -> int:
    """The result of a system call. Raises OSError when it fails."""
    result = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
