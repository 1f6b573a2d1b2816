# NAME
#       stub: run a list of system calls that somebody else has written
#
# DESCRIPTION
#       The program between the Python process that builds a container and the payload.  It does
#       the calls of the list one after the other and knows nothing else: no policy, no libc, no
#       heap, no signal handler.  It looks at neither argv nor the environment, so that a payload
#       which starts it again (`#!/proc/self/exe`) cannot tell it anything.  image.py writes the
#       list; aarch64.S is the same program.  tools/assemble_stub.py puts the machine code of both
#       into code.py.
#
# MEMORY
#       HEAD    at a fixed address in the read-only view of the file:
#               +0  u32 report fd       +8   u32 address of the first record
#               +4  u32 record count    +12  u32 address of the words for error numbers
#
#       PAGE    the one page that is written, in rsp: the 4096 bytes that hold the initial stack
#               pointer.  The kernel has filled that page already, so it costs no memory, and what
#               it holds (argc, argv, auxv) is of no use here.  The code has no call and no push.
#               +0   arguments of the call in hand; later the report, or from +0 on the text
#               +64  slots of eight bytes for results, then the buffers that the list asks for.
#               The tables between stack pointer and argv's strings have more than 350 bytes, so
#               `ps` keeps showing the strings unless a list uses more than that.
#
#       RECORD  +0  u16 number          +4  u8 which arguments are page offsets of a u64 to load
#               +2  u8 argument count   +5  u8 which arguments are page offsets to make addresses
#               +3  u8 flags            +6  u8 length of the record in words of 8 bytes
#                                       +7  u8 slot that the result goes to
#               +8  u64 for each argument, then one word if WANT (the value) or TEXT is set
#                   (u32 address, u32 length).  Arguments not given are 0.
#
#       WORDS   u8 error number, u8 length, text with its newline; number 0 ends and fits all.
#
# FLAGS
#       IGNORE  go on whatever the result is
#       FORK    the parent (result above 0) reports the pid and ends; the child goes on
#       WANT    any other result is a failure
#       TEXT    a failure is told to people on fd 2: after it, nobody reads reports
#
# REPORT
#       Nine bytes in one write: 'E', u32 record index, u32 error number (0 = not the wanted value)
#       or 'P', u32 pid, u32 record index: reports of two forks may come in either order.
#
# EXIT STATUS
#       0 the parent of FORK; 1 after a text; 127 after a report of failure, or at the list's end.

        .intel_syntax noprefix
        .equ    HEAD, 0x8000e8
        .equ    IGNORE, 1
        .equ    FORK, 2
        .equ    WANT, 4
        .equ    TEXT, 8
        .equ    RESULTS, 64
        .equ    SYS_write, 1
        .equ    SYS_exit_group, 231

# rbx record, ebp its index, r12 HEAD, r14 the word behind the arguments.
# The kernel changes only rax, rcx and r11.

        .text
        .globl  _start
_start: and     rsp, -4096
        mov     r12d, offset HEAD
        mov     ebx, [r12 + 8]
        xor     ebp, ebp

next:   cmp     ebp, [r12 + 4]
        jae     end

        mov     rdi, rsp                # arguments not given are 0: prctl looks at all five
        xor     eax, eax
        mov     ecx, 6
        rep     stosq

        mov     rdi, rsp
        lea     rsi, [rbx + 8]
        movzx   ecx, byte ptr [rbx + 2]
        movzx   edx, byte ptr [rbx + 4]
        movzx   r8d, byte ptr [rbx + 5]
        jrcxz   given
fill:   lodsq
        shr     edx, 1
        jnc     1f
        mov     rax, [rsp + rax]        # what an earlier call returned
1:      shr     r8d, 1
        jnc     2f
        add     rax, rsp                # memory that this call may write
2:      stosq
        dec     ecx
        jnz     fill

given:  mov     r14, rsi
        mov     rdi, [rsp]
        mov     rsi, [rsp + 8]
        mov     rdx, [rsp + 16]
        mov     r10, [rsp + 24]
        mov     r8, [rsp + 32]
        mov     r9, [rsp + 40]
        movzx   eax, word ptr [rbx]
        syscall
        movzx   ecx, byte ptr [rbx + 7]
        mov     [rsp + RESULTS + rcx * 8], rax

        movzx   ecx, byte ptr [rbx + 3]
        xor     edx, edx                # the error number, if it comes to that
        cmp     rax, -4095              # unsigned: -4095 to -1 are errors
        jae     error
        test    cl, WANT
        jz      fine
        cmp     rax, [r14]
        jne     failed
fine:   test    cl, FORK
        jz      done
        test    rax, rax
        jnz     parent

done:   movzx   ecx, byte ptr [rbx + 6]
        lea     rbx, [rbx + rcx * 8]
        inc     ebp
        jmp     next

error:  sub     edx, eax
failed: test    cl, IGNORE
        jnz     done
        test    cl, TEXT
        jnz     say
        mov     byte ptr [rsp + 7], 'E' # so that the two numbers behind it are aligned
        mov     [rsp + 8], ebp
        mov     [rsp + 12], edx
        mov     ebx, 127
        jmp     report

parent: mov     byte ptr [rsp + 7], 'P'
        mov     [rsp + 8], eax
        mov     [rsp + 12], ebp
        xor     ebx, ebx

report: mov     edi, [r12]
        lea     rsi, [rsp + 7]
        mov     edx, 9
        jmp     send

# One contiguous write, so that lines of several processes do not mix and the payload's filter
# needs to allow no more than write.  It may fill PAGE: results are of no use any more.
say:    mov     rdi, rsp
        mov     esi, [r14]
        mov     ecx, [r14 + 4]
        rep     movsb
        mov     esi, [r12 + 12]
1:      movzx   eax, byte ptr [rsi]
        movzx   ecx, byte ptr [rsi + 1]
        add     rsi, 2
        cmp     eax, edx
        je      2f
        test    eax, eax
        jz      2f
        add     rsi, rcx
        jmp     1b
2:      rep     movsb
        mov     edx, edi
        sub     edx, esp
        mov     rsi, rsp
        mov     edi, 2
        mov     ebx, 1

send:   mov     eax, SYS_write
        syscall
        jmp     exit

end:    mov     ebx, 127
exit:   mov     edi, ebx
        mov     eax, SYS_exit_group
        syscall
        ud2                             # a filter may refuse even exit_group
