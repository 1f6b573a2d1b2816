"""The file that the builder writes, read back by a parser that shares nothing with it."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libcontainer.process.stub import code, image
from libcontainer.process.stub.image import (
    Address,
    Buffer,
    Call,
    Pointers,
    Result,
    Struct,
    build_image,
)

PT_LOAD = 1
PT_GNU_STACK = 0x6474E551
R, W, X = 4, 2, 1
CODES = {"x86_64": (62, code.X86_64), "aarch64": (183, code.AARCH64)}


class Program:
    """An ELF file as the kernel sees it."""

    def __init__(self, data):
        self.data = data
        (self.ident, self.type, self.machine, _, self.entry, at, _, _, _, size, count, *_) = (
            struct.unpack_from("<16sHHIQQQIHHHHHH", data)
        )
        self.segments = [struct.unpack_from("<IIQQQQQQ", data, at + i * size) for i in range(count)]

    def read(self, address, length):
        """Return bytes of memory; fails when they are not mapped readable and not executable."""
        for kind, flags, offset, start, _, size, _, _ in self.segments:
            if kind == PT_LOAD and flags == R and start <= address <= start + size - length:
                return self.data[address - start + offset :][:length]
        raise AssertionError(f"{address:#x} + {length} is not mapped")

    def numbers(self, address, form):
        return struct.unpack("<" + form, self.read(address, struct.calcsize("<" + form)))


def pointers(program, address, wanted):
    for item in wanted:
        (at,) = program.numbers(address, "Q")
        assert program.read(at, len(item) + 1) == item + b"\0"
        address += 8
    assert program.numbers(address, "Q") == (0,)


def content(program, address, wanted):
    """Assert that `wanted` is at `address`."""
    if isinstance(wanted, bytes):
        assert program.read(address, len(wanted) + 1) == wanted + b"\0"
    elif isinstance(wanted, Pointers):
        pointers(program, address, wanted.items)
    else:
        for part in wanted.parts:
            if isinstance(part, bytes):
                assert program.read(address, len(part)) == part
                address += len(part)
            else:
                content(program, program.numbers(address, "Q")[0], part.content)
                address += 8


def flags(call):
    return (
        call.ignore | call.fork << 1 | (call.want is not None) << 2 | (call.text is not None) << 3
    )


def check(program, calls, report_fd):
    """Assert that the program's list is `calls`."""
    head = program.entry - 0x400000 + 0x800000 - 16
    fd, count, record, _ = program.numbers(head, "IIII")
    assert (fd, count) == (report_fd, len(calls))
    used = {arg.index for call in calls for arg in call.args if isinstance(arg, Result)}
    buffers, slots = {}, []
    for index, call in enumerate(calls):
        number, given, flag, results, buffer_bits, words, slot = program.numbers(record, "HBBBBBB")
        assert (number, flag) == (call.number, flags(call))
        assert bool(slot) == (index in used)
        slots.append(slot)
        values = [*program.numbers(record + 8, f"{given}Q"), *[0] * (len(call.args) - given)]
        for i, (arg, value) in enumerate(zip(call.args, values, strict=True)):
            assert bool(results >> i & 1) == isinstance(arg, Result)
            assert bool(buffer_bits >> i & 1) == isinstance(arg, Buffer)
            if isinstance(arg, int):
                assert value == arg % 2**64
            elif isinstance(arg, Result):
                assert value == 64 + 8 * slots[arg.index]
            elif isinstance(arg, Buffer):
                assert buffers.setdefault(id(arg), (value, arg.size)) == (value, arg.size)
            else:
                content(program, value, arg)
        end = record + 8 + 8 * given
        if call.want is not None:
            assert program.numbers(end, "Q") == (call.want,)
            end += 8
        if call.text is not None:
            at, length = program.numbers(end, "II")
            assert program.read(at, length) == call.text
            end += 8
        assert end == record + 8 * words
        record = end
    assert len(set(slots) - {0}) == len(used)
    at = 64 + 8 * (len(used) + 1)
    for start, size in sorted(buffers.values()):
        assert start >= at
        at = start + size
    assert at <= 4096


strings = st.binary(max_size=40).map(lambda text: text.replace(b"\0", b"-"))
contents = st.deferred(
    lambda: st.one_of(
        st.binary(max_size=40),
        st.lists(strings, max_size=5).map(Pointers),
        st.lists(
            st.one_of(st.binary(max_size=12), contents.map(Address)), min_size=1, max_size=4
        ).map(lambda parts: Struct(*parts)),
    )
)
how = st.one_of(
    st.just({}),
    st.just({"ignore": True}),
    st.just({"fork": True}),
    st.builds(lambda want: {"want": want}, st.integers(0, 2**63 - 1)),
    st.builds(lambda text: {"text": text}, st.binary(max_size=60)),
)
shared = st.sampled_from([Buffer(1), Buffer(8), Buffer(100)])


@st.composite
def lists(draw):
    calls = []
    for index in range(draw(st.integers(0, 12))):
        kinds = [st.integers(-(2**63), 2**64 - 1), st.just(0), contents, shared]
        if index:
            kinds.append(st.integers(0, index - 1).map(Result))
        args = draw(st.lists(st.one_of(*kinds), max_size=6))
        calls.append(Call(draw(st.integers(0, 0xFFFF)), args, **draw(how)))
    return calls


class TestContent:
    @given(lists(), st.sampled_from(list(CODES)), st.integers(0, 2**31 - 1))
    def test_list_reads_back(self, calls, arch, report_fd):
        """
        What is written is what was given, for any list.
        """
        program = Program(build_image(calls, arch=arch, report_fd=report_fd))

        check(program, calls, report_fd)

    def test_same_object_is_one_place(self):
        """
        Data that several calls share is in the file once.
        """
        path = b"/a/path/of/some/length"

        built = build_image([Call(1, (path,)), Call(2, (path,))], arch="x86_64", report_fd=3)

        assert built.count(path) == 1

    def test_two_megabytes_of_environment_fit(self):
        """
        As much as the kernel takes can be given.
        """
        calls = [Call(59, (b"/x", Pointers([]), Pointers([b"V=" + b"x" * 100_000] * 20)))]

        check(Program(build_image(calls, arch="x86_64", report_fd=3)), calls, 3)


@pytest.mark.parametrize("arch", CODES)
class TestHeaders:
    def test_file_is_a_static_program(self, arch):
        """
        A 64-bit executable at fixed addresses, without interpreter or section table.
        """
        program = Program(build_image([], arch=arch, report_fd=3))

        assert program.ident == b"\x7fELF\x02\x01\x01" + bytes(9)
        assert (program.type, program.machine) == (2, CODES[arch][0])
        assert [segment[0] for segment in program.segments] == [PT_LOAD, PT_LOAD, PT_GNU_STACK]

    def test_nothing_is_writable_but_the_stack(self, arch):
        """
        Code is read and executed, data is read; the stack is not executable.
        """
        program = Program(build_image([], arch=arch, report_fd=3))

        assert [segment[1] for segment in program.segments] == [R | X, R, R | W]

    def test_entry_is_the_code_and_code_is_all_that_is_executable(self, arch):
        """
        The executable segment ends with the machine code; the list is not in it.
        """
        built = build_image([Call(1, (b"list",))], arch=arch, report_fd=3)
        program = Program(built)
        _, _, offset, start, _, size, _, _ = program.segments[0]

        assert built[program.entry - start + offset : offset + size] == CODES[arch][1]

    def test_segments_suit_every_page_size(self, arch):
        """
        Offset and address of a segment agree in all page sizes up to 64 KiB.
        """
        program = Program(build_image([], arch=arch, report_fd=3))

        for _, _, offset, address, _, in_file, in_memory, align in program.segments[:2]:
            assert (address - offset) % align == 0
            assert align == 0x10000
            assert in_file == in_memory

    def test_data_is_the_whole_file(self, arch):
        """
        The data segment is the file from its first byte to its last: nothing is padded.
        """
        built = build_image([Call(1, (b"x" * 5000,))], arch=arch, report_fd=3)

        _, _, offset, _, _, size, _, _ = Program(built).segments[1]
        assert (offset, size) == (0, len(built))


class TestRefusal:
    @pytest.mark.parametrize(
        ("calls", "text"),
        [
            pytest.param([Call(-1)], "call 0: -1 is no system call", id="number-low"),
            pytest.param([Call(65536)], "call 0: 65536 is no system call", id="number-high"),
            pytest.param([Call(1, [0] * 7)], "call 0: 7 arguments", id="seven-arguments"),
            pytest.param(
                [Call(1), Call(1, [0, 2**64])], "call 1: argument 1: .* 64 bits", id="int-high"
            ),
            pytest.param([Call(1, [-(2**63) - 1])], "argument 0: .* 64 bits", id="int-low"),
            pytest.param([Call(1, [Result(0)])], "result of call 0 is not", id="own-result"),
            pytest.param([Call(1), Call(1, [Result(-1)])], "result of call -1", id="no-result"),
            pytest.param([Call(1, want=-1)], "want -1", id="want-low"),
            pytest.param([Call(1, want=2**63)], "want 9", id="want-high"),
            pytest.param([Call(1, text=b"x" * 4001)], "text of 4001 bytes", id="long-text"),
            pytest.param([Call(1, text=b"x", ignore=True)], "exclude", id="text-ignore"),
            pytest.param([Call(1, want=1, fork=True)], "exclude", id="want-fork"),
            pytest.param([Call(1, [Pointers([b"a\0b"])])], "NUL inside", id="nul"),
            pytest.param([Call(1, [Buffer(0)])], "buffer of 0 bytes", id="empty-buffer"),
            pytest.param([Call(1, [Buffer(4096)])], "does not fit", id="large-buffer"),
            pytest.param(
                [Call(1)] * 256 + [Call(1, [Result(i)]) for i in range(256)],
                "256 results are used, at most 255",
                id="many-results",
            ),
            pytest.param([Call(1, [bytes(16 << 20)])], "bytes of list", id="large-list"),
            pytest.param([Call(1, ["str"])], "call 0: 'str' is no argument", id="str"),
            pytest.param([Call(1, [True])], "call 0: True is no argument", id="bool"),
            pytest.param([Call(1, [None])], "call 0: None is no argument", id="none"),
            pytest.param([Call(1, [Struct("x")])], "'x' is no part", id="struct-str"),
            pytest.param([Call(1, text="x")], "'x' is no argument", id="text-str"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, calls, text):
        """
        What the stub would misread is refused before it is written, with call and argument.
        """
        with pytest.raises((ValueError, OverflowError, TypeError), match=f"build stub: .*{text}"):
            build_image(calls, arch="x86_64", report_fd=3)

    def test_unknown_architecture_is_refused(self):
        """
        There are two architectures.
        """
        with pytest.raises(ValueError, match="unknown architecture 'riscv64'"):
            build_image([], arch="riscv64", report_fd=3)

    @pytest.mark.parametrize("fd", [-1, 2**31])
    def test_report_fd_is_a_descriptor(self, fd):
        """
        The report goes to a descriptor.
        """
        with pytest.raises(ValueError, match="no file descriptor"):
            build_image([], arch="x86_64", report_fd=fd)

    def test_longest_text_and_longest_words_fit_the_page(self):
        """
        The machine code puts text and words into one page without looking.
        """
        longest = max(map(len, image._WORDS.split(b"\n"))) + 1

        assert image._LONGEST_TEXT + longest <= 4096


class TestValues:
    @pytest.mark.parametrize(
        "value",
        [
            Call(1, (2, b"x", Result(0), Buffer(3), Pointers([b"a"])), want=4),
            Call(1, (Struct(b"x", Address(b"y")),), text=b"x: "),
            Call(1, ignore=True),
        ],
    )
    def test_repr_is_the_constructor(self, value):
        """
        A list can be shown, and what is shown can be compared.
        """
        names = {kind.__name__: kind for kind in (Call, Result, Buffer, Pointers, Struct, Address)}

        assert eval(repr(value), names) == value

    def test_lists_are_compared_by_value(self):
        """
        Plans are compared in tests, so calls are.
        """
        assert Call(1, (b"x",)) == Call(1, [b"x"])
        assert Call(1, (b"x",)) != Call(1, (b"y",))
        assert Call(1) != Call(1, ignore=True)
        assert Call(1, (Buffer(1),)) == Call(1, (Buffer(1),))
