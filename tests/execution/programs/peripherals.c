/* The peripherals of the application's core, one case for each question. */
#include "chip.h"

#define NVMC 0x50039000u
#define CONFIG REG(NVMC + 0x504)
#define READY REG(NVMC + 0x400)
#define PAGE 0x40000u
#define QSPI 0x5002B000u
#define RTC0 0x50014000u
#define GPIO 0x50842500u
#define UICR 0x00FF8000u
#define OTP 0x00FF8100u

static uint8_t buffer[8192];

static void store(uint32_t address, uint32_t value)
{
	REG(address) = value;
	while (!READY)
		;
}

static void nvmc(void)
{
	say("before", REG(PAGE));
	CONFIG = 1;
	store(PAGE, 0xFFFF00FFu);
	say("written", REG(PAGE));
	store(PAGE, 0x0F0FFF0Fu);
	say("cleared_only", REG(PAGE));
	store(PAGE + 0xFFC, 0x12345678u);
	store(PAGE + 0x1000, 0x9ABCDEF0u);
	CONFIG = 0;
	say("kept", REG(PAGE));
	CONFIG = 2;
	store(PAGE + 0x10, 0xFFFFFFFFu);
	CONFIG = 0;
	say("erased", REG(PAGE));
	say("erased_end", REG(PAGE + 0xFFC));
	say("next_page", REG(PAGE + 0x1000));
	CONFIG = 1;
	store(PAGE, 0);
	CONFIG = 2;
	store(PAGE, 0);
	CONFIG = 0;
	say("erased_by_zero", REG(PAGE));

	/* Bits that flash does not take, read back by the next instruction. */
	uint32_t at_once, second, in_it;
	CONFIG = 1;
	REG(PAGE) = 0x0F;
	__asm volatile("str %2, [%1]\n ldr %0, [%1]" : "=&r"(at_once) : "r"(PAGE), "r"(0xF3));
	say("at_once", at_once);
	store(PAGE + 4, 0x0F);
	store(PAGE + 8, 0x33);
	__asm volatile("mov r2, %1\n strd %2, %2, [r2, #4]!\n ldr %0, [r2, #4]"
		: "=&r"(second) : "r"(PAGE), "r"(0xF1) : "r2");
	say("first_of_two", REG(PAGE + 4));
	say("second_of_two", second);
	store(PAGE + 12, 0x0F);
	__asm volatile("cmp %1, %1\n it eq\n streq %2, [%1]\n b 1f\n1: ldr %0, [%1]"
		: "=&r"(in_it) : "r"(PAGE + 12), "r"(0xF5) : "cc");
	say("in_it_block", in_it);
	CONFIG = 0;
}

static void uicr(void)
{
	say("uicr_before", REG(UICR + 0x20));
	say("otp_before", REG(OTP + 4));
	CONFIG = 1;
	store(UICR + 0x20, 0xFFFFFF5Au);
	store(OTP + 4, 0xFFFF1234u);
	say("otp_half", REG(OTP + 4));
	/* A halfword that is not erased keeps what it is. */
	store(OTP + 4, 0xABCD0000u);
	CONFIG = 0;
	say("uicr_after", REG(UICR + 0x20));
	say("otp_after", REG(OTP + 4));
	say("otp_byte", *(volatile uint8_t *)(OTP + 5));
}

static void show_events(const char *name)
{
	say(name, REG(UARTE + 0x120) | REG(UARTE + 0x150) << 4 | REG(UARTE + 0x158) << 8);
}

static volatile uint32_t uarte_interrupts;

static void on_uarte(void)
{
	uarte_interrupts++;
	REG(UARTE + 0x120) = 0;
	(void)REG(UARTE + 0x120);
}

static void clear_events(void)
{
	REG(UARTE + 0x120) = 0;
	REG(UARTE + 0x150) = 0;
	REG(UARTE + 0x158) = 0;
}

static void uarte(void)
{
	clear_events();
	show_events("none");
	REG(UARTE + 0x548) = 0;
	REG(UARTE + 0x008) = 1;
	uint32_t amount = REG(UARTE + 0x54C);
	show_events("length_0");
	say("amount_0", amount);
	clear_events();
	REG(UARTE + 0x00C) = 1;
	show_events("stopped");
	clear_events();
	/* 4 bytes, of which none is 0. */
	*(volatile uint32_t *)buffer = 0x0A336261u;
	REG(UARTE + 0x544) = (uintptr_t)buffer;
	REG(UARTE + 0x548) = 4;
	REG(UARTE + 0x008) = 1;
	amount = REG(UARTE + 0x54C);
	show_events("length_4");
	say("amount_4", amount);
	clear_events();
	ON(8, on_uarte);
	NVIC_ISER(8);
	REG(UARTE + 0x304) = 1u << 8;
	say("inten", REG(UARTE + 0x300));
	REG(UARTE + 0x548) = 0;
	REG(UARTE + 0x008) = 1;
	ISB();
	REG(UARTE + 0x308) = 1u << 8;
	say("interrupts", uarte_interrupts);
}

static void qspi_wait(void)
{
	while (!REG(QSPI + 0x100))
		;
	REG(QSPI + 0x100) = 0;
}

static uint32_t instruct(uint32_t opcode, uint32_t length, uint32_t data)
{
	REG(QSPI + 0x638) = data;
	REG(QSPI + 0x634) = opcode | length << 8;
	qspi_wait();
	return REG(QSPI + 0x638);
}

static void qspi_dma(uint32_t task, uint32_t first, uint32_t a, uint32_t b, uint32_t count)
{
	REG(QSPI + first) = a;
	REG(QSPI + first + 4) = b;
	REG(QSPI + first + 8) = count;
	REG(QSPI + task) = 1;
	qspi_wait();
}

static void qspi_erase(uint32_t address, uint32_t length)
{
	REG(QSPI + 0x51C) = address;
	REG(QSPI + 0x520) = length;
	REG(QSPI + 0x00C) = 1;
	qspi_wait();
}

static uint32_t qspi_word(uint32_t address)
{
	static volatile uint32_t word;
	qspi_dma(0x004, 0x504, address, (uintptr_t)&word, 4);
	return word;
}

static void qspi(void)
{
	REG(QSPI + 0x500) = 1;
	REG(QSPI + 0x000) = 1;
	qspi_wait();
	say("id", instruct(0x9F, 4, 0) & 0xFFFFFF);
	say("status", instruct(0x05, 2, 0) & 0xFF);
	instruct(0x06, 1, 0);
	instruct(0x01, 2, 0x40);
	say("quad", instruct(0x05, 2, 0) & 0xFF);
	say("status_register", REG(QSPI + 0x604) >> 24);
	say("blank", qspi_word(0x10000));
	for (uint32_t i = 0; i < sizeof(buffer); i++)
		buffer[i] = i * 7;
	qspi_dma(0x008, 0x510, 0x10000, (uintptr_t)buffer, sizeof(buffer));
	say("first", qspi_word(0x10000));
	say("last", qspi_word(0x10000 + sizeof(buffer) - 4));
	say("window", REG(0x10010000u));
	for (uint32_t i = 0; i < 4; i++)
		buffer[i] = 0xF0;
	qspi_dma(0x008, 0x510, 0x10000, (uintptr_t)buffer, 4);
	say("cleared_only", qspi_word(0x10000));
	qspi_erase(0x10000, 0);
	say("erased_4k", qspi_word(0x10000));
	say("next_4k", qspi_word(0x11000));
	qspi_dma(0x008, 0x510, 0x1FFFC, (uintptr_t)buffer, 4);
	qspi_dma(0x008, 0x510, 0x20000, (uintptr_t)buffer, 4);
	qspi_erase(0x10000, 1);
	say("erased_64k", qspi_word(0x11000) & qspi_word(0x1FFFC));
	say("next_64k", qspi_word(0x20000));
}

static volatile uint32_t rtc_interrupts, rtc_count;

static void on_rtc(void)
{
	rtc_interrupts++;
	rtc_count = REG(RTC0 + 0x504);
	REG(RTC0 + 0x140) = 0;
	(void)REG(RTC0 + 0x140);
}

static void rtc(void)
{
	ON(20, on_rtc);
	NVIC_ISER(20);
	REG(RTC0 + 0x540) = 1000;
	REG(RTC0 + 0x344) = 1u << 16;
	REG(RTC0 + 0x304) = 1u << 16;
	say("stands", REG(RTC0 + 0x504));
	REG(RTC0) = 1;
	WFI();
	say("interrupts", rtc_interrupts);
	say("count", rtc_count);
	/* Held by PRIMASK, it still ends WFI. */
	__asm volatile("cpsid i" ::: "memory");
	REG(RTC0 + 0x540) = 3000;
	WFI();
	say("masked", rtc_interrupts);
	__asm volatile("cpsie i" ::: "memory");
	say("unmasked", rtc_interrupts);
	REG(RTC0 + 0x540) = 4000;
	while (rtc_interrupts < 3)
		;
	say("circle", rtc_count);
	REG(RTC0 + 0x540) = 5000;
	while (REG(RTC0 + 0x504) < 5000)
		;
	say("polled", rtc_interrupts);
	REG(RTC0 + 0x008) = 1;
	say("cleared", REG(RTC0 + 0x504));
	REG(RTC0 + 0x004) = 1;
	rtc_count = REG(RTC0 + 0x504);
	say("stopped", REG(RTC0 + 0x504) - rtc_count);
	REG(RTC0 + 0x540) = 6000;
}

static void gpio(void)
{
	say("floating", REG(GPIO + 0x010));
	REG(GPIO + 0x200 + 4 * 6) = 3 << 2;
	REG(GPIO + 0x200 + 4 * 7) = 1 << 2;
	say("pulled", REG(GPIO + 0x010));
	REG(GPIO + 0x200 + 4 * 6) = 3 << 2 | 1;
	say("driven_low", REG(GPIO + 0x010));
	say("dir", REG(GPIO + 0x014));
	REG(GPIO + 0x008) = 1u << 6;
	say("driven_high", REG(GPIO + 0x010));
	REG(GPIO + 0x00C) = 1u << 6;
	say("driven_low_again", REG(GPIO + 0x010));
	REG(GPIO + 0x01C) = 1u << 6;
	say("input_again", REG(GPIO + 0x010));
	REG(GPIO + 0x300 + 0x200 + 4 * 2) = 3 << 2;
	say("port_1", REG(GPIO + 0x300 + 0x010));
}

/* Far from where anything else lies. */
static void ram_over_reset(void)
{
	say("count", ++REG(0x20060000u));
}

/* From here on each case ends the run. */
static void ends(uint32_t number)
{
	switch (number) {
	case 10: REG(PAGE) = 0; break;
	case 11: CONFIG = 1; *(volatile uint16_t *)PAGE = 0; break;
	case 12: CONFIG = 1; *(volatile uint8_t *)PAGE = 0; break;
	case 13: CONFIG = 1; __asm volatile("str %0, [%1]" :: "r"(0), "r"(PAGE + 2)); break;
	case 14: CONFIG = 1; *(volatile uint16_t *)(OTP + 2) = 0; break;
	case 15: CONFIG = 2; REG(UICR) = 0xFFFFFFFFu; break;
	case 16: REG(UICR) = 0; break;
	case 17: REG(0x00FF0100u) = 0; break;
	case 18: say("", REG(UARTE + 0x400)); break;
	case 19: REG(UARTE + 0x404) = 5; break;
	case 20: REG(0x5003A000u) = 1; break;
	case 21: say("", REG(0x30000000u)); break;
	case 22: __asm volatile("udf #0"); break;
	case 23: while (!REG(RTC0 + 0x140)) ; break;
	case 24: qspi_dma(0x008, 0x510, 0x10002, (uintptr_t)buffer, 4); break;
	case 25: qspi_erase(0x11000, 1); break;
	case 26: qspi_dma(0x004, 0x504, 0x7FFFFC, (uintptr_t)buffer, 8); break;
	case 27: qspi_dma(0x008, 0x510, 0, 0x100, 4); break;
	case 28: REG(0xE000ED0Cu) = 0x05FA0004u; break;
	case 29: REG(0xE000ED0Cu) = 0x00000004u; break;
	case 30: instruct(0x35, 2, 0); break;
	case 31: REG(NVMC + 0x508) = PAGE; break;
	case 32: REG(NVMC + 0x50C) = 1; break;
	case 33: say("", *(volatile uint32_t *)(UARTE + 0xFF4)); break;
	}
}

int main(void)
{
	switch (CASE) {
	case 0: nvmc(); break;
	case 1: uicr(); break;
	case 2: uarte(); break;
	case 3: qspi(); break;
	case 4: rtc(); break;
	case 5: gpio(); break;
	case 6: ram_over_reset(); break;
	default: ends(CASE);
	}
	return 0;
}
