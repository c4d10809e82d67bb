"""Which application a boot started, as far as its own lines tell one from another."""

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.report import Boot, Seen

# Their banner names what an application was built with, which an update may leave as it is.
_NOT_AN_APPLICATION = ("Zephyr OS", "nRF Connect SDK", "MCUboot")


@dataclass(frozen=True)
class ToldApp:
    """What the lines of one boot say about its application: banner, build time, version."""

    words: dict[str, str]
    seen: tuple[Seen, ...]

    def is_same(self, other: "ToldApp") -> bool | None:
        """Whether both name the same application; None where they have nothing in common."""
        common = self.words.keys() & other.words.keys()
        if not common:
            return None
        return all(self.words[name] == other.words[name] for name in common)

    @property
    def text(self) -> str:
        """For people."""
        return next((self.words[n] for n in ("version", "banner", "build") if n in self.words), "")


def told_app(boot: Boot, versions: Sequence[tuple[str, Seen]]) -> ToldApp:
    """What a boot's lines say about its application.

    `versions` are the application's own, of the whole log. MCUboot's word on the image that it
    starts counts as the application's version.
    """
    words: dict[str, str] = {}
    seen: list[Seen] = []
    span = boot.stage(Stage.APP)
    for banner in span.banners if span is not None else ():
        if banner.is_first and banner.version and banner.product not in _NOT_AN_APPLICATION:
            words["banner"] = f"{banner.product} {banner.version}"
            seen.append(banner.seen)
            break
    if boot.app is not None and boot.app.build_time:
        words["build"] = boot.app.build_time
        seen += [line for line in boot.lines if boot.app.build_time in line.text][:1]
    if span is not None:
        of_boot = [
            (version, line)
            for version, line in versions
            if span.first.line_number <= line.line_number <= span.last.line_number
        ]
        if of_boot:
            words["version"] = of_boot[0][0]
            seen.append(of_boot[0][1])
    return ToldApp(words, tuple(dict.fromkeys(seen)))
