"""What a program in the sandbox may ask of the kernel: a seccomp filter as bytes (seccomp(2), Linux ``filter.txt``).

Pure. The filter names what is allowed: memory, the clock, the two pipes that are open, the end. Everything else fails with
``EPERM``: to open, to connect, to start a thread or a process, to signal, to map executable memory. A call of another
architecture's table ends the process.
"""

import struct

EPERM = 1
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000 | EPERM, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_JMP|JGE|K, BPF_JMP|JSET|K, BPF_RET|K (linux/bpf_common.h)."""
_NUMBER, _ARCHITECTURE, _FIRST, _THIRD = 0, 4, 16, 32
"""Offsets in ``struct seccomp_data``; of an argument its lower half, little-endian."""
_PROT_EXEC = 4
_STDIN, _STDOUT = 0, 1
_X32 = 0x40000000
"""Numbers from here on are x86's other table."""

_PLAIN = {
    "x86_64": (
        3,
        5,
        8,
        11,
        12,
        13,
        14,
        15,
        24,
        25,
        28,
        35,
        39,
        60,
        96,
        98,
        131,
        186,
        201,
        202,
        228,
        230,
        231,
        318,
        334,
    ),
    "aarch64": (
        57,
        80,
        62,
        215,
        214,
        134,
        135,
        139,
        124,
        216,
        233,
        101,
        172,
        93,
        169,
        165,
        132,
        178,
        98,
        113,
        115,
        94,
        278,
        293,
    ),
}
"""close fstat lseek munmap brk rt_sigaction rt_sigprocmask rt_sigreturn sched_yield mremap madvise nanosleep getpid exit
gettimeofday getrusage sigaltstack gettid (time) futex clock_gettime clock_nanosleep exit_group getrandom rseq."""
_READ = {"x86_64": 0, "aarch64": 63}
_WRITE = {"x86_64": 1, "aarch64": 64}
_MAP = {"x86_64": (9, 10), "aarch64": (222, 226)}
"""mmap, mprotect."""
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def supported(machine: str) -> bool:
    """Whether there is a filter for a machine, as ``os.uname().machine`` names it."""
    return machine in _AUDIT


def program(machine: str) -> bytes:
    """The filter: an array of ``struct sock_filter``, 8 bytes each. Raises ``KeyError`` for another machine."""
    body = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_EQUAL, _AUDIT[machine], yes=1),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        body += [_instruction(_AT_LEAST, _X32, no=1), _instruction(_RETURN, _KILL)]
    for number in _PLAIN[machine]:
        body += [_instruction(_EQUAL, number, no=1), _instruction(_RETURN, _ALLOW)]
    body += _only(_READ[machine], _FIRST, _instruction(_EQUAL, _STDIN, no=1))
    body += _only(_WRITE[machine], _FIRST, _instruction(_EQUAL, _STDOUT, no=1))
    for number in _MAP[machine]:
        body += _only(number, _THIRD, _instruction(_ANY_BIT, _PROT_EXEC, yes=1))
    return b"".join([*body, _instruction(_RETURN, _ERRNO)])


def _only(number: int, argument: int, condition: bytes) -> list[bytes]:
    """A call that is allowed where the condition does not skip the next instruction."""
    return [
        _instruction(_EQUAL, number, no=4),
        _instruction(_LOAD, argument),
        condition,
        _instruction(_RETURN, _ALLOW),
        _instruction(_RETURN, _ERRNO),
    ]


def _instruction(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)
