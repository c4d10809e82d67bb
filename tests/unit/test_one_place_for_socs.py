"""What is true of one chip stands in boards/soc.py, and nowhere else in the package."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from pytest_nrf_fota.boards.board_file import board_names, packaged_boards

PACKAGE = Path(__file__).parents[2] / "pytest_nrf_fota"
PLACE = "boards/soc.py"
# UICRs and the network core, the window of external flash, the network core's RAM, peripherals.
ADDRESSES = (
    range(0x00FF_0000, 0x0200_0000),
    range(0x1000_0000, 0x2000_0000),
    range(0x2100_0000, 0x2200_0000),
    range(0x5000_0000, 0x6000_0000),
)
NAME = re.compile(r"nrf5\d", re.IGNORECASE)
BOARD = re.compile(
    rf"(?:{'|'.join(sorted(board_names([packaged_boards()]), key=len, reverse=True))})(?:/\w+)*"
    r"|CONFIG_\w+",
    re.IGNORECASE,
)
EXCEPTIONS = {
    "bootlog/catalogue/": "log lines of others, as they are",
    "explain/": "log lines and commands of others, for the network core",
    "firmware/foreign_fw_info.py": "what fw_info's hardware ids stand for",
    "doctor/attached.py": "kits that are told apart by their serial ports",
    "boards/nsib_release.py": "words in front of provisioned keys, which are no addresses",
    "sim/boot/b0n.py": "the model of the network core",
    "sim/execution/chips.py": "peripherals of each chip, by address",
    "sim/execution/factory_registers.py": "what each chip leaves the factory with",
    "sim/execution/peripherals/": "registers of peripherals, by chapter of the specifications",
    # Kits as radios of the host: Zephyr's HCI samples, whichever board is tested.
    "probe/hci_target.py": "boards of Zephyr's HCI samples",
    "probe/hci_dongle.py": "boards of Zephyr's HCI samples",
    "commands/hci_dongle.py": "boards of Zephyr's HCI samples",
}


def nodes(path: Path) -> Iterator[ast.AST]:
    """Everything in a module but docstrings; comments are none of it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(statement.value)
        for node in ast.walk(tree)
        if isinstance(node, (*documented, ast.If))
        for statement in node.body
        if isinstance(statement, ast.Expr)
    }
    return (node for node in ast.walk(tree) if id(node) not in docstrings)


def words(node: ast.AST) -> str:
    """The name or the text that a node is, without names of boards and of Kconfig's options."""
    match node:
        case ast.Name(id=text) | ast.Attribute(attr=text) | ast.alias(name=text):
            return text
        case ast.FunctionDef(name=text) | ast.ClassDef(name=text) | ast.arg(arg=text):
            return text
        case ast.Constant(value=str(text)):
            return BOARD.sub("", text)
        case _:
            return ""


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name != PLACE and not name.startswith(tuple(EXCEPTIONS)):
            yield name, path


def test_no_address_of_a_chip_stands_elsewhere() -> None:
    found = [
        f"{name}:{node.lineno}: {node.value:#x}"
        for name, path in modules()
        for node in nodes(path)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, int)
        and any(node.value in addresses for addresses in ADDRESSES)
        and (ast.get_source_segment(path.read_text(encoding="utf-8"), node) or "").startswith("0x")
    ]
    assert not found, "\n".join(found)


def test_no_chip_is_named_elsewhere() -> None:
    found = [
        f"{name}:{getattr(node, 'lineno', '?')}: {words(node)}"
        for name, path in modules()
        for node in nodes(path)
        if NAME.search(words(node))
    ]
    assert not found, "\n".join(found)
