"""Writes docs/api.md from the docstrings of what `import autotune` offers.

python scripts/api_page.py > docs/api.md
"""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from textwrap import dedent

import autotune
from autotune.api.to_spec import Options, Sections
from autotune.report import script
from autotune.train.base import attribute_docs

HEAD = """# The Python API

`import autotune` imports neither torch nor Ray nor MLflow; each name below is imported at its
first use. The whole API is typed. Errors raise `autotune.AutotuneError` with the message that the
command line prints. The command line and Python share studies: either can list, show, resume and
export a study that the other started. To resume a study of a function that is in no module, such
as a notebook's, pass the function again.

<!-- written by scripts/api_page.py from the docstrings; checked by tests/api/test_api_page.py -->
"""
GROUPS = {
    "Run a study": ["run"],
    "Parameters and objectives": ["Float", "Int", "Categorical", "maximize", "minimize"],
    "Studies": ["Study", "Winner", "load", "studies"],
    "Ask and tell": ["create", "AskedStudy", "AskedTrial"],
    "Inside a trial": ["Trial", "report"],
    "Errors": ["AutotuneError"],
}


def page() -> str:
    parts = [HEAD]
    for title, names in GROUPS.items():
        parts.append(f"## {title}\n")
        for name in names:
            what = getattr(autotune, name)
            parts += entry(name, script.report if name == "report" else what)
    return "\n".join(parts).rstrip() + "\n"


def entry(name: str, what: object) -> Iterator[str]:
    if not inspect.isclass(what):
        yield f"### autotune.{name}{shown(what)}\n"
        yield text(what)
        if name == "run":
            yield from options()
        return
    yield f"### autotune.{name}\n"
    yield text(what)
    rows = [*attributes(what), *members(what)]
    if rows:
        yield "| | |\n| --- | --- |"
        yield "\n".join(f"| `{key}` | {said} |" for key, said in rows) + "\n"


def options() -> Iterator[str]:
    yield "| option | |\n| --- | --- |"
    known = attribute_docs(Options)
    yield "\n".join(
        f"| `{key}` | {one_line(known.get(key, ''))} |" for key in Options.__annotations__
    )
    rest = [key for key in Sections.__annotations__ if key not in Options.__annotations__]
    yield f"\nSections, as in a study file: {', '.join(f'`{key}`' for key in rest)}.\n"


def attributes(what: type) -> Iterator[tuple[str, str]]:
    """Of the class, and those that its constructor sets and types."""
    for key, said in attribute_docs(what).items():
        yield key, one_line(said)
    if "__init__" in vars(what) and not is_dataclass(what):
        [made] = ast.parse(dedent(inspect.getsource(what.__init__))).body  # type: ignore[misc]
        assert isinstance(made, ast.FunctionDef)
        for line, after in zip(made.body, [*made.body[1:], None], strict=True):
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Attribute):
                if not line.target.attr.startswith("_"):
                    value = after.value if isinstance(after, ast.Expr) else None
                    said = value.value if isinstance(value, ast.Constant) else ""
                    yield line.target.attr, one_line(str(said))


def members(what: type) -> Iterator[tuple[str, str]]:
    told = {name for names in GROUPS.values() for name in names}
    bases = (b for b in what.__bases__ if b.__module__.startswith("autotune"))
    own = [what, *(base for base in bases if base.__name__ not in told)]
    for key, member in (pair for each in own for pair in vars(each).items()):
        if key.startswith("_"):
            continue
        if isinstance(member, property):
            yield key, one_line(inspect.getdoc(member.fget) or "")
        elif inspect.isfunction(member):
            yield f"{key}{shown(member)}", one_line(inspect.getdoc(member) or "")


def shown(function: object) -> str:
    """The signature without annotations, which the code has."""
    signature = inspect.signature(function)  # type: ignore[arg-type]
    kept = [
        one.replace(annotation=inspect.Parameter.empty)
        for one in signature.parameters.values()
        if one.name != "self"
    ]
    return str(signature.replace(parameters=kept, return_annotation=inspect.Signature.empty))


def text(what: object) -> str:
    return (inspect.getdoc(what) or "") + "\n"


def one_line(said: str) -> str:
    return re.sub(r"\s+", " ", said).replace("|", "\\|").strip()


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    print(page(), end="")
