/* Vector table, and output. Nothing initialises memory: RAM is zero, and no variable has a value. */
#include "chip.h"

extern uint32_t stack_top[];
void (*handlers[112])(void);
static char line[80];
static uint32_t length;

__attribute__((weak)) void interrupt(void) { handlers[GET("ipsr")](); }
__attribute__((weak, alias("interrupt"))) void svcall(void);
__attribute__((weak, alias("interrupt"))) void pendsv(void);

static void reset(void)
{
	main();
	__asm volatile("cpsid i");
	for (;;)
		WFI();
}

__attribute__((section(".vectors"), used)) static void *const vectors[112] = {
	[0] = stack_top,
	[1] = reset,
	[2 ... 10] = interrupt,
	[11] = svcall,
	[12 ... 13] = interrupt,
	[14] = pendsv,
	[15 ... 111] = interrupt,
};

static void add(const char *text)
{
	while (*text && length < sizeof(line) - 2)
		line[length++] = *text++;
}

static void send(void)
{
	line[length++] = '\n';
	REG(UARTE + 0x544) = (uintptr_t)line;
	REG(UARTE + 0x548) = length;
	REG(UARTE + 0x008) = 1;
	length = 0;
}

void tell(const char *name, const char *text)
{
	add(name);
	add(" ");
	add(text);
	send();
}

void say(const char *name, uint32_t value)
{
	char digits[9];
	for (int i = 0; i < 8; i++)
		digits[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
	digits[8] = 0;
	const char *first = digits;
	while (*first == '0' && first[1])
		first++;
	tell(name, first);
}
