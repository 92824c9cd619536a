"""The configuration: what can be set, from where, and what each wrong setting is told.

Four sources, each stronger than the one before: the defaults, `config/callboard.toml` of the project
folder, variables such as `CALLBOARD_DOOR_PORT`, and flags of the command line. The defaults alone start a
server. Nothing is guessed: an unknown name or a wrong value is refused with its place, and all faults of all
sources are told at once.

    config = load(Path("."), environ=os.environ, flags={"door.port": 8000})
    config.door.port            # 8000
    config.origin("door.port")  # "--port", or "CALLBOARD_DOOR_PORT", or the file, or "default"

What can be set stands in `settings.py`. `reference()` makes `config/callboard.toml` from it, and a test holds
that file equal to it. What concerns single bots, the tables `[bots.NAME]`, only the file says; they are read
in `botconfig.py`.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from callboard import botconfig
from callboard.botconfig import BotConfig
from callboard.errors import ConfigInvalid
from callboard.settings import (
    SECTIONS,
    Data,
    Door,
    Journal,
    Limits,
    Log,
    Retention,
    Setting,
    Shutdown,
    Workflows,
)
from callboard.spelling import did_you_mean, shown

FILE = Path("config", "callboard.toml")
PREFIX = "CALLBOARD_"
NOT_SETTINGS = frozenset(
    {"CALLBOARD_PROJECT", "CALLBOARD_RUN", "CALLBOARD_STEP", "CALLBOARD_IDEMPOTENCY_KEY"}
)
"""Variables that look like settings and are not: the first says where the project folder is, the others tell
a program of `shell.run` for which attempt it runs, and it may call `callboard` in turn."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, and where each came from."""

    project: Path
    data: Data = Data()
    door: Door = Door()
    journal: Journal = Journal()
    log: Log = Log()
    shutdown: Shutdown = Shutdown()
    retention: Retention = Retention()
    workflows: Workflows = Workflows()
    limits: Limits = Limits()
    bots: Mapping[str, BotConfig] = MappingProxyType({})
    """What the file says of single bots, by name: `botconfig.py`."""
    origins: Mapping[str, str] = MappingProxyType({})

    def origin(self, name: str) -> str:
        """Return who set `section.key`: a file, a variable, a flag, or `default`."""
        return self.origins.get(name, "default")

    @property
    def data_folder(self) -> Path:
        """The data folder as an absolute path."""
        return (self.project / Path(self.data.folder).expanduser()).absolute()


class Field(NamedTuple):
    """One setting of one section, as the readers below see it."""

    name: str
    kind: Any
    setting: Setting
    default: Any

    def write(self, value: object) -> str:
        """Return a value as TOML."""
        unit = self.setting.unit
        return msgspec.json.encode(unit.write(value) if unit else value).decode()


def fields() -> Iterator[Field]:
    """Yield every setting, in the order of the file."""
    for section, struct in SECTIONS.items():
        kinds = typing.get_type_hints(struct, include_extras=True)
        for key, default in zip(struct.__struct_fields__, struct.__struct_defaults__, strict=True):
            setting = next(extra for extra in kinds[key].__metadata__ if isinstance(extra, Setting))
            yield Field(f"{section}.{key}", kinds[key], setting, default)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────


class Fault(NamedTuple):
    """One thing that is wrong: the path of the setting, who set it so, and what to do."""

    field: str
    source: str
    message: str


class _Given(NamedTuple):
    """One value as a source gave it."""

    name: str
    value: Any
    source: str
    lax: bool = False
    """Whether text may stand for a number: variables and flags are always text, a file has numbers."""


def load(
    project: Path,
    *,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    flag_names: Mapping[str, str] | None = None,
) -> Config:
    """Read all sources into one `Config`, or raise `ConfigInvalid` with everything that is wrong.

    `flags` maps `section.key` to the value given on the command line; `None` is a flag not given.
    `flag_names` says how each is spelled there, for the error texts.
    """
    faults: list[Fault] = []
    bots: dict[str, BotConfig] = {}
    known = {field.name: field for field in fields()}
    if not project.is_dir():
        faults.append(Fault("project", str(project), "is not a folder; create it, or name another one"))
    given = [
        *_from_file(project / FILE, bots, faults),
        *_from_environ(environ or {}, known, faults),
        *_from_flags(flags or {}, flag_names or {}),
    ]
    values: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
    origins: dict[str, str] = {}
    for item in given:
        field = known.get(item.name)
        if field is None:
            faults.append(Fault(item.name, item.source, _unknown(item.name, known)))
            continue
        value = _read(field, item, faults)
        if value is not _WRONG:
            section, key = item.name.split(".")
            values[section][key] = value
            origins[item.name] = item.source
    if faults:
        raise _refusal(faults)
    sections: dict[str, Any] = {name: struct(**values[name]) for name, struct in SECTIONS.items()}
    return Config(
        project=project.absolute(),
        bots=MappingProxyType(bots),
        origins=MappingProxyType(origins),
        **sections,
    )


_WRONG = object()


def _read(field: Field, item: _Given, faults: list[Fault]) -> object:
    """Return the value as the code holds it, or note what is wrong with it."""
    value, unit = item.value, field.setting.unit
    try:
        if unit is not None:
            if not isinstance(value, str):
                raise ValueError(f"expected text such as {field.write(field.default)}")  # noqa: TRY301 - noted below
            value = unit.read(value)
        value = msgspec.convert(value, field.kind, strict=not item.lax)
        wrong = field.setting.check(value)
        if wrong is None:
            return value
    except msgspec.ValidationError as fault:
        wrong = str(fault)[:1].lower() + str(fault)[1:]
    except ValueError as fault:
        wrong = str(fault)
    faults.append(Fault(item.name, item.source, f"{shown(item.value)}: {wrong}"))
    return _WRONG


def _from_file(path: Path, bots: dict[str, BotConfig], faults: list[Fault]) -> Iterator[_Given]:
    """Yield what the file sets and note what it says of bots; a file that is not there sets nothing."""
    import tomllib  # noqa: PLC0415 - as above

    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError, RecursionError) as fault:
        faults.append(Fault("", str(path), f"cannot be read: {fault}"))
        return
    source = str(path)
    bots |= botconfig.read(
        tables.pop("bots", {}), lambda field, message: faults.append(Fault(field, source, message))
    )
    for section, table in tables.items():
        if section not in SECTIONS:
            message = "is not a section" + did_you_mean(section, [*SECTIONS, "bots"])
            faults.append(Fault(section, str(path), message))
        elif not isinstance(table, dict):
            faults.append(Fault(section, str(path), f"must be a section: write [{section}] on its own line"))
        else:
            for key, value in table.items():
                yield _Given(f"{section}.{key}", value, str(path))


def _from_environ(
    environ: Mapping[str, str], known: Mapping[str, Field], faults: list[Fault]
) -> Iterator[_Given]:
    names = {PREFIX + name.replace(".", "_").upper(): name for name in known}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        if variable in names:
            yield _Given(names[variable], environ[variable], variable, lax=True)
        else:
            message = "is not a setting" + did_you_mean(variable, [*names, *NOT_SETTINGS])
            faults.append(Fault(variable, "environment", message))


def _from_flags(flags: Mapping[str, Any], flag_names: Mapping[str, str]) -> Iterator[_Given]:
    for name, value in flags.items():
        if value is not None:
            yield _Given(name, value, flag_names.get(name, f"flag {name}"), lax=True)


def _unknown(name: str, known: Mapping[str, Field]) -> str:
    section, _, key = name.partition(".")
    siblings = [other.partition(".")[2] for other in known if other.startswith(f"{section}.")]
    return "is not a setting" + (did_you_mean(key, siblings) or did_you_mean(name, known))


def _refusal(faults: list[Fault]) -> ConfigInvalid:
    lines = [" ".join(filter(None, (fault.field, fault.message, f"({fault.source})"))) for fault in faults]
    if len(lines) == 1:
        text = f"The configuration is wrong: {lines[0]}"
    else:
        text = "\n".join(
            [f"The configuration is wrong in {len(lines)} places:", *(f"- {line}" for line in lines)]
        )
    return ConfigInvalid(text, faults=[fault._asdict() for fault in faults])


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────


def reference() -> str:
    """Return `config/callboard.toml` with every setting at its default, commented out."""
    lines = [
        "# The settings of Callboard, each at its default. Take the # away from a line to change it.",
        "# Stronger than this file: a variable such as CALLBOARD_DOOR_PORT, and flags of the command line.",
    ]
    section = ""
    for field in fields():
        table, key = field.name.split(".")
        if table != section:
            section = table
            lines += ["", f"# {SECTIONS[table].__doc__}", f"[{table}]"]
        lines += [f"# {field.setting.line}", f"# {key} = {field.write(field.default)}"]
    return "\n".join(lines) + "\n\n" + botconfig.EXAMPLE
