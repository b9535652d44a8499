"""Write the reference pages of commands and config groups from conf/ and its comments.

Sphinx runs `generate` before it reads the pages. `python docs/generate_reference.py` does the same.
"""

import dataclasses
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import yaml

DOCS = Path(__file__).parent
CONF = DOCS.parent / "conf"

GROUPS = {
    "dataset": ("Datasets", "The clips of a run, their classes and their speakers."),
    "preprocessing": ("Preprocessing", "Sample rate, length and storage of every clip."),
    "split": ("Splits", "Assignment of the clips to training, validation and test."),
    "model": ("Models", "Architecture, features and augmentation."),
    "trainer": ("Trainers", "Optimizer, learning-rate schedule and stopping rule."),
    "logger": ("Loggers", "Destinations of the metrics during training."),
    "experiment": ("Experiments", "Named combinations of the other groups and of settings."),
    "sweep": ("Sweeps", "Named grids and searches: several jobs of one command."),
    "space": ("Search spaces", "The settings that a search varies, with their ranges."),
    "source": ("Download sources", "The publisher of each corpus, for `emotion download`."),
}
"""Title and description of each config group, in the order of the pages; others follow."""

SHARED = frozenset(("settings", "command"))
"""Folders of conf/ whose files every command of a kind includes; they offer no choice."""

USAGE = {
    "predict": "emotion predict [FILE|FOLDER ...] [setting=value ...]",
    "embed": "emotion embed [FILE|FOLDER ...] [setting=value ...]",
    "download": "emotion download [CORPUS] [setting=value ...]",
    "list": "emotion list [GROUP ...]",
    "doctor": "emotion doctor",
}
"""Command lines that are not only settings."""

SEE_ALSO = {
    "train": ("how_to/training_recipes", "how_to/resume", "how_to/search", "how_to/several_gpus"),
    "prepare": ("how_to/preprocessing_and_cache", "how_to/dask"),
    "stats": ("how_to/corpora",),
    "inspect": ("how_to/preprocessing_and_cache",),
    "evaluate": ("how_to/evaluate", "how_to/robustness"),
    "predict": ("how_to/predict", "how_to/long_and_live_audio"),
    "embed": ("how_to/predict",),
    "export": ("how_to/export",),
    "serve": ("how_to/serve",),
    "benchmark": ("how_to/export",),
    "study": ("how_to/studies", "how_to/slurm"),
    "download": ("how_to/corpora",),
    "prune": ("how_to/preprocessing_and_cache",),
    "dataset": ("how_to/corpora", "get_started/your_own_recordings", "extend/dataset"),
    "preprocessing": ("how_to/preprocessing_and_cache",),
    "split": ("how_to/splits_and_leakage", "background/protocols_and_intervals"),
    "model": ("how_to/models", "extend/model", "extend/augmentation"),
    "trainer": ("how_to/training_recipes", "how_to/several_gpus"),
    "logger": ("extend/logger",),
    "experiment": ("how_to/training_recipes", "how_to/adapt_to_a_voice"),
    "sweep": ("how_to/studies", "how_to/search"),
    "space": ("how_to/search",),
    "source": ("how_to/corpora",),
}
"""Pages about a command or config group."""

WHOLE_VALUES = frozenset(
    ("emotions", "sex", "rename", "require", "priors", "places", "licences", "protocols", "params")
)
"""Keys whose mapping is one value, not a group of settings."""

SAME_TEXT = 0.7
"""Similarity of a summary and a header comment from which on a page shows only the first."""

MAX_VALUE = 60
"""Characters of a default value in a table; longer values are cut."""


REFERENCE = """# Reference

The pages of commands and config groups are generated from `conf/` and its comments, the Python
interface from the docstrings.

```{toctree}
:maxdepth: 1

commands/index
groups/index
../formats/run_folder
../formats/files
../api/index
```
"""


@dataclass(frozen=True)
class Setting:
    """One key of a YAML file: its dotted name, its default as written there, and its comment.

    `kind` is class or function for a `_target_`; otherwise the schema declares the type.
    """

    name: str
    default: str
    comment: str
    kind: str = ""


@dataclass(frozen=True)
class ConfigFile:
    """A YAML file of conf/: header comment, package, defaults list and settings."""

    path: Path
    comment: str
    package: str | None
    defaults: tuple[Any, ...]
    settings: tuple[Setting, ...]
    hydra: Mapping[str, Any]


# --- conf/ ---------------------------------------------------------------------------------------


def read_config(path: Path, *, prefix: str = "") -> ConfigFile:
    """Return the settings of a YAML file with their comments.

    Args:
        path: the file.
        prefix: name before each key; an `@package` line of the file replaces it.
    """
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    header: list[str] = []
    package = None
    for line in lines:
        if not line.startswith("#"):
            break
        words = line.lstrip("#").strip()
        if words.startswith("@package"):
            package = words.removeprefix("@package").strip()
        elif words:
            header.append(words)
    if package is not None:
        prefix = "" if package == "_global_" else package
    comments = read_comments(text)
    root = yaml.compose(text)
    settings: list[Setting] = []
    defaults: tuple[Any, ...] = ()
    hydra: Mapping[str, Any] = {}
    if isinstance(root, yaml.MappingNode):
        values = yaml.safe_load(text)
        defaults = tuple(values.get("defaults", ()))
        hydra = values.get("hydra", {})
        nodes = [
            (key, value) for key, value in root.value if key.value not in ("defaults", "hydra")
        ]
        settings = list(walk(nodes, prefix, text, comments, header_lines=len(header)))
    return ConfigFile(path, " ".join(header), package, defaults, tuple(settings), hydra)


def read_comments(text: str) -> dict[int, tuple[str, bool]]:
    """Return, by line, each comment and whether it has the line for itself."""
    ends: dict[int, int] = {}
    for token in yaml.scan(text):
        if token.end_mark.index > token.start_mark.index:
            line = token.end_mark.line
            ends[line] = max(ends.get(line, 0), token.end_mark.column)
    comments: dict[int, tuple[str, bool]] = {}
    for number, line in enumerate(text.splitlines()):
        rest = line[ends.get(number, 0) :].strip()
        if rest.startswith("#"):
            comments[number] = (rest.lstrip("#").strip(), not line[: ends.get(number, 0)].strip())
    return comments


def walk(
    nodes: list[tuple[Any, Any]],
    prefix: str,
    text: str,
    comments: Mapping[int, tuple[str, bool]],
    *,
    header_lines: int = 0,
) -> Iterator[Setting]:
    """Yield the settings of a mapping, nested ones with dotted names."""
    for key, value in nodes:
        whole_name = "." in key.value  # of a search space: the name of another file's setting
        name = f"{prefix}.{key.value}" if prefix and not whole_name else key.value
        comment = comment_of(key, value, comments, header_lines)
        nested = isinstance(value, yaml.MappingNode) and value.value
        if nested and key.value not in WHOLE_VALUES and not whole_name:
            inner = [(k, v) for k, v in value.value if k.value not in ("_target_", "_partial_")]
            target = next((v.value for k, v in value.value if k.value == "_target_"), "")
            if target:
                yield target_setting(name, target, comment)
            elif comment:
                yield Setting(name, "", comment)
            # the comment behind a mapping in one line is that of the whole
            yield from walk(inner, name, text, {} if value.flow_style else comments)
        elif key.value == "_target_":
            yield target_setting(name, value.value, comment)
        elif key.value != "_partial_":
            yield Setting(name, show_value(value, text), comment)


def target_setting(name: str, target: str, comment: str) -> Setting:
    """Return the setting of a `_target_`: the class or function without its module."""
    last = target.rpartition(".")[2]
    return Setting(name, last, comment, "class" if last[:1].isupper() else "function")


def show_value(node: Any, text: str) -> str:
    """Return a value in one line, scalars as the file writes them."""
    if isinstance(node, yaml.SequenceNode):
        return f"[{', '.join(show_value(item, text) for item in node.value)}]"
    if isinstance(node, yaml.MappingNode):
        pairs = [(show_value(key, text), show_value(value, text)) for key, value in node.value]
        return f"{{{', '.join(f'{key}: {value}' for key, value in pairs)}}}"
    if node.style in ("|", ">"):
        return " ".join(node.value.split())
    return text[node.start_mark.index : node.end_mark.index]


def comment_of(
    key: Any, value: Any, comments: Mapping[int, tuple[str, bool]], header_lines: int
) -> str:
    """Return the comment behind a setting or, where there is none, on the lines above it."""
    first = key.start_mark.line
    block = isinstance(value, yaml.MappingNode) and not value.flow_style
    last = first if block else max(first, value.end_mark.line - (value.end_mark.column == 0))
    for line in range(first, last + 1):
        text, alone = comments.get(line, ("", False))
        if text and not alone:
            return text
    above: list[str] = []
    for line in range(first - 1, header_lines, -1):
        text, alone = comments.get(line, ("", False))
        if not alone:
            break
        above.insert(0, text)
    return " ".join(above)


def list_groups(conf: Path) -> list[str]:
    """Return the config groups: those of `GROUPS` first, then all others."""
    found = sorted(
        path.name
        for path in conf.iterdir()
        if path.is_dir() and path.name not in SHARED and any(path.glob("*.yaml"))
    )
    return [name for name in GROUPS if name in found] + [n for n in found if n not in GROUPS]


# --- types ---------------------------------------------------------------------------------------


def schema_types(command: str) -> dict[str, str]:
    """Return the type of each setting of a command that its schema declares."""
    from emotion.config.schema import SETTINGS

    return dict(field_types(SETTINGS[command], "")) if command in SETTINGS else {}


def field_types(schema: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield dotted names and readable types of a dataclass, nested ones included."""
    hints = typing.get_type_hints(schema)
    for field in dataclasses.fields(schema):
        name, hint = f"{prefix}{field.name}", hints[field.name]
        if dataclasses.is_dataclass(hint):
            yield from field_types(hint, f"{name}.")
        elif hint is not Any:
            is_path = "" in field.metadata.get("paths", ())
            yield name, type_name(hint).replace("str", "path") if is_path else type_name(hint)


def type_name(hint: Any) -> str:
    """Return a type as the pages show it: `int or null`, `list of str`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return type_name(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_name(part) for part in arguments)
    if origin is typing.Literal:
        return " or ".join(map(str, arguments))
    if origin is list:
        return f"list of {type_name(arguments[0])}"
    if origin is dict:
        return "mapping"
    if hint is type(None):
        return "null"
    return getattr(hint, "__name__", str(hint)).lower()


def guess_type(default: str) -> str:
    """Return the type that a default value shows; empty where it shows none."""
    if "${" in default or default in ("null", "???", ""):
        return ""
    try:
        value = yaml.safe_load(default)
    except yaml.YAMLError:
        return ""
    if isinstance(value, str) and re.fullmatch(r"[\d.]+e[+-]?\d+", value):
        return "float"  # YAML 1.1 reads 1e-3 as text, OmegaConf as a number
    if isinstance(value, list):
        return "list"
    return "mapping" if isinstance(value, dict) else type(value).__name__


# --- pages ---------------------------------------------------------------------------------------


def code(text: str) -> str:
    """Return text as a code span of a table cell, cut where it is long."""
    if len(text) > MAX_VALUE:
        text = text[: MAX_VALUE - 1].rstrip() + "…"
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}".replace("|", "\\|")


def prose(text: str) -> str:
    """Return a comment as Markdown: settings, file names and expressions become code spans."""
    text = re.sub(r"([*|<\\])", r"\\\1", text.replace(" -> ", " → "))
    code_like = r"(?<![\w`.])((?:[\w.]+=)(?:\[[^\]]*\]|\{[^}]*\}|[^\s;,:()]+))"
    text = re.sub(code_like, lambda match: f"`{match[1].rstrip('.').replace(chr(92), '')}`", text)
    return re.sub(r"(?<!\w)_(?=\w)|(?<=\w)_(?!\w)", r"\\_", text)


def sentence(text: str) -> str:
    """Return text with a capital at its start and a stop at its end."""
    text = text.strip()
    if not text:
        return ""
    if not re.match(r"[a-z]\w*[=.]\w", text):
        text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!:" else f"{text}."


def see_also(name: str) -> list[str]:
    """Return a line with links to the pages about a command or config group."""
    links = [f"[](../../{page}.md)" for page in SEE_ALSO.get(name, ())]
    return [f"See also: {', '.join(links)}.", ""] if links else []


def settings_table(settings: tuple[Setting, ...], kinds: Mapping[str, str]) -> list[str]:
    """Return a table: setting with its type, default, meaning."""
    if not settings:
        return []
    lines = ["| Setting | Default | Meaning |", "|---|---|---|"]
    for setting in settings:
        kind = setting.kind or kinds.get(setting.name) or guess_type(setting.default)
        name = f"`{setting.name}`" + (f'<br><span class="kind">{kind}</span>' if kind else "")
        default = code(setting.default) if setting.default else ""
        lines.append(f"| {name} | {default} | {prose(setting.comment)} |")
    return ["{.settings}", *lines, ""]


def command_page(
    command: str, summary: str, conf: Path, groups: list[str], *, makes_folder: bool
) -> str:
    """Return the page of a command."""
    usage = USAGE.get(command, f"emotion {command} [setting=value ...]")
    lines = [f"# emotion {command}", "", sentence(prose(summary)), "", "```text", usage, "```", ""]
    path = conf / f"{command}.yaml"
    if not path.is_file():
        if command == "list":
            lines += ["`GROUP` is one or more of these; without it, all groups are printed:", ""]
            lines += [f"- [{GROUPS.get(g, (g,))[0]}](../groups/{g}.md): `{g}`" for g in groups]
        return "\n".join([*lines, ""])
    config = read_config(path)
    about = config.comment.removeprefix(f"emotion {command}:").strip()
    if about and SequenceMatcher(None, about.lower(), summary.lower()).ratio() < SAME_TEXT:
        lines += [sentence(prose(about)), ""]
    lines += see_also(command)
    kinds = schema_types(command)
    chosen, shared = read_defaults(config, conf, groups)
    if chosen:
        lines += ["## Config groups", "", "| Group | Default |", "|---|---|"]
        for group, choice in chosen:
            link = f"[`{group}`](../groups/{group}.md)"
            lines.append(f"| {link} | {code(choice) if choice else 'none'} |")
        lines.append("")
    own = [*config.settings]
    for other in shared:
        own += [s for s in other.settings if s.name not in {setting.name for setting in own}]
    if own:
        known = shared_comments(conf)
        own = [replace(s, comment=s.comment or known.get(s.name, "")) for s in own]
        lines += ["## Settings", "", *settings_table(tuple(own), kinds)]
    if makes_folder:
        lines += ["## Output folder", "", f"`outputs/{command}/<date>_<time>/`", ""]
    lines += [
        f"Defined in `conf/{command}.yaml`. `emotion {command} --cfg job` prints all settings,"
    ]
    lines += ["those of the config groups included.", ""]
    return "\n".join(lines)


def shared_comments(conf: Path) -> dict[str, str]:
    """Return the comments of the settings that commands share, by name."""
    files = [file for folder in sorted(SHARED) for file in sorted((conf / folder).glob("*.yaml"))]
    found = [setting for file in files for setting in read_config(file).settings]
    return {setting.name: setting.comment for setting in found if setting.comment}


def read_defaults(
    config: ConfigFile, conf: Path, groups: list[str]
) -> tuple[list[tuple[str, str]], list[ConfigFile]]:
    """Return the (group, choice) pairs of a defaults list, and the shared files that it names."""
    chosen: list[tuple[str, str]] = []
    shared: list[ConfigFile] = []
    for entry in config.defaults:
        if isinstance(entry, str):
            name = entry.lstrip("/").partition("@")[0]
            files = [folder / f"{name}.yaml" for folder in (conf, config.path.parent)]
            shared += [read_config(file) for file in files if file.is_file()][:1]
        for key, choice in entry.items() if isinstance(entry, dict) else ():
            group = key.removeprefix("optional ").strip()
            if group in groups:
                names = choice if isinstance(choice, list) else [choice]
                chosen.append((group, ", ".join(str(name) for name in names if name)))
    for included in [*shared]:
        more, further = read_defaults(included, conf, groups)
        chosen += [pair for pair in more if pair not in chosen]
        shared += further
    return chosen, shared


def group_page(group: str, conf: Path, default: str, kinds: Mapping[str, str]) -> str:
    """Return the page of a config group: a section for each choice."""
    title, about = GROUPS.get(group, (group.capitalize(), ""))
    files = sorted((conf / group).glob("**/*.yaml"), key=lambda p: (p.stem != "base", str(p)))
    chosen = f"Choose one with `{group}=NAME`" + (
        f"; the default is `{default}`." if default else "."
    )
    lines = [f"# {title}", "", f"{about} {chosen}", "", *see_also(group)]
    lines += ["| Choice | Description |", "|---|---|"]
    for path in files:
        name = path.relative_to(conf / group).with_suffix("").as_posix()
        if name == "base" or "/" in name:
            continue
        comment = sentence(prose(read_config(path).comment))
        lines.append(f"| [`{name}`](#{anchor(group, name)}) | {comment} |")
    lines.append("")
    for path in files:
        name = path.relative_to(conf / group).with_suffix("").as_posix()
        lines += choice_section(group, name, path, conf, kinds)
    return "\n".join(lines)


def anchor(group: str, name: str) -> str:
    """Return the link target of a choice."""
    return f"{group}-{name}".replace("/", "-").replace("_", "-")


def choice_section(
    group: str, name: str, path: Path, conf: Path, kinds: Mapping[str, str]
) -> list[str]:
    """Return the section of one choice."""
    prefix = f"dataset.readers.{path.stem}" if name.startswith("reader/") else group
    config = read_config(path, prefix=prefix)
    heading = "Shared settings" if name == "base" else f"`{name}`"
    lines = [f"({anchor(group, name)})=", f"## {heading}", "", sentence(prose(config.comment)), ""]
    bases, picks = [], []
    for entry in config.defaults:
        if isinstance(entry, str) and entry != "_self_":
            source = entry.partition("@")[0].strip("/").removeprefix(f"{group}/")
            if (conf / group / f"{source}.yaml").is_file():
                label = "the shared settings" if source == "base" else f"`{source}`"
                bases.append(f"[{label}](#{anchor(group, source)})")
            elif (conf / f"{source}.yaml").is_file():
                above, _, stem = source.partition("/")
                bases.append(f"[`{source}`](../groups/{above}.md#{anchor(above, stem)})")
        elif isinstance(entry, dict):
            for key, choice in entry.items():
                picks.append(f"`{key.removeprefix('override').strip().lstrip('/')}={choice}`")
    if bases:
        lines += [f"Starts from {', '.join(bases)}.", ""]
    if picks:
        lines += [f"Sets {', '.join(picks)}.", ""]
    lines += settings_table(config.settings, kinds)
    for key, value in (config.hydra.get("sweeper", {}).get("params") or {}).items():
        lines += [f"Varies `{key}`: `{value}`.", ""]
    lines += [f"Defined in `conf/{path.relative_to(conf)}`.", ""]
    return lines


def render(conf: Path) -> dict[str, str]:
    """Return every generated page by its path below docs/reference/."""
    from emotion.cli.commands import COMMANDS

    groups = list_groups(conf)
    train = read_config(conf / "train.yaml")
    chosen, _ = read_defaults(train, conf, groups)
    defaults = dict(chosen)
    kinds = schema_types("train")
    pages = {
        f"commands/{name}.md": command_page(
            name, command.summary, conf, groups, makes_folder=command.makes_folder
        )
        for name, command in COMMANDS.items()
    }
    pages |= {
        f"groups/{group}.md": group_page(group, conf, defaults.get(group, ""), kinds)
        for group in groups
    }
    rows = [
        f"| [`{name}`]({name}.md) | {sentence(prose(command.summary))} |"
        for name, command in COMMANDS.items()
    ]
    pages["commands/index.md"] = index_page(
        "Commands",
        "`emotion COMMAND [setting=value ...]`. Each page lists the settings of a command,\n"
        "with their types and defaults.",
        ["| Command | Description |", "|---|---|", *rows],
        list(COMMANDS),
    )
    rows = []
    for group in groups:
        rows.append(f"| [`{group}`]({group}.md) | {GROUPS.get(group, ('', ''))[1]} |")
    pages["index.md"] = REFERENCE
    pages["groups/index.md"] = index_page(
        "Config groups",
        "A config group is a folder of `conf/`; each of its files is one choice: `model=crnn`\n"
        "takes `conf/model/crnn.yaml`. Each page lists the choices of a group.",
        ["| Group | Description |", "|---|---|", *rows],
        groups,
    )
    return pages


def index_page(title: str, about: str, table: list[str], names: list[str]) -> str:
    """Return a page that lists others."""
    tree = ["```{toctree}", ":hidden:", "", *names, "```"]
    return "\n".join([f"# {title}", "", about, "", *table, "", *tree, ""])


def generate(target: Path = DOCS / "reference", conf: Path = CONF) -> list[Path]:
    """Write the pages below `target`, remove other pages there, and return their paths."""
    pages = {target / name: text for name, text in render(conf).items()}
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in target.glob("**/*.md"):
        if path not in pages:
            path.unlink()
    return list(pages)


def setup(app: Any) -> dict[str, bool]:
    """Register the generator with Sphinx."""
    app.connect("builder-inited", lambda _: generate())
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    for page in generate():
        print(page)
