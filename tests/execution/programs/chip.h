/* What all programs here share: registers, the UART of their core, interrupts. */
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(uintptr_t)(address))

#ifdef NETWORK
#define UARTE 0x41013000u
#define FLASH_END 0x0103F000u
#else
#define UARTE 0x50008000u
#define FLASH_END 0x000FF000u
#endif

/* Which part of a program runs: a word that the test puts into flash. */
#define CASE REG(FLASH_END)

#define NVIC_ISER(irq) REG(0xE000E100u + 4 * ((irq) / 32)) = 1u << ((irq) % 32)
#define NVIC_ICER(irq) REG(0xE000E180u + 4 * ((irq) / 32)) = 1u << ((irq) % 32)
#define NVIC_ISPR(irq) REG(0xE000E200u + 4 * ((irq) / 32)) = 1u << ((irq) % 32)
#define NVIC_IPR(irq) (*(volatile uint8_t *)(0xE000E400u + (irq)))
#define ICSR REG(0xE000ED04u)
#define SCR REG(0xE000ED10u)
#define PENDSVSET (1u << 28)

#define ISB() __asm volatile("dsb\n isb" ::: "memory")
#define WFI() __asm volatile("wfi" ::: "memory")
#define WFE() __asm volatile("wfe" ::: "memory")
#define SEV() __asm volatile("sev" ::: "memory")
#define GET(name) ({ uint32_t v_; __asm volatile("mrs %0, " name : "=r"(v_) :: "memory"); v_; })
#define SET(name, value) __asm volatile("msr " name ", %0" :: "r"(value) : "memory")

/* By the number of the exception; interrupt n is 16 + n. */
extern void (*handlers[112])(void);
#define ON(irq, function) handlers[16 + (irq)] = (function)

/* A line `name value` on the UART, in hexadecimal digits. */
void say(const char *name, uint32_t value);
/* A line `name text`. */
void tell(const char *name, const char *text);
int main(void);
