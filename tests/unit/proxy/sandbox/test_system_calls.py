"""The filter, executed: which system calls it lets through, for every number, architecture and argument."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sandbox import system_calls

ALLOW, EPERM, KILL = 0x7FFF0000, 0x00050001, 0x80000000
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
MACHINES = tuple(AUDIT)
READ, WRITE, MMAP = {"x86_64": 0, "aarch64": 63}, {"x86_64": 1, "aarch64": 64}, {"x86_64": 9, "aarch64": 222}
FORBIDDEN = {  # numbers of arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h
    "x86_64": {"open": 2, "socket": 41, "connect": 42, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "ptrace": 101,
               "dup": 32, "ioctl": 16, "prctl": 157, "openat": 257, "openat2": 437, "memfd_create": 319, "bpf": 321, "clone3": 435,
               "io_uring_setup": 425, "process_vm_writev": 311, "pidfd_open": 434, "execveat": 322, "unlink": 87, "shmget": 29},
    "aarch64": {"openat": 56, "socket": 198, "connect": 203, "clone": 220, "execve": 221, "kill": 129, "ptrace": 117, "dup": 23,
                "ioctl": 29, "prctl": 167, "openat2": 437, "memfd_create": 279, "bpf": 280, "clone3": 435, "io_uring_setup": 425,
                "process_vm_writev": 271, "pidfd_open": 434, "execveat": 281, "unlinkat": 35, "shmget": 194},
}  # fmt: skip


def verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Run the filter as the kernel would (linux/Documentation/networking/filter.rst)."""
    content = system_calls.program(machine)
    six = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, AUDIT[machine] if architecture is None else architecture, 0, *six)
    at, accumulator = 0, 0
    while True:
        code, yes, no, value = struct.unpack_from("<HBBI", content, at * 8)
        at += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, value)
            case 0x15:
                at += yes if accumulator == value else no
            case 0x35:
                at += yes if accumulator >= value else no
            case 0x45:
                at += yes if accumulator & value else no
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


@pytest.mark.parametrize("machine", MACHINES)
def test_every_door_is_shut(machine: str) -> None:
    assert {name: verdict(machine, number) for name, number in FORBIDDEN[machine].items()} == dict.fromkeys(
        FORBIDDEN[machine], EPERM
    )


@pytest.mark.parametrize("machine", MACHINES)
def test_the_two_pipes_and_nothing_else_can_be_read_and_written(machine: str) -> None:
    assert [verdict(machine, READ[machine], fd) for fd in range(4)] == [ALLOW, EPERM, EPERM, EPERM]
    assert [verdict(machine, WRITE[machine], fd) for fd in range(4)] == [EPERM, ALLOW, EPERM, EPERM]


@pytest.mark.parametrize("machine", MACHINES)
def test_memory_can_be_had_but_not_executed(machine: str) -> None:
    assert verdict(machine, MMAP[machine], 0, 4096, 3) == ALLOW
    assert verdict(machine, MMAP[machine], 0, 4096, 7) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
@given(number=st.integers(0, 2**32 - 1))
def test_few_numbers_pass_and_those_are_named(machine: str, number: int) -> None:
    named = {*system_calls._PLAIN[machine], READ[machine], MMAP[machine], *system_calls._MAP[machine]}
    if verdict(machine, number) == ALLOW:
        assert number in named


@pytest.mark.parametrize("machine", MACHINES)
def test_another_table_of_numbers_ends_the_process(machine: str) -> None:
    i386 = 0x40000003
    assert verdict(machine, 11, architecture=i386) == KILL
    if machine == "x86_64":
        assert verdict(machine, 0x40000000 + 59) == KILL


def test_a_machine_without_a_table_is_not_supported() -> None:
    assert not system_calls.supported("riscv64")
    assert all(map(system_calls.supported, MACHINES))
