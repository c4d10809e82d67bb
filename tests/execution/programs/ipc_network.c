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

int main(void)
{
	ON(18, on_ipc);
	NVIC_ISER(18);
	REG(IPC + 0x510 + 4 * 4) = 1u << 5;
	REG(IPC + 0x598) = 1u << 3;
	REG(IPC + 0x304) = 1u << 2;
	SHARED[0]++;
	say("start", SHARED[0]);
	REG(IPC + 4 * 4) = 1;
	for (;;)
		WFI();
}
