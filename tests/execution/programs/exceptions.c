/* Exceptions in every mask state; each case prints the order in which things happened. */
#include "chip.h"

/* EGU0's and two neighbours' lines, pended by hand. */
#define LOW 27
#define HIGH 28
#define OTHER 29

static char trace[40];
static uint32_t steps;

static void note(char step)
{
	trace[steps++] = step;
	trace[steps] = 0;
}

static void low(void)
{
	note('l');
	__asm volatile("movs r0, #0\n mov r1, r0\n mov r2, r0\n mov r3, r0\n mov r12, r0\n cmp r0, #0"
		::: "r0", "r1", "r2", "r3", "r12", "cc");
}
static void high(void) { note('h'); }
static void other(void) { note('o'); }

static void low_pends_high(void)
{
	note('(');
	NVIC_ISPR(HIGH);
	ISB();
	note(')');
}

static void masks_faults(void)
{
	__asm volatile("cpsid f" ::: "memory");
	note('f');
}

static void prepare(void)
{
	ON(LOW, low);
	ON(HIGH, high);
	ON(OTHER, other);
	NVIC_IPR(LOW) = 0x80;
	NVIC_IPR(HIGH) = 0x40;
	NVIC_IPR(OTHER) = 0x80;
	NVIC_ISER(LOW);
	NVIC_ISER(HIGH);
	NVIC_ISER(OTHER);
	ISB();
	steps = 0;
	trace[0] = 0;
}

static void masks(void)
{
	prepare();
	NVIC_ISPR(LOW);
	ISB();
	note('a');
	tell("unmasked", trace);

	prepare();
	__asm volatile("cpsid i" ::: "memory");
	NVIC_ISPR(LOW);
	ISB();
	note('a');
	__asm volatile("cpsie i" ::: "memory");
	note('b');
	tell("primask", trace);

	prepare();
	SET("primask", 1);
	NVIC_ISPR(LOW);
	note('a');
	SET("primask", 0);
	note('b');
	tell("primask_msr", trace);

	prepare();
	__asm volatile("cpsid f" ::: "memory");
	NVIC_ISPR(LOW);
	ISB();
	note('a');
	__asm volatile("cpsie f" ::: "memory");
	note('b');
	tell("faultmask", trace);

	prepare();
	__asm volatile("cpsid i" ::: "memory");
	NVIC_ISPR(LOW);
	note('a');
	__asm volatile("cpsie if" ::: "memory");
	note('b');
	tell("both_masks", trace);

	prepare();
	SET("basepri", 0x80);
	NVIC_ISPR(LOW);
	NVIC_ISPR(HIGH);
	ISB();
	note('a');
	SET("basepri", 0xA0);
	note('b');
	SET("basepri", 0);
	tell("basepri", trace);

	prepare();
	SET("basepri", 0x40);
	NVIC_ISPR(LOW);
	NVIC_ISPR(HIGH);
	note('a');
	SET("basepri_max", 0xA0);
	say("basepri_max_keeps", GET("basepri"));
	note('b');
	SET("basepri", 0);
	note('c');
	tell("basepri_zero", trace);

	prepare();
	NVIC_ICER(LOW);
	NVIC_ISPR(LOW);
	ISB();
	note('a');
	NVIC_ISER(LOW);
	ISB();
	note('b');
	tell("disabled", trace);

	prepare();
	ON(LOW, masks_faults);
	NVIC_ISPR(LOW);
	ISB();
	say("faultmask_after_return", GET("faultmask"));
	NVIC_IPR(LOW) = 0xFF;
	say("priority_bits", NVIC_IPR(LOW));
}

static void order(void)
{
	prepare();
	__asm volatile("cpsid i" ::: "memory");
	NVIC_ISPR(OTHER);
	NVIC_ISPR(LOW);
	NVIC_ISPR(HIGH);
	__asm volatile("cpsie i" ::: "memory");
	note('a');
	tell("chained", trace);

	prepare();
	ON(LOW, low_pends_high);
	NVIC_ISPR(LOW);
	ISB();
	note('a');
	tell("nested", trace);

	prepare();
	ON(LOW, low_pends_high);
	NVIC_IPR(HIGH) = 0x80;
	NVIC_ISPR(LOW);
	ISB();
	note('a');
	tell("same_priority", trace);
}

/* Registers that an interrupt must leave alone; returns what is wrong with them. */
uint32_t registers_across_interrupt(volatile uint32_t *pend, uint32_t bit);
uint32_t it_across_read(volatile uint32_t *pend, uint32_t bit, volatile uint32_t *read);
uint32_t it_across_unmasking(volatile uint32_t *pend, uint32_t bit);
uint32_t it_across_svc(void);
uint32_t stack_across_interrupt(volatile uint32_t *pend, uint32_t bit);
uint32_t float_across_interrupt(volatile uint32_t *pend, uint32_t bit);
void spoil_float(void);
uint32_t svc_7(uint32_t value);

static uint32_t control_in_handler;

static void spoils_float(void)
{
	control_in_handler = GET("control");
	spoil_float();
	note('s');
}

static void state(void)
{
	volatile uint32_t *ispr = &REG(0xE000E200u);
	uint32_t bit = 1u << LOW;

	prepare();
	say("registers", registers_across_interrupt(ispr, bit));
	note('1');
	say("it_read", it_across_read(ispr, bit, &REG(UARTE + 0x544)));
	note('2');
	say("it_unmasking", it_across_unmasking(ispr, bit));
	note('3');
	say("it_svc", it_across_svc());
	say("stack", stack_across_interrupt(ispr, bit));
	tell("taken", trace);

	REG(0xE000ED88u) = 0xF << 20;
	ISB();
	prepare();
	ON(LOW, spoils_float);
	say("fpca_before", GET("control"));
	NVIC_ISPR(LOW);
	ISB();
	say("fpca_after_none", GET("control"));
	say("float", float_across_interrupt(ispr, bit));
	say("fpca_in_handler", control_in_handler);
	say("fpca_after", GET("control"));
	tell("float_taken", trace);
	say("svc", svc_7(30));
}

/* Two threads on the process stack, switched by PendSV, started by SVC. */
void start_threads(void);
uint32_t thread_stacks[2][64];
uint32_t *thread_pointers[2];
volatile uint32_t running;
uint32_t kept_registers(uint32_t seed);

static void yield(void)
{
	ICSR = PENDSVSET;
	ISB();
}

static void thread(char name, uint32_t seed)
{
	for (int i = 0; i < 3; i++) {
		note(name);
		if (kept_registers(seed) != 0)
			note('!');
		yield();
	}
	if (name == 'B') {
		tell("threads", trace);
		say("thread_control", GET("control"));
		WFI();
	}
	for (;;)
		yield();
}

static void thread_a(void) { thread('A', 0x100); }
static void thread_b(void) { thread('B', 0x200); }

static uint32_t *new_stack(uint32_t *stack, void (*entry)(void))
{
	uint32_t *top = stack + 64 - 16;
	top[8 + 6] = (uintptr_t)entry & ~1u;
	top[8 + 7] = 1u << 24;
	return top;
}

static void threads(void)
{
	prepare();
	*(volatile uint8_t *)0xE000ED22u = 0xE0;
	thread_pointers[0] = new_stack(thread_stacks[0], thread_a);
	thread_pointers[1] = new_stack(thread_stacks[1], thread_b);
	start_threads();
}

static void waits(void)
{
	prepare();
	__asm volatile("cpsid i" ::: "memory");
	NVIC_ISPR(LOW);
	WFI();
	note('a');
	__asm volatile("cpsie i" ::: "memory");
	tell("masked_wfi", trace);

	prepare();
	SEV();
	WFE();
	note('a');
	tell("wfe_after_sev", trace);
	/* An exception's return leaves an event, too. */
	NVIC_ISPR(LOW);
	ISB();
	WFE();
	note('b');
	tell("wfe_after_interrupt", trace);
	SCR = 1u << 4;
	__asm volatile("cpsid i" ::: "memory");
	NVIC_ISPR(LOW);
	WFE();
	note('c');
	__asm volatile("cpsie i" ::: "memory");
	tell("wfe_pending_is_event", trace);
	/* The return from that interrupt is an event: the first one goes on, the second sleeps. */
	WFE();
	note('d');
	tell("last", trace);
	WFE();
	tell("never", trace);
}

static void wfi_under_basepri(void)
{
	prepare();
	SET("basepri", 0x40);
	NVIC_ISPR(LOW);
	tell("sleeps", "");
	WFI();
	tell("never", "");
}

static void masked_circle(void)
{
	prepare();
	__asm volatile("cpsid i" ::: "memory");
	NVIC_ISPR(LOW);
	for (;;)
		;
}

static void unmasked_circle(void)
{
	prepare();
	tell("before", trace);
	NVIC_ISPR(LOW);
	while (*(volatile uint32_t *)&steps == 0)
		;
	tell("after", trace);
}

static void vector_table_in_ram(void)
{
	static uint32_t table[112] __attribute__((aligned(512)));
	prepare();
	for (int i = 0; i < 112; i++)
		table[i] = ((volatile uint32_t *)0)[i];
	table[16 + LOW] = (uintptr_t)other;
	REG(0xE000ED08u) = (uintptr_t)table;
	ISB();
	NVIC_ISPR(LOW);
	ISB();
	tell("moved_table", trace);
}

int main(void)
{
	switch (CASE) {
	case 0: masks(); break;
	case 1: order(); break;
	case 2: state(); break;
	case 3: threads(); break;
	case 4: waits(); break;
	case 5: wfi_under_basepri(); break;
	case 6: masked_circle(); break;
	case 7: unmasked_circle(); break;
	case 8: vector_table_in_ram(); break;
	}
	return 0;
}
