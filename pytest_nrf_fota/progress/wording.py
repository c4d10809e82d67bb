"""How far a long step has come, in words."""

from pytest_nrf_fota.record.long_step import HowFar, LongStep


def title_of(step: LongStep) -> str:
    """What it is: `upload app_update.bin`."""
    return f"{step.name} {step.detail}".strip()


def how_far(step: LongStep, now: HowFar) -> str:
    """What is known: bytes of bytes, kB/s (1 kB = 1000 bytes), time, retries; in ASCII."""
    return ", ".join([*_bytes(step, now), _time(step, now), *_retries(now)])


def fraction_done(step: LongStep, now: HowFar) -> float | None:
    """From 0 to 1, by bytes or else by the usual time; None where neither is known.

    Time alone never says that it is done.
    """
    if step.size_bytes:
        return min(1.0, (now.done_bytes or 0) / step.size_bytes)
    if step.expected_s:
        return min(0.99, now.elapsed_s / step.expected_s)
    return None


def clock(duration_s: float) -> str:
    """`0:52`, `12:05`, `1:02:03`."""
    minutes, seconds = divmod(int(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _bytes(step: LongStep, now: HowFar) -> list[str]:
    if step.size_bytes is None:
        return []
    size = f"{step.size_bytes / 1000:.1f} kB"
    if now.done_bytes is None:
        return [f"nothing of {size} yet"]
    moved = [f"{now.done_bytes / 1000:.1f} of {size}"]
    if now.rate_bytes_per_s is not None:
        moved.append(f"{now.rate_bytes_per_s / 1000:.1f} kB/s")
    return moved


def _time(step: LongStep, now: HowFar) -> str:
    elapsed = clock(now.elapsed_s)
    if step.size_bytes is not None:
        return elapsed if now.left_s is None else f"{elapsed}, {clock(now.left_s)} left"
    limit = "" if step.at_most_s is None else f"at most {clock(step.at_most_s)}"
    if step.expected_s is None:
        return f"{elapsed} of {limit}" if limit else elapsed
    if now.elapsed_s <= step.expected_s:
        return f"{elapsed} of about {clock(step.expected_s)}"
    late = f"{elapsed}, {clock(step.expected_s)} was expected"
    return f"{late}, {limit}" if limit else late


def _retries(now: HowFar) -> list[str]:
    if not now.retries:
        return []
    return ["1 retry" if now.retries == 1 else f"{now.retries} retries"]
