"""A process that works on strangers' data gives up, before it reads them, what it does not need.

    confine(writable=folder, readable=(base_model,), memory_bytes=8 * 2**30)

Afterwards the process, and whatever threads it starts, cannot

- reach a network, another process or a kernel interface that could (seccomp, `socket` and others);
- read files but Python's, the system's libraries and what is named; write outside one folder; or
  run another program (landlock): keys and journals of its user are out of reach;
- take more memory, files or open descriptors than named, or leave a core (resource limits);
- outlive its parent.

All of it is the kernel's own and needs no privilege: landlock(7), seccomp(2), prctl(2),
setrlimit(2).  There is no way back.  A kernel without one of them is named in the result.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from node.errors import NodeError

FILE_BYTES_MAX = 8 * 2**30
"""The largest file that a confined process may write."""
DESCRIPTORS_MAX = 1_024
_SYSTEM_FOLDERS = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/proc", "/sys")
_DEVICES = ("/dev/null", "/dev/urandom", "/dev/zero")

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_FILTER = 2

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_READ = 1 << 2 | 1 << 3
"""Read a file, list a folder."""
_WRITE_FILE = 1 << 1 | 1 << 14
"""Write and truncate a file."""
_FILE_RIGHTS = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15
"""Those that mean something for a file: run, write, read, truncate, control a device."""
_RIGHTS_OF_VERSION = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many rights a version of landlock knows; from version 5 on 16."""

# Return values and instructions of the classic packet filter (linux/seccomp.h, linux/filter.h).
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_X32_CALLS = 0x40000000
_ARCHITECTURES = {
    "x86_64": (0xC000003E, (41, 62, 101, 310, 311, 321, 425, 438)),
    "aarch64": (0xC00000B7, (198, 129, 117, 270, 271, 280, 425, 438)),
}
"""The architecture's mark, and its numbers of: socket, kill, ptrace, process_vm_readv,
process_vm_writev, bpf, io_uring_setup, pidfd_getfd."""


class ConfinementFailed(NodeError):
    """The kernel knows the means of confinement and refused them."""


def confine(
    *,
    writable: Path | None,
    readable: Sequence[Path],
    packages: Sequence[ModuleType],
    memory_bytes: int,
) -> tuple[str, ...]:
    """Confine this process for good; returns what this system cannot do of it.

    `writable` is None for a process that writes no files; `readable` are files and folders;
    `packages` are packages of ours whose modules may still be imported.  To be called before any
    thread is started.  Raises `ConfinementFailed`.
    """
    _limit_resources(memory_bytes)
    if sys.platform != "linux":
        return ("seccomp", "landlock")
    library = ctypes.CDLL(None, use_errno=True)
    _control(library, _PR_SET_PDEATHSIG, signal.SIGKILL)
    _control(library, _PR_SET_NO_NEW_PRIVS, 1)
    sources = [Path(location) for package in packages for location in package.__path__]
    missing = []
    if not _restrict_files(library, writable, [*_python_folders(), *sources, *readable]):
        missing.append("landlock")
    if not _restrict_calls(library):
        missing.append("seccomp")
    return tuple(missing)


def _limit_resources(memory_bytes: int) -> None:
    for kind, amount in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, FILE_BYTES_MAX),
        (resource.RLIMIT_NOFILE, DESCRIPTORS_MAX),
        (resource.RLIMIT_CORE, 0),
    ):
        _, permitted = resource.getrlimit(kind)
        least = amount if permitted == resource.RLIM_INFINITY else min(amount, permitted)
        resource.setrlimit(kind, (least, least))


def _python_folders() -> Iterator[Path]:
    """Where the standard library and installed packages are."""
    yield from map(Path, _SYSTEM_FOLDERS)
    yield from map(Path, (sys.prefix, sys.base_prefix))
    yield from (Path(entry) for entry in sys.path if "site-packages" in entry)


def _restrict_files(library: ctypes.CDLL, writable: Path | None, readable: Sequence[Path]) -> bool:
    """Allow reading `readable` and doing anything but running programs in `writable`."""
    version = library.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return False
    known = (1 << _RIGHTS_OF_VERSION.get(version, 16)) - 1
    attributes = struct.pack("=Q", known)
    rules = library.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0)
    _require(rules >= 0, "landlock_create_ruleset")
    try:
        for path in readable:
            _allow(library, rules, path, _READ & known)
        for path in map(Path, _DEVICES):
            _allow(library, rules, path, (_READ | _WRITE_FILE) & known)
        if writable is not None:
            _allow(library, rules, writable, known & ~1)
        _require(library.syscall(_LANDLOCK_RESTRICT, rules, 0) == 0, "landlock_restrict_self")
    finally:
        os.close(rules)
    return True


def _allow(library: ctypes.CDLL, rules: int, path: Path, rights: int) -> None:
    """Allow `rights` on a file, or below a folder; what does not exist needs none."""
    if not path.exists():
        return
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        allowed = rights if path.is_dir() else rights & _FILE_RIGHTS
        beneath = struct.pack("=Qi", allowed, descriptor)
        added = library.syscall(_LANDLOCK_ADD, rules, 1, beneath, 0)
        _require(added == 0, f"landlock_add_rule for {path}")
    finally:
        os.close(descriptor)


def _restrict_calls(library: ctypes.CDLL) -> bool:
    """Answer the system calls that reach outside with EPERM."""
    known = _ARCHITECTURES.get(os.uname().machine)
    if known is None:
        return False
    architecture, refused = known
    steps = [
        (_LOAD, 0, 0, 4),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, 0),
        # The x32 calls of x86-64 are the same under other numbers.
        (_JUMP_AT_LEAST, len(refused) + 1, 0, _X32_CALLS),
        *((_JUMP_EQUAL, len(refused) - place, 0, call) for place, call in enumerate(refused)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    # struct sock_fprog: the number of instructions, and where they are, aligned as C does.
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    _control(library, _PR_SET_SECCOMP, _SECCOMP_FILTER, program)
    return True


def _control(library: ctypes.CDLL, *arguments: object) -> None:
    values = [each if isinstance(each, bytes) else ctypes.c_ulong(each) for each in arguments]  # type: ignore[arg-type] # else an int
    _require(library.prctl(*values, 0, 0, 0) == 0, f"prctl {arguments[0]}")


def _require(done: bool, what: str) -> None:
    if not done:
        reason = os.strerror(ctypes.get_errno())
        message = f"This process cannot be confined: {what} failed ({reason})."
        raise ConfinementFailed(message, remedy="Run it on a Linux kernel from 5.13 on.")
