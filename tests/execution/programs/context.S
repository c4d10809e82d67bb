/* What C cannot say of registers. Each function returns 0 where all is as it was. */
    .syntax unified
    .cpu cortex-m33
    .fpu fpv5-sp-d16
    .thumb
    .text

    .macro function name
    .global \name
    .type \name, %function
    .thumb_func
\name:
    .endm

/* (pend, bit): an interrupt at the ISB; r0-r3, r12, LR and flags survive. */
function registers_across_interrupt
    push {r4-r7, lr}
    mov r4, r0
    mov r5, r1
    ldr r0, =0x11111111
    ldr r1, =0x22222222
    ldr r2, =0x33333333
    ldr r3, =0x44444444
    ldr r12, =0x55555555
    ldr lr, =0x66666667
    ldr r6, =0xA80F0000
    msr apsr_nzcvqg, r6
    str r5, [r4]
    dsb
    isb
    mrs r7, apsr
    eors r7, r6
    bne 1f
    ldr r6, =0x11111111
    cmp r0, r6
    bne 1f
    ldr r6, =0x22222222
    cmp r1, r6
    bne 1f
    ldr r6, =0x33333333
    cmp r2, r6
    bne 1f
    ldr r6, =0x44444444
    cmp r3, r6
    bne 1f
    ldr r6, =0x55555555
    cmp r12, r6
    bne 1f
    ldr r6, =0x66666667
    cmp lr, r6
    bne 1f
    movs r0, #0
    pop {r4-r7, pc}
1:  movs r0, #1
    pop {r4-r7, pc}

/* (pend, bit, register): the interrupt comes at the read, which is the first of an IT block. */
function it_across_read
    push {r4-r7, lr}
    movs r3, #0
    movs r4, #0
    movs r5, #0
    movs r7, #0
    cmp r3, r3
    str r1, [r0]
    itete eq
    ldreq r6, [r2]
    movne r3, #1
    addeq r4, #1
    movne r5, #2
    orr r0, r3, r5
    cmp r4, #1
    it ne
    orrne r0, #4
    pop {r4-r7, pc}

/* (pend, bit): an unmasking inside of an IT block; the interrupt may come behind the block. */
function it_across_unmasking
    push {r4-r7, lr}
    movs r3, #0
    movs r4, #0
    movs r5, #0
    movs r6, #0
    cpsid i
    str r1, [r0]
    cmp r3, r3
    ittee eq
    msreq primask, r6
    addeq r4, #1
    movne r3, #1
    movne r5, #2
    isb
    orr r0, r3, r5
    cmp r4, #1
    it ne
    orrne r0, #4
    pop {r4-r7, pc}

/* An exception inside of an IT block, whose rest is run as it would have been without. */
function it_across_svc
    push {r4-r7, lr}
    movs r0, #1
    movs r3, #0
    movs r4, #0
    movs r5, #0
    cmp r3, r3
    itete eq
    svceq #7
    movne r3, #1
    addeq r4, #1
    movne r5, #2
    orr r3, r5
    cmp r4, #1
    it ne
    orrne r3, #4
    cmp r0, #8
    it ne
    orrne r3, #8
    mov r0, r3
    pop {r4-r7, pc}

/* (pend, bit): with the stack at both alignments. */
function stack_across_interrupt
    push {r4-r7, lr}
    mov r4, sp
    str r1, [r0]
    dsb
    isb
    mov r5, sp
    sub sp, #4
    mov r6, sp
    str r1, [r0]
    dsb
    isb
    mov r7, sp
    add sp, #4
    eors r4, r5
    eors r6, r7
    orr r0, r4, r6
    pop {r4-r7, pc}

/* (pend, bit): S0-S15 and FPSCR survive a handler that spoils them. */
function float_across_interrupt
    push {r4-r7, lr}
    mov r2, #0x3F800000
    vmov s0, r2
    add r2, #1
    vmov s7, r2
    add r2, #1
    vmov s15, r2
    mov r3, #0x80000000
    vmsr fpscr, r3
    str r1, [r0]
    dsb
    isb
    vmrs r4, fpscr
    eor r0, r3, r4
    vmov r4, s15
    eor r4, r2
    orr r0, r4
    sub r2, #1
    vmov r4, s7
    eor r4, r2
    orr r0, r4
    sub r2, #1
    vmov r4, s0
    eor r4, r2
    orr r0, r4
    pop {r4-r7, pc}

function spoil_float
    mov r0, #0x40000000
    vmov s0, r0
    vmov s7, r0
    vmov s15, r0
    mov r1, #0x10000000
    vmsr fpscr, r1
    bx lr

/* SVC 7 adds its number to r0, in the frame. */
function svc_7
    svc #7
    bx lr

function start_threads
    svc #0

function svcall
    tst lr, #4
    ite eq
    mrseq r0, msp
    mrsne r0, psp
    ldr r1, [r0, #24]
    ldrb r2, [r1, #-2]
    cbz r2, 1f
    ldr r3, [r0]
    add r3, r2
    str r3, [r0]
    bx lr
1:  ldr r0, =thread_pointers
    ldr r0, [r0]
    ldmia r0!, {r4-r11}
    msr psp, r0
    mvn lr, #2
    bx lr

function pendsv
    mrs r0, psp
    stmdb r0!, {r4-r11}
    ldr r1, =running
    ldr r2, [r1]
    ldr r3, =thread_pointers
    str r0, [r3, r2, lsl #2]
    eor r2, #1
    str r2, [r1]
    ldr r0, [r3, r2, lsl #2]
    ldmia r0!, {r4-r11}
    msr psp, r0
    bx lr

/* (seed): r4-r11 hold values of this thread across a switch to the other one. */
function kept_registers
    push {r4-r11, lr}
    mov r1, #0xE000E000
    ldr r1, =0xE000ED04
    mov r2, #0x10000000
    add r4, r0, #4
    add r8, r0, #8
    add r11, r0, #11
    str r2, [r1]
    dsb
    isb
    sub r4, r0
    sub r8, r0
    sub r11, r0
    eor r4, #4
    eor r8, #8
    eor r11, #11
    orr r0, r4, r8
    orr r0, r11
    pop {r4-r11, pc}
    .ltorg
