"""What docstrings of the library say of each public function, read from its source."""

import ast
import builtins
import doctest
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

Definition = ast.FunctionDef | ast.ClassDef
ARRAY = re.compile(r"(?:Float|Float32|Float64|Int|Int64|Bool|Real|Num|Complex|Shaped)$")


@dataclass(frozen=True)
class Public:
    """A public function, class or method of a module."""

    module: str
    owner: ast.ClassDef | None
    node: Definition

    @property
    def name(self) -> str:
        return f"{self.owner.name}.{self.node.name}" if self.owner else self.node.name

    @cached_property
    def text(self) -> str:
        return ast.get_docstring(self.node) or ""

    @cached_property
    def examples(self) -> list[doctest.Example]:
        return doctest.DocTestParser().get_examples(sections(self.text).get("Examples", ""))

    @property
    def raises(self) -> set[str]:
        """Exceptions that its docstring names."""
        return set(re.findall(r"^\w+$", sections(self.text).get("Raises", ""), re.MULTILINE))


def sections(docstring: str) -> dict[str, str]:
    """Text under each of numpydoc's headings."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", docstring, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@dataclass(frozen=True)
class Library:
    """Modules by dotted name; a call of one of their functions is followed, to what it raises."""

    trees: Mapping[str, ast.Module]

    @classmethod
    def of(cls, sources: Mapping[str, str]) -> "Library":
        return cls({name: ast.parse(source) for name, source in sources.items()})

    def public(self, module: str) -> Iterator[Public]:
        for node in self.trees[module].body:
            if isinstance(node, Definition) and not node.name.startswith("_"):
                yield Public(module, None, node)
                if isinstance(node, ast.ClassDef) and not is_protocol(node):
                    yield from (Public(module, node, method) for method in methods(node) if method.name[0] != "_")

    def raised_by(self, of: Public) -> set[str]:
        """Exceptions of its own ``raise`` statements, and of the functions that it calls."""
        functions = [of.node] if isinstance(of.node, ast.FunctionDef) else constructors(of.node)
        return set().union(*(self._raised(of.module, of.owner or of.node, node, ()) for node in functions))

    def _raised(self, module: str, owner: Definition, node: ast.AST, inside: tuple[ast.AST, ...]) -> set[str]:
        found: set[str] = set()
        for one in uncaught(node):
            if isinstance(one, ast.Raise) and isinstance(one.exc, ast.Call):
                found.add(ast.unparse(one.exc.func))
            elif isinstance(one, ast.Call):
                for home, called_owner, called in self._called(module, owner, one.func):
                    if called not in inside:
                        found |= self._raised(home, called_owner, called, (*inside, called))
        return found

    def _called(self, module: str, owner: Definition, called: ast.expr) -> Iterator[tuple[str, Definition, ast.AST]]:
        """The functions of the library that a call runs, as far as its text tells."""
        if isinstance(called, ast.Attribute) and ast.unparse(called.value) in ("self", "cls"):
            yield from ((module, owner, method) for method in methods(owner) if method.name == called.attr)
        if isinstance(called, ast.Name):
            home, name = self._origins(module).get(called.id, (module, called.id))
            for node in self.trees[home].body if home in self.trees else ():
                if isinstance(node, Definition) and node.name == name:
                    runs = [node] if isinstance(node, ast.FunctionDef) else constructors(node)
                    yield from ((home, node, function) for function in runs)

    def _origins(self, module: str) -> dict[str, tuple[str, str]]:
        """Module and name there of each name that a module imports from another."""
        imports = [node for node in ast.walk(self.trees[module]) if isinstance(node, ast.ImportFrom)]
        return {alias.asname or alias.name: (node.module or "", alias.name) for node in imports for alias in node.names}


def methods(owner: Definition) -> list[ast.FunctionDef]:
    return [node for node in owner.body if isinstance(node, ast.FunctionDef)]


def constructors(owner: Definition) -> list[ast.FunctionDef]:
    return [method for method in methods(owner) if method.name in ("__init__", "__post_init__")]


def is_protocol(node: Definition) -> bool:
    return isinstance(node, ast.ClassDef) and "Protocol" in map(ast.unparse, node.bases)


def is_exception(node: Definition) -> bool:
    names = [ast.unparse(base) for base in node.bases] if isinstance(node, ast.ClassDef) else []
    return any(name.endswith("Error") for name in names)


def uncaught(node: ast.AST) -> Iterator[ast.AST]:
    """What runs in a function, without what stands in a ``try`` whose handlers raise something else in its place."""
    for child in ast.iter_child_nodes(node):
        yield child
        inner = child
        if isinstance(child, ast.Try) and child.handlers:
            inner = ast.Module([*child.handlers, *child.orelse, *child.finalbody], [])  # type: ignore[list-item]
        yield from uncaught(inner)


def covers(named: set[str], raised: str) -> bool:
    """Whether a Raises section that names some exceptions speaks of one: of its class, or of ValueError for ours."""
    return raised in named or (not hasattr(builtins, raised) and "ValueError" in named)


def fields(owner: ast.ClassDef) -> dict[str, bool]:
    """The public fields of a class, and whether a docstring stands below each."""
    pairs = zip(owner.body, [*owner.body[1:], None], strict=True)
    named = {
        node.target.id: isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        for node, after in pairs
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    return {name: documented for name, documented in named.items() if not name.startswith("_")}


def axes(node: ast.AST) -> set[str]:
    """Names of the axes of all arrays in an annotation, a function or a class."""
    arrays = [one for one in ast.walk(node) if isinstance(one, ast.Subscript) and ARRAY.match(ast.unparse(one.value))]
    texts = [text.value for array in arrays for text in ast.walk(array.slice) if isinstance(text, ast.Constant)]
    return {axis for text in texts for axis in str(text).replace("*", "").split() if axis.isidentifier()}


def stated_axes(docstring: str) -> set[str]:
    """Names of the axes that a module's docstring gives: ``[steps, params]`` names two."""
    return {axis.strip(" *") for shape in re.findall(r"``[^`]*?\[(.*?)\]``", docstring) for axis in shape.split(",")}
