"""Did an upgrade happen: what a case gives to the judge, and its answer in words."""

from dataclasses import dataclass

from pytest_nrf_fota.bootlog.client_side import Operation
from pytest_nrf_fota.bootlog.report import Boot, Seen, SwapTypeLine
from pytest_nrf_fota.explain.app_version import own_versions
from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.known_lines import Known
from pytest_nrf_fota.explain.rule import shown_of
from pytest_nrf_fota.findings.finding import Origin, Shown
from pytest_nrf_fota.verdict.ending import Ending, Upgraded
from pytest_nrf_fota.verdict.facts import AppLines, Facts
from pytest_nrf_fota.verdict.judge import judge

SENTENCES = {
    Ending.UPGRADED: "The upgrade happened",
    Ending.TESTED: "The upgrade happened; the new image is not confirmed, so a reset reverts it",
    Ending.ON_TRIAL: "The upgrade happened, as a test; no line says that the new image was "
    "confirmed",
    Ending.NOT_HEARD: "Not proven: the new image was brought into its slot, and no line of it "
    "follows",
    Ending.PROBABLY: "Probably an upgrade",
    Ending.REVERTED: "No upgrade: the new image ran once and was reverted",
    Ending.REFUSED: "No upgrade: the bootloader refused the image",
    Ending.NEEDS_RESET: "Not yet: the new image is in its slot and runs after the next reset",
    Ending.NOT_CHOSEN: "No upgrade: the new MCUboot was copied, but NSIB keeps the old one",
    Ending.NOT_RESET: "Not yet: an image is pending, and no line shows a reset since",
    Ending.NOT_PENDING: "No upgrade: nothing was pending at the reset",
    Ending.NOT_MARKED: "No upgrade: an image was uploaded, but it is not pending",
    Ending.UPLOADED: "Not yet: an upload began, and no boot follows in this log",
    Ending.NOT_TAKEN: "No upgrade: the same application runs as before the reset",
    Ending.CLIENT_FAILED: "No upgrade: the update did not get as far as a pending image",
    Ending.NO_BOOT: "No upgrade: the bootloader found nothing to start",
    Ending.NOT_READY: "No upgrade: the application was started and cannot be used",
    Ending.NOT_ATTEMPTED: "No upgrade was attempted",
    Ending.NO_SIGN: "No line shows an upgrade",
    Ending.NOT_FLASHED: "No upgrade: the flash tool failed",
    Ending.CUT: "Unknown: the log ends while images are being swapped",
    Ending.GIVEN_UP: "Unknown: a swap was cut, and MCUboot did not go on with it",
    Ending.SPOILT: "No upgrade: a swap was cut, and nothing is left that can be started",
    Ending.UNKNOWN: "Unknown whether an upgrade happened",
}


@dataclass(frozen=True)
class Story:
    """The answer, and the lines that are its evidence."""

    ending: Ending
    why: str
    shown: tuple[Shown, ...]

    @property
    def happened(self) -> Upgraded:
        """Yes, no or unknown."""
        return self.ending.upgraded


def upgrade_story(case: Case) -> Story:
    """What became of the upgrade in this case."""
    sign = judge(facts_of(case)).sign
    if sign.ending is Ending.UNKNOWN and not case.boots.boots and not _sends(case):
        failed = case.known("flash_tool_failed")
        if failed:
            return Story(
                Ending.NOT_FLASHED, "a tool on the host ended with an error", shown_of(failed[-1:])
            )
    shown = [k for k in case.known("shell_confirmed") if k.text("confirmed") == "1"]
    if sign.ending is Ending.UNKNOWN and not sign.seen and shown:
        why = "the shell shows a confirmed image, and no line shows how it came there"
        return Story(sign.ending, why, shown_of(shown[-1:]))
    origin = case.client_origin if sign.from_client else Origin.LOG
    return Story(sign.ending, sign.why, shown_of(sign.seen, origin))


def _sends(case: Case) -> bool:
    """Whether a client sends or marks an image, beside what a flash tool prints."""
    return bool(case.client.steps_of(Operation.UPLOAD, Operation.TEST, Operation.CONFIRM))


def facts_of(case: Case) -> Facts:
    """What the judge is given."""
    return Facts(
        boots=case.boots.boots,
        app_lines=AppLines(
            attempts=signs_of_an_attempt(case),
            failed=_seen(case, "download_failed"),
            refused=_seen(
                case, "upload_refused", "upload_write_failed", "mark_failed", "slot_erase_failed"
            ),
            scheduled=_seen(case, "upgrade_scheduled"),
            asked=tuple(
                SwapTypeLine(None, known.text("swap_type"), known.seen)
                for known in _in_log(case, "app_swap_type")
            ),
            runs_test=tuple(
                known.seen
                for known in _in_log(case, "shell_swap_type", "app_swap_type")
                if known.text("swap_type") == "revert"
            ),
            unconfirmed=tuple(
                known.seen
                for known in _in_log(case, "image_unconfirmed", "confirm_failed", "shell_confirmed")
                if known.text("confirmed") != "1"
            ),
            confirmed=tuple(
                known.seen
                for known in _in_log(case, "image_confirmed", "shell_confirmed")
                if known.text("confirmed") != "0"
            ),
            first_starts=tuple(
                known.seen
                for known in _in_log(case, "flash_debug")
                if known.text("what") == "writing copy_done"
            ),
            versions=tuple(
                (known.text("version"), known.seen)
                for known in own_versions(case.known("app_version"))
            ),
        ),
        client_done=tuple(known.seen for known in case.known("client_done")),
        client=case.client,
        client_log_is_apart=case.has_client,
    )


def signs_of_an_attempt(case: Case) -> tuple[Seen, ...]:
    """Lines of the application that show an upload, a download or a request to swap."""
    names = ("erased_slot", "slot_erase_failed", "upload_refused", "upload_write_failed")
    return _seen(case, *names, "mark_failed", "download")


def last_query_before(case: Case, boot: Boot) -> Known | None:
    """The application's last word on the swap type before a boot."""
    start = boot.first.line_number
    before = (q for q in _in_log(case, "app_swap_type") if q.seen.line_number < start)
    return max(before, key=lambda query: query.seen.line_number, default=None)


def _in_log(case: Case, *names: str) -> list[Known]:
    return [known for known in case.known(*names) if known.origin is Origin.LOG]


def _seen(case: Case, *names: str) -> tuple[Seen, ...]:
    return tuple(known.seen for known in _in_log(case, *names))
