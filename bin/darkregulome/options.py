"""Options of a script, made from classes: a setting is declared once, as the field of a pydantic class.

``command(app)`` registers a ``main`` whose parameters may be whole objects::

    class Settings(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        permutations: int = Field(10_000, ge=99, description="Draws of each null.")
        null: Literal["rotation", "free"] = Field("rotation", description="What is drawn")
        window: int | None = Field(None, ge=16, description="Bases.", json_schema_extra={"none": "auto"})

    @command(app)
    def main(
        ris: Annotated[Path, typer.Option(help="Score table.")],
        settings: Settings,
        run: Annotated[Run, Take(threads=2)],
    ) -> None: ...

Each field is one option: its name, type, default and bounds are the field's, its help is the field's description, to
which the words of a ``Literal`` are added where it does not name them. The help lists the options in the order of the
signature. A field that two objects have is one option, which fills both. ``json_schema_extra`` of a field may hold

* ``"option"``: False for a field without an option, or the option's name where it differs from the field's;
* ``"none"``: the word that means None, such as auto;
* ``"commas"``: True where one value may hold several by comma;
* ``"pairs"``: such as NAME=FILE, where each value is such a pair, or several by comma, for a ``dict``.

`Take`, in the annotation of a parameter, takes some fields only or sets other defaults. A field may also carry a
``typer.Option``. The classes need pydantic alone, so that ``--help`` stays quick.
"""

import inspect
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types
import typer
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from typer.models import OptionInfo

from darkregulome.errors import InputError, Problem

_REMEDIES = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


class Take:
    """Which fields of a class a script offers as options, and with which other defaults.

    Parameters
    ----------
    only, without : names of fields that are, or are not, options; the others keep their defaults.
    defaults : other defaults by field.
    """

    def __init__(self, *only: str, without: Sequence[str] = (), **defaults: Any):
        self.only, self.without, self.defaults = only, without, defaults

    def offers(self, field: str) -> bool:
        """Whether the field is an option."""
        return field not in self.without and (not self.only or field in self.only)


@dataclass(frozen=True)
class _Field:
    """A field of a class as an option of a command."""

    name: str
    info: FieldInfo
    default: Any

    def extra(self, key: str) -> Any:
        """What the field's ``json_schema_extra`` says, or None."""
        extra = self.info.json_schema_extra
        return extra.get(key) if isinstance(extra, dict) else None

    @property
    def option(self) -> str:
        """The option's name."""
        return _dashed(self.extra("option") or self.name)

    @property
    def words(self) -> list[str]:
        """The words of a field that takes words alone."""
        return [str(word) for kind, _ in self._alternatives() for word in _literals(kind)]

    @property
    def repeated(self) -> bool:
        """Whether the option may be given several times."""
        return bool(self.extra("pairs")) or _is_repeated(self.info.annotation)

    @property
    def bounds(self) -> dict[str, Any]:
        """Bounds of the number that the option takes, as `annotated_types` names them: ge, gt, le, lt."""
        metadata = [item for _, items in self._alternatives() for item in items]
        return {
            name: getattr(item, name)
            for item in metadata
            if isinstance(item, annotated_types.BaseMetadata)
            for name in ("ge", "gt", "le", "lt")
            if getattr(item, name, None) is not None
        }

    @property
    def kind(self) -> Any:
        """The type of one value on the command line."""
        kinds = [kind for kind, _ in self._alternatives() if kind is not type(None)]
        if self.extra("commas") or self.extra("pairs") or self.extra("none") or len(kinds) > 1:
            return str
        return type(words[0]) if (words := _literals(kinds[0])) else kinds[0]

    def parameter(self) -> inspect.Parameter:
        """The parameter from which typer makes the option."""
        declared = next((item for item in self.info.metadata if isinstance(item, OptionInfo)), None)
        default = self.extra("none") if self.default is None and self.extra("none") else self.default
        if self.repeated and default is not inspect.Parameter.empty:
            default = list(default) if default else None
        kind: Any = types.GenericAlias(list, (self.kind,)) if self.repeated else self.kind
        optional: Any = kind | None if default is None else kind
        annotation: Any = Annotated[optional, declared or self._declared()]
        return inspect.Parameter(self.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

    def value(self, words: Any) -> Any:
        """A value of the command line as the class takes it."""
        if self.extra("none") is not None and words == self.extra("none"):
            return None
        if self.extra("commas") and words is not None:
            return tuple(part.strip() for item in words for part in item.split(",") if part.strip())
        if self.extra("pairs"):
            return named_values(self.option, words, self.extra("pairs"))
        return words

    def _declared(self) -> Any:
        help, bounds = self.info.description or "", self.bounds if self.kind in (int, float) else {}
        if not all(word in help for word in self.words):
            help = f"{help.rstrip('.')}: {either(self.words)}."
        step = 1 if self.kind is int else 0
        lowest = bounds["gt"] + step if "gt" in bounds else bounds.get("ge")
        highest = bounds["lt"] - step if "lt" in bounds else bounds.get("le")
        names = (self.option,) if self.extra("option") else ()
        return typer.Option(*names, help=help, min=lowest, max=highest)

    def _alternatives(self) -> list[tuple[Any, list[Any]]]:
        return list(_alternatives(self.info.annotation, self.info.metadata))


def _alternatives(kind: Any, metadata: Sequence[Any]) -> Iterator[tuple[Any, list[Any]]]:
    """The alternatives of a type, or of the items of a list or tuple, each with what is annotated on it."""
    metadata = [inner for item in metadata for inner in (item.metadata if isinstance(item, FieldInfo) else [item])]
    if get_origin(kind) is Annotated:
        yield from _alternatives(kind.__origin__, [*metadata, *kind.__metadata__])
    elif get_origin(kind) in (Union, types.UnionType):
        for part in get_args(kind):
            yield from _alternatives(part, metadata)
    elif get_origin(kind) in (list, tuple):
        yield from _alternatives(get_args(kind)[0], metadata)
    else:
        yield kind, metadata


def _is_repeated(kind: Any) -> bool:
    if get_origin(kind) in (Union, types.UnionType):
        return any(_is_repeated(part) for part in get_args(kind))
    return get_origin(kind) in (list, tuple)


def _literals(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()


def _dashed(name: str) -> str:
    return "--" + name.removeprefix("--").replace("_", "-")


@dataclass(frozen=True)
class _Group:
    """The object of one parameter, and its fields that are options."""

    model: type[BaseModel]
    fields: dict[str, _Field]
    preset: dict[str, Any]
    """Values of fields that are no options here."""

    @classmethod
    def of(cls, annotation: Any) -> "_Group | None":
        """The group of a parameter's annotation, or None where it is no class of settings."""
        model, *rest = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return None
        take = next((item for item in rest if isinstance(item, Take)), Take())
        unknown = {*take.only, *take.without, *take.defaults} - set(model.model_fields)
        assert not unknown, f"{model.__name__} has no {', '.join(sorted(unknown))}"
        fields = {}
        for name, info in model.model_fields.items():
            default = inspect.Parameter.empty if info.is_required() else info.get_default(call_default_factory=True)
            field = _Field(name, info, take.defaults.get(name, default))
            if take.offers(name) and not info.exclude and field.extra("option") is not False:
                fields[name] = field
        return cls(model, fields, {name: value for name, value in take.defaults.items() if name not in fields})

    def make(self, words: Mapping[str, Any]) -> BaseModel:
        """The object of what the command line gave.

        Raises
        ------
        InputError : a value does not fit; its option is named.
        """
        values = {
            name: value
            for name, field in self.fields.items()
            # Where an option that may be repeated is absent, the field's own default holds.
            if (value := field.value(words[name])) or not field.repeated or field.info.is_required()
        }
        try:
            return self.model(**self.preset, **values)
        except ValidationError as error:
            raise settings_error(self.model, error, self.fields) from error


def settings_error(
    model: type[BaseModel], error: ValidationError, fields: Mapping[str, _Field] | None = None
) -> InputError:
    """A class's refusal as an `InputError` that names every option at fault, once."""
    problems: dict[str, Problem] = {}
    for item in error.errors():
        name = str(item["loc"][0]) if item["loc"] else ""
        info = model.model_fields.get(name)
        field = (fields or {}).get(name) or (_Field(name, info, None) if info is not None else None)
        where = "--" + name.replace("_", "-") if field is None else field.option
        problems.setdefault(where, _problem(where, dict(item), field))
    return InputError(*problems.values())


def _problem(where: str, item: dict[str, Any], field: _Field | None) -> Problem:
    value = item["input"]
    if field is not None and field.words and item["type"] == "literal_error":
        none = field.extra("none")
        return not_one_of(where, value, [*field.words, none] if none else field.words)
    if field is not None and (none := field.extra("none")):
        least = field.bounds.get("ge", 1)
        number = "a positive number" if least == 1 else f"a number of at least {least}"
        return Problem(where, f"{value!r} is neither {none} nor {number}", "give one of them")
    if item["type"] in _REMEDIES:
        key, sense = _REMEDIES[item["type"]]
        return Problem(where, f"is {value}", f"give {sense} {item['ctx'][key]}")
    return Problem(where, f"is {value!r} ({item['msg'].removeprefix('Value error, ').lower()})", "see --help")


def named_values(option: str, values: Sequence[str] | None, pair: str = "NAME=VALUE") -> dict[str, str]:
    """Values by name, of an option that is a `pair`, and is repeated, or holds several by comma."""
    named: dict[str, str] = {}
    for item in (part for value in values or () for part in value.split(",")):
        name, _, value = item.partition("=")
        if not (name and value):
            raise InputError.at(option, f"has {item!r}", f"give {pair}")
        if name in named:
            raise InputError.at(option, f"names {name!r} twice", "give each name once")
        named[name] = value
    return named


def not_one_of(where: str, value: Any, words: Sequence[str]) -> Problem:
    """The problem of a word that is none of those that an option takes."""
    return Problem(where, f"{value!r} is not known", f"use {either(words)}")


def either(words: Sequence[str]) -> str:
    """Words as a choice: ``a, b or c``."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def command(
    app: typer.Typer, version: Any = None, **settings: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a command of `app`, with the options of its parameters' classes.

    Parameters
    ----------
    version : annotation of a last option ``--version``; without it there is none.
    settings : for ``app.command``.
    """

    def register(main: Callable[..., None]) -> Callable[..., None]:
        app.command(**settings)(_flat(main, version))
        return main

    return register


def _flat(main: Callable[..., None], version: Any) -> Callable[..., None]:
    """A function with one parameter per option, which makes the objects and calls `main`."""
    hints = get_type_hints(main, include_extras=True)
    groups: dict[str, _Group] = {}
    parameters: dict[str, inspect.Parameter] = {}
    for name, parameter in inspect.signature(main).parameters.items():
        if (group := _Group.of(hints[name])) is None:
            parameters[name] = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name])
            continue
        groups[name] = group
        for field in group.fields.values():
            parameters.setdefault(field.name, field.parameter())
    if version is not None:
        parameters["version"] = inspect.Parameter(
            "version", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=version
        )

    def callback(**words: Any) -> None:
        objects = {name: group.make(words) for name, group in groups.items()}
        main(**objects, **{name: words[name] for name in hints if name in words and name not in groups})

    callback.__name__, callback.__doc__ = main.__name__, main.__doc__
    callback.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
    callback.__annotations__ = {name: parameter.annotation for name, parameter in parameters.items()}
    return callback
