// NAME
//      stub: run a list of system calls that somebody else has written
//
// DESCRIPTION
//      The same program as x86_64.S, label for label; the manual is there.
//
// REGISTERS
//      x19 record, w20 its index, x21 HEAD, x22 PAGE, x23 the word behind the arguments.
//      The kernel changes only x0.

        .equ    HEAD, 0x8000e8
        .equ    IGNORE, 0               // numbers of bits here, for tbz and tbnz
        .equ    FORK, 1
        .equ    WANT, 2
        .equ    TEXT, 3
        .equ    RESULTS, 64
        .equ    SYS_write, 64
        .equ    SYS_exit_group, 94

        .text
        .globl  _start
_start: mov     x22, sp
        and     x22, x22, #0xfffffffffffff000
        movz    w21, #(HEAD & 0xffff)
        movk    w21, #(HEAD >> 16), lsl #16
        ldr     w19, [x21, #8]
        mov     w20, #0

next:   ldr     w9, [x21, #4]
        cmp     w20, w9
        b.hs    end

        stp     xzr, xzr, [x22]         // arguments not given are 0: prctl looks at all five
        stp     xzr, xzr, [x22, #16]
        stp     xzr, xzr, [x22, #32]

        mov     x12, x22
        add     x23, x19, #8
        ldrb    w9, [x19, #2]
        ldrb    w10, [x19, #4]
        ldrb    w11, [x19, #5]
fill:   cbz     w9, given
        ldr     x13, [x23], #8
        tbz     w10, #0, 1f
        ldr     x13, [x22, x13]         // what an earlier call returned
1:      tbz     w11, #0, 2f
        add     x13, x13, x22           // memory that this call may write
2:      str     x13, [x12], #8
        lsr     w10, w10, #1
        lsr     w11, w11, #1
        sub     w9, w9, #1
        b       fill

given:  ldp     x0, x1, [x22]
        ldp     x2, x3, [x22, #16]
        ldp     x4, x5, [x22, #32]
        ldrh    w8, [x19]
        svc     #0
        add     x9, x22, #RESULTS
        ldrb    w10, [x19, #7]
        str     x0, [x9, x10, lsl #3]

        ldrb    w10, [x19, #3]
        mov     w11, #0                 // the error number, if it comes to that
        cmn     x0, #4095               // carry: -4095 to -1 are errors
        b.hs    error
        tbz     w10, #WANT, fine
        ldr     x9, [x23]
        cmp     x0, x9
        b.ne    failed
fine:   tbz     w10, #FORK, done
        cbnz    x0, parent

done:   ldrb    w9, [x19, #6]
        add     x19, x19, x9, lsl #3
        add     w20, w20, #1
        b       next

error:  neg     w11, w0
failed: tbnz    w10, #IGNORE, done
        tbnz    w10, #TEXT, say
        mov     w9, #'E'
        strb    w9, [x22, #7]           // so that the two numbers behind it are aligned
        stp     w20, w11, [x22, #8]
        mov     w19, #127
        b       report

parent: mov     w9, #'P'
        strb    w9, [x22, #7]
        stp     w0, w20, [x22, #8]
        mov     w19, #0

report: ldr     w0, [x21]
        add     x1, x22, #7
        mov     x2, #9
        b       send

// One contiguous write, so that lines of several processes do not mix and the payload's filter
// needs to allow no more than write.  It may fill PAGE: results are of no use any more.
say:    mov     x12, x22
        ldp     w9, w13, [x23]
1:      cbz     w13, 2f
        ldrb    w14, [x9], #1
        strb    w14, [x12], #1
        sub     w13, w13, #1
        b       1b
2:      ldr     w9, [x21, #12]
3:      ldrb    w14, [x9], #1
        ldrb    w13, [x9], #1
        cmp     w14, w11
        b.eq    4f
        cbz     w14, 4f
        add     x9, x9, x13
        b       3b
4:      cbz     w13, 5f
        ldrb    w14, [x9], #1
        strb    w14, [x12], #1
        sub     w13, w13, #1
        b       4b
5:      sub     x2, x12, x22
        mov     x1, x22
        mov     x0, #2
        mov     w19, #1

send:   mov     x8, #SYS_write
        svc     #0
        b       exit

end:    mov     w19, #127
exit:   mov     w0, w19
        mov     x8, #SYS_exit_group
        svc     #0
        brk     #0                      // a filter may refuse even exit_group
