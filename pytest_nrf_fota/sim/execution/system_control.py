"""The Cortex-M's own registers at 0xE000E000, and which exception is to be taken next.

Source: Arm v7-M and v8-M Architecture Reference Manuals, System Control Space and Exception model.
Everything is in one security state: firmware that changes it (TF-M) writes to the SAU, which is not
modelled.
"""

from collections.abc import Callable, Iterable

from pytest_nrf_fota.sim.execution.peripheral import UnknownRegisterError

SCS_ADDRESS = 0xE000E000
RESET, NMI, HARD_FAULT, SVCALL, PENDSV, SYSTICK, FIRST_INTERRUPT = 1, 2, 3, 11, 14, 15, 16
_ISER, _ICER, _ISPR, _ICPR, _IABR, _IPR = 0x100, 0x180, 0x200, 0x280, 0x300, 0x400
_IPR_END = 0x5F0
_ITNS, _ITNS_END = 0x380, 0x3C0
_WORDS = 0x40
_CPUID, _ICSR, _VTOR, _AIRCR, _SCR, _CCR, _SHPR = 0xD00, 0xD04, 0xD08, 0xD0C, 0xD10, 0xD14, 0xD18
_SHCSR, _CPACR, _MPU_TYPE = 0xD24, 0xD88, 0xD90
_PENDSVSET, _PENDSVCLR, _PENDSTSET, _PENDSTCLR = 1 << 28, 1 << 27, 1 << 26, 1 << 25
_SYSRESETREQ = 0x05FA0004
_RESET_KEY_MASK = 0xFFFF0004
_MPU_8_REGIONS = 0x800
_LOWEST_PRIORITY = 256
# Nordic's chips have three bits of priority.
_PRIORITY_BITS = 0xE0
_SEVONPEND = 1 << 4
# Held as written: what they switch on has no effect that boot code could see here.
_HELD = (
    range(0x004, 0x00C),  # ICTR, ACTLR
    range(0x010, 0x020),  # SysTick, whose clock does not run
    range(_SCR, _CCR + 4),
    range(_SHCSR, 0xD40),  # SHCSR, fault status and address
    range(0xD40, _CPACR),  # processor features, read as 0
    range(_CPACR, _MPU_TYPE),
    range(0xD94, 0xDD0),  # MPU: regions are held, nothing is refused
    range(0xDF0, 0xE10),  # debug
    range(0xEF0, 0xF80),  # FPU context, cache operations
)


class SystemControl:
    """NVIC and system control block of one core.

    Args:
        cpuid: what CPUID reads.
        lines: those interrupts whose peripheral asks for one now.
        on_reset: called when the system's reset is asked for.
    """

    def __init__(
        self, cpuid: int, lines: Callable[[], Iterable[int]], on_reset: Callable[[], None]
    ) -> None:
        self.vector_table = 0
        self.active: list[int] = []
        self._lines = lines
        self._on_reset = on_reset
        self._pending: set[int] = set()
        self._enabled: set[int] = set()
        self._priorities: dict[int, int] = {}
        self._held: dict[int, int] = {_CPUID: cpuid, _MPU_TYPE: _MPU_8_REGIONS}
        self._cpuid = cpuid

    def pend(self, exception: int) -> None:
        """Mark an exception as pending."""
        self._pending.add(exception)

    @property
    def has_pending(self) -> bool:
        """Whether an enabled exception is pending, whatever its priority."""
        return any(self._is_enabled(exception) for exception in self._all_pending())

    @property
    def pending_is_event(self) -> bool:
        """SCR.SEVONPEND: WFE ends with an interrupt that PRIMASK holds back, too."""
        return bool(self._held.get(_SCR, 0) & _SEVONPEND)

    def next_exception(self, primask: int, basepri: int, faultmask: int) -> int | None:
        """The exception to take now, None for none."""
        candidates = [one for one in self._all_pending() if self._is_enabled(one)]
        if not candidates:
            return None
        first = min(candidates, key=lambda one: (self._priority(one), one))
        return first if self._priority(first) < self._limit(primask, basepri, faultmask) else None

    def take(self, exception: int) -> None:
        """The exception is entered."""
        self._pending.discard(exception)
        self.active.append(exception)

    def leave(self) -> None:
        """The exception that runs has returned."""
        self.active.pop()

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Write bytes of one register. Raises `UnknownRegisterError`."""
        if _IPR <= offset < _IPR_END or _SHPR <= offset < _SHPR + 12:
            first = offset - _IPR + FIRST_INTERRUPT if offset < _IPR_END else offset - _SHPR + 4
            for number in range(size_bytes):
                self._priorities[first + number] = value >> 8 * number & _PRIORITY_BITS
            return
        self._write_word(offset & ~3, value << 8 * (offset % 4))

    def _all_pending(self) -> set[int]:
        return self._pending | {FIRST_INTERRUPT + line for line in self._lines()}

    def _is_enabled(self, exception: int) -> bool:
        return exception < FIRST_INTERRUPT or exception in self._enabled

    def _priority(self, exception: int) -> int:
        fixed = {RESET: -3, NMI: -2, HARD_FAULT: -1}
        return fixed.get(exception, self._priorities.get(exception, 0))

    def _limit(self, primask: int, basepri: int, faultmask: int) -> int:
        limits = [_LOWEST_PRIORITY, *(self._priority(one) for one in self.active)]
        if basepri & _PRIORITY_BITS:
            limits.append(basepri & _PRIORITY_BITS)
        if primask:
            limits.append(0)
        if faultmask:
            limits.append(-1)
        return min(limits)

    def read(self, offset: int) -> int:
        """Read one register. Raises `UnknownRegisterError`."""
        match offset:
            case _ if _ISER <= offset < _ISER + _WORDS:
                return self._bits(self._enabled, offset - _ISER)
            case _ if _ICER <= offset < _ICER + _WORDS:
                return self._bits(self._enabled, offset - _ICER)
            case _ if _ISPR <= offset < _ISPR + _WORDS:
                return self._bits(self._all_pending(), offset - _ISPR)
            case _ if _ICPR <= offset < _ICPR + _WORDS:
                return self._bits(self._all_pending(), offset - _ICPR)
            case _ if _IABR <= offset < _IABR + _WORDS:
                return self._bits(set(self.active), offset - _IABR)
            case _ if _ITNS <= offset < _ITNS_END:
                return 0
            case _ if _IPR <= offset < _IPR_END:
                return self._priority_word(offset - _IPR + FIRST_INTERRUPT)
            case _ if _SHPR <= offset < _SHPR + 12:
                return self._priority_word(offset - _SHPR + 4)
            case _ if offset == _ICSR:
                pending = _PENDSVSET if PENDSV in self._pending else 0
                return pending | (self.active[-1] if self.active else 0)
            case _ if offset == _VTOR:
                return self.vector_table
            case _ if offset == _AIRCR:
                return 0xFA05_0000
            case _ if self._is_held(offset):
                return self._held.get(offset, 0)
        raise UnknownRegisterError

    def _write_word(self, offset: int, value: int) -> None:
        match offset:
            case _ if _ISER <= offset < _ISER + _WORDS:
                self._enabled |= self._named(value, offset - _ISER)
            case _ if _ICER <= offset < _ICER + _WORDS:
                self._enabled -= self._named(value, offset - _ICER)
            case _ if _ISPR <= offset < _ISPR + _WORDS:
                self._pending |= self._named(value, offset - _ISPR)
            case _ if _ICPR <= offset < _ICPR + _WORDS:
                self._pending -= self._named(value, offset - _ICPR)
            case _ if _ITNS <= offset < _ITNS_END:
                pass
            case _ if offset == _ICSR:
                self._write_icsr(value)
            case _ if offset == _VTOR:
                self.vector_table = value
            case _ if offset == _AIRCR:
                if value & _RESET_KEY_MASK == _SYSRESETREQ:
                    self._on_reset()
            case _ if self._is_held(offset):
                self._held[offset] = value
            case _:
                raise UnknownRegisterError

    def _write_icsr(self, value: int) -> None:
        for bit, exception in ((_PENDSVSET, PENDSV), (_PENDSTSET, SYSTICK)):
            if value & bit:
                self._pending.add(exception)
        for bit, exception in ((_PENDSVCLR, PENDSV), (_PENDSTCLR, SYSTICK)):
            if value & bit:
                self._pending.discard(exception)

    def _is_held(self, offset: int) -> bool:
        return offset in self._held or any(offset in held for held in _HELD)

    def _priority_word(self, first: int) -> int:
        return sum(self._priorities.get(first + number, 0) << 8 * number for number in range(4))

    @staticmethod
    def _bits(exceptions: set[int], byte_offset: int) -> int:
        first = FIRST_INTERRUPT + 8 * byte_offset
        return sum(1 << one - first for one in exceptions if first <= one < first + 32)

    @staticmethod
    def _named(value: int, byte_offset: int) -> set[int]:
        first = FIRST_INTERRUPT + 8 * byte_offset
        return {first + bit for bit in range(32) if value >> bit & 1}
