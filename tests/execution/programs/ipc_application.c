/* The application's half of two cores: starts the other one, signals, and shares RAM with it. */
#include "chip.h"

#define IPC 0x5002A000u
#define FORCEOFF REG(0x50005614u)
#define SHARED ((volatile uint32_t *)0x20040000u)

static volatile uint32_t received;

static void on_ipc(void)
{
	received++;
	REG(IPC + 0x104) = 0;
	(void)REG(IPC + 0x104);
}

static void wait_for(uint32_t count)
{
	while (received < count)
		WFI();
}

/* Both cores go round in circles, which nothing but each other's stores and signals ends. */
static void poll(void)
{
	REG(IPC + 0x594) = 1u << 5;
	FORCEOFF = 0;
	for (uint32_t asked = 1; asked <= 3; asked++) {
		REG(IPC + 0x104) = 0;
		SHARED[2] = asked;
		while (!REG(IPC + 0x104))
			;
		say("polled", SHARED[3]);
	}
}

int main(void)
{
	if (CASE == 1) {
		poll();
		return 0;
	}
	ON(42, on_ipc);
	NVIC_ISER(42);
	REG(IPC + 0x510) = 1u << 3;
	REG(IPC + 0x594) = 1u << 5;
	REG(IPC + 0x304) = 1u << 1;
	say("held_off", FORCEOFF);
	SHARED[0] = 0;
	FORCEOFF = 0;
	wait_for(1);
	say("started", SHARED[0]);
	say("received", received);
	SHARED[1] = 41;
	REG(IPC) = 1;
	wait_for(2);
	say("answer", SHARED[1]);
	/* Off and on again: it starts from its reset vector. */
	FORCEOFF = 1;
	FORCEOFF = 0;
	wait_for(3);
	say("started_again", SHARED[0]);
	/* Without an interrupt: polled, while the other core works. */
	NVIC_ICER(42);
	REG(IPC + 0x104) = 0;
	REG(IPC) = 1;
	while (!REG(IPC + 0x104))
		;
	say("polled", SHARED[1]);
	say("others", REG(IPC + 0x100) | REG(IPC + 0x108));
	return 0;
}
