/* The network core's half. */
#include "chip.h"

#define IPC 0x41012000u
#define SHARED ((volatile uint32_t *)0x20040000u)

static void on_ipc(void)
{
	REG(IPC + 0x108) = 0;
	(void)REG(IPC + 0x108);
	SHARED[1]++;
	REG(IPC + 4 * 4) = 1;
}

/* Its pages are half as large as the application core's. */
static void flash(void)
{
	REG(0x41080504u) = 1;
	REG(0x01020000u) = 4;
	REG(0x01020800u) = 5;
	REG(0x41080504u) = 2;
	REG(0x01020000u) = 0xFFFFFFFFu;
	REG(0x41080504u) = 0;
	say("erased", REG(0x01020000u));
	say("next_page", REG(0x01020800u));
}

/* Answers without an interrupt, and goes on polling. */
static void poll(void)
{
	REG(IPC + 0x510 + 4 * 4) = 1u << 5;
	for (uint32_t wanted = 1;; wanted++) {
		while (SHARED[2] != wanted)
			;
		SHARED[3] = 10 * wanted;
		REG(IPC + 4 * 4) = 1;
	}
}

int main(void)
{
	if (CASE == 1)
		poll();
	ON(18, on_ipc);
	NVIC_ISER(18);
	REG(IPC + 0x510 + 4 * 4) = 1u << 5;
	REG(IPC + 0x598) = 1u << 3;
	REG(IPC + 0x304) = 1u << 2;
	SHARED[0]++;
	say("start", SHARED[0]);
	flash();
	REG(IPC + 4 * 4) = 1;
	for (;;)
		WFI();
}
