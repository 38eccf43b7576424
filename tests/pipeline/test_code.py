"""The essence of a file changes with what it does and with nothing else; a stage's text lists all that it imports."""

import ast
import io
import keyword
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from modulefinder import ModuleFinder
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sedlib.base.errors import UserError
from sedlib.pipeline.code.current import require_current_code
from sedlib.pipeline.code.essence import essence, fingerprint
from sedlib.pipeline.code.fingerprints import code_text, code_used, write_texts
from sedlib.pipeline.code.imports import direct_imports, import_closure
from tests.imports import ROOT

FILES = sorted([*(ROOT / "sedlib").rglob("*.py"), *(ROOT / "stages").glob("*.py")])
NON_EMPTY = [file for file in FILES if file.read_text().count("\n") > 5]
SCRIPTS = sorted((ROOT / "stages").glob("*.py"))
OPERATIONS = ROOT / "sedlib/grokking/setup/operations.py"
SPACE = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
OTHER = {"+": "-", "-": "+", "<": ">", ">": "<", "==": "!=", "!=": "==", "<=": ">=", ">=": "<=", "%": "//", "//": "%"}
STRINGS = (tokenize.STRING, getattr(tokenize, "FSTRING_START", tokenize.STRING))


def tokens_of(source: str) -> list[tokenize.TokenInfo]:
    found = tokenize.generate_tokens(io.StringIO(source).readline)
    return [token for token in found if token.type not in (tokenize.COMMENT, tokenize.NL)]


def working_tokens(source: str) -> Iterator[tokenize.TokenInfo]:
    """The tokens that do something, found without the parser: a string alone on its line, or after ``description=``,
    does nothing.
    """
    tokens = tokens_of(source)
    place = 0
    while place < len(tokens):
        token, before = tokens[place], tokens[:place]
        statement = not before or before[-1].type in SPACE or before[-1].string == ";"
        if token.type == tokenize.STRING and statement:
            end = next(i for i in range(place, len(tokens)) if tokens[i].type != tokenize.STRING)
            if tokens[end].type == tokenize.NEWLINE or tokens[end].string == ";":
                place = end
                continue
        described = [t.string for t in before[-3:]]
        if token.type in STRINGS and described[1:] == ["description", "="] and described[0] in "(,":
            depth = 0
            while depth or tokens[place].string not in (",", ")"):
                depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(tokens[place].string, 0)
                place += 1
            continue
        if token.type not in SPACE:
            yield token
        place += 1


@cache
def working(file: Path) -> list[tokenize.TokenInfo]:
    return list(working_tokens(file.read_text()))


def without_last_commas(tokens: Iterator[str]) -> list[str]:
    """Tokens without a comma before a closing parenthesis, which a formatter adds and takes away."""
    found = list(tokens)
    return [token for token, after in zip(found, [*found, ""][1:], strict=True) if (token, after) != (",", ")")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_remains_of_a_file_is_what_does_something_in_its_order(file: Path) -> None:
    remaining = essence(file.read_text())
    found = (token.string for token in tokens_of(remaining) if token.type not in SPACE)
    assert without_last_commas(found) == without_last_commas(token.string for token in working(file))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1  # why\n\n\n# what\ny = 2   \n", "x = 1\ny = 2\n"),
        ('"""Of the file."""\nx = 1\n"""Of x."""\n', "x = 1\n"),
        ('class A:\n    """Of A."""\n    x: int\n    """Of x."""\n', "class A :\n    x : int\n"),
        ("def f():\n    'of f'\n", "def f ( ) :\n"),
        ("async def f():\n    r'''of\n\n    f'''\n    return 1\n", "async def f ( ) :\n    return 1\n"),
        ("def f():\n    ('of'\n     ' f')\n    return 1\n", "def f ( ) :\n    return 1\n"),
        ("x = f(1, description='words')\n", "x = f ( 1 , description = )\n"),
        ("x = f(description='of ' f'{y}, and'\n  ' more', z=1)\n", "x = f ( description = , z = 1 )\n"),
        ("x = f(\n    1,\n    description='more words',\n)\n", "x = f ( 1 , description = )\n"),
        ("x = f(description=words(1))\n", "x = f ( description = words ( 1 ) )\n"),
        ("description = 'data'\n", "description = 'data'\n"),
        ("x = {'description': 'data'}\n", "x = { 'description' : 'data' }\n"),
        ("def f(description='data'): ...\n", "def f ( description = 'data' ) : ...\n"),
        ("def f():\n    f'{print(1)}'\n", "def f ( ) :\n    f'{print(1)}'\n"),
        ("x = 'a # b'  # c\n", "x = 'a # b'\n"),
        ("λ = 'η×é'; 'doc é'; y = 2  # ×\n", "λ = 'η×é' ; ; y = 2\n"),
        ("é = f('×', description='é×'); y = 'é'  # é\n", "é = f ( '×' , description = ) ; y = 'é'\n"),
        ("x = 1 + \\\n    2  # three\n", "x = 1 + 2\n"),
        ("x = [  # all\n    1,\n\n    # last\n    2,\n]\n", "x = [ 1 , 2 , ]\n"),
        ("x = (\n    1,\n)\ny = f(x,)\nz = a[x,]\n", "x = ( 1 , )\ny = f ( x )\nz = a [ x , ]\n"),
        ("if x:\n    return (1,)\n", "if x :\n    return ( 1 , )\n"),
        ("match x:\n    case (y,): ...\n", "match x :\n    case ( y , ) : ...\n"),
        ("x = 1\n\x0cy = 2  # a page further\nz = 'a\x0b\x85\u2028b'  # c\nw = 3  # d\n",
         "x = 1\ny = 2\nz = 'a\x0b\x85\u2028b'\nw = 3\n"),
    ],
)  # fmt: skip
def test_words_go_and_nothing_else(source: str, expected: str) -> None:
    assert essence(source) == expected


@pytest.mark.parametrize(
    "data",
    [
        "x = '''a  \n\n# b\n   \n\n  'c' '''\n",
        "x = 'a  \\\n   \\\n  b'\n",
        'x = f """\n\n{y}  \n""" """ \n"""\n'.replace('f "', 'f"'),
        'x = f"""\n\n{y}  \n\n"""\n',
        "x = f'{a!r:>{width}} # {f\"{b}\"}'\n",
    ],
)
def test_a_string_that_is_data_stays_to_the_byte(data: str) -> None:
    assert essence(data) == data
    assert essence("'''doc\n\n'''; " + data) == "; " + data


def test_a_longer_description_that_a_formatter_breaks_over_lines_leaves_a_fingerprint() -> None:
    file = ROOT / "sedlib/pipeline/parameters/ablation_params.py"
    source = file.read_text()
    before = 'probe_seed: list[Seed] = Field([], max_length=VALUES.most, description="Values of probes.seed.")'
    assert before in source
    lines = ["[],", "max_length=VALUES.most,", f"description={'of probes ' * 9!r},"]
    longer = "\n        ".join(["probe_seed: list[Seed] = Field(", *lines]) + "\n    )"
    assert fingerprint(source.replace(before, longer)) == fingerprint(source)


def words() -> st.SearchStrategy[str]:
    return st.text(st.characters(blacklist_categories=["C", "Z"], blacklist_characters="\\'\""), max_size=9)


def lines_outside_strings(source: str) -> list[int]:
    """Numbers of the lines, from 0, before which a line can be put: none that starts in a string or goes on."""
    inside = {line for token in tokens_of(source) for line in range(token.start[0], token.end[0])}
    lines = source.splitlines()
    return [number for number in range(len(lines)) if number not in inside and not lines[number - 1].endswith("\\")]


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_comments_and_blank_lines_leave_a_fingerprint(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(FILES)).read_text()
    lines = source.splitlines()
    free = lines_outside_strings(source)
    assume(free)
    for number in sorted(data.draw(st.sets(st.sampled_from(free), max_size=5)), reverse=True):
        indent = " " * data.draw(st.integers(0, 9))
        lines.insert(number, data.draw(st.sampled_from(["", f"{indent}#{data.draw(words())}", indent])))
    assert fingerprint("\n".join(lines) + "\n") == fingerprint(source)


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_other_docstrings_leave_a_fingerprint(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(FILES)).read_text()
    docstrings = docstrings_of(source)
    assume(docstrings)
    node = data.draw(st.sampled_from(docstrings))
    text = ast.get_source_segment(source, node)
    assert text is not None
    line = node.lineno - 1
    other = '"""' + "\n\n".join(data.draw(st.lists(words(), min_size=1, max_size=3))) + '"""'
    lines = source.splitlines(keepends=True)
    changed = "".join(lines[:line]) + "".join(lines[line:]).replace(text, other, 1)
    assert fingerprint(changed) == fingerprint(source)


def docstrings_of(source: str) -> list[ast.Expr]:
    statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr)]
    return [node for node in statements if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)]


def changed_token(token: tokenize.TokenInfo) -> str | None:
    """Another number, name, operator or string in the place of a token, where there can be one."""
    if token.type == tokenize.NUMBER:
        return "8" if token.string == "7" else "7"
    if token.type == tokenize.NAME and not (keyword.iskeyword(token.string) or keyword.issoftkeyword(token.string)):
        return f"{token.string}_"
    if token.type == tokenize.STRING and token.string[-1:] == '"' and token.string[:1] == '"':
        return f"{token.string[:-3]}…{token.string[-3:]}" if token.string[:3] == '"""' else f'{token.string[:-1]}…"'
    return OTHER.get(token.string) if token.type == tokenize.OP else None


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_another_number_name_operator_or_string_changes_a_fingerprint(data: st.DataObject) -> None:
    file = data.draw(st.sampled_from(NON_EMPTY))
    token = data.draw(st.sampled_from(working(file)))
    other = changed_token(token)
    assume(other)
    lines = file.read_text().split("\n")
    (first, start), (last, end) = token.start, token.end
    lines[first - 1 : last] = [f"{lines[first - 1][:start]}{other}{lines[last - 1][end:]}"]
    assert fingerprint("\n".join(lines)) != fingerprint(file.read_text())


def listed(script: Path) -> set[Path]:
    text = code_text(script, ROOT, ROOT / "study.py", [OPERATIONS])
    return {ROOT / line.split()[1] for line in text.splitlines()}


class Finder(ModuleFinder):
    """Does not follow package files: what they list is imported on demand."""

    def scan_code(self, co: CodeType, m: Any) -> None:
        if not m.__path__:
            super().scan_code(co, m)


def found_by_bytecode(script: Path) -> set[Path]:
    """Files that a script's compiled code, and that of what it imports, asks for; packages apart."""
    finder = Finder([str(ROOT)])
    finder.run_script(str(script))
    files = {Path(file) for module in finder.modules.values() if (file := vars(module)["__file__"])}
    return {file for file in files if file.name != "__init__.py"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_text_lists_what_bytecode_asks_for(script: Path) -> None:
    expected = found_by_bytecode(script)
    if ROOT / "sedlib/pipeline/study.py" in expected:
        expected |= found_by_bytecode(ROOT / "study.py")
    assert listed(script) == expected - {OPERATIONS}


@pytest.mark.parametrize("name", ["dump", "figures"])
def test_all_that_a_running_script_has_loaded_is_in_its_text(name: str) -> None:
    code = (
        "import runpy, sys\n"
        f"runpy.run_path('stages/{name}.py')\n"
        "from sedlib.pipeline.study import load_study\n"
        "load_study()\n"
        "print(*(module.__file__ for name, module in sys.modules.items() if name.split('.')[0] == 'sedlib'), sep='\\n')"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {file for file in map(Path, ran.stdout.split()) if file.name != "__init__.py"}
    assert len(loaded) > 20
    assert loaded - {OPERATIONS} <= listed(ROOT / f"stages/{name}.py")


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_script_that_loads_the_study_uses_its_files(tmp_path: Path) -> None:
    root = written(
        tmp_path,
        {
            "sedlib/pipeline/study.py": "import torch\n",
            "sedlib/pipeline/stage.py": "from sedlib.pipeline.study import load_study\n",
            "sedlib/alone.py": "",
            "mine/network.py": "def f():\n    import mine.layers as layers\n",
            "mine/layers.py": "",
            "study.py": "from mine import network\n",
            "with.py": "from sedlib.pipeline.stage import stage\n",
            "without.py": "import sedlib.alone, json\n",
        },
    )
    names = ["mine/layers.py", "mine/network.py", "sedlib/pipeline/stage.py", "sedlib/pipeline/study.py", "study.py"]
    lines = code_text(root / "with.py", root, root / "study.py").splitlines()
    assert [line.split()[1] for line in lines] == [*names, "with.py"]
    assert lines[0].split()[0] == fingerprint("")
    assert code_used(root / "without.py", root, root / "study.py") == {root / "without.py", root / "sedlib/alone.py"}
    assert root / "study.py" not in code_used(root / "with.py", root)
    assert root / "mine/layers.py" not in code_used(
        root / "with.py", root, root / "study.py", [root / "mine/layers.py"]
    )


def test_files_may_import_one_another(tmp_path: Path) -> None:
    root = written(tmp_path, {"a.py": "import b\n", "b.py": "from a import x\nimport c.d\n", "c/d.py": "import b\n"})
    assert import_closure(root / "a.py", root) == {root / "a.py", root / "b.py", root / "c/d.py"}
    assert direct_imports(root / "a.py", root) == {root / "b.py"}


@pytest.mark.parametrize("line", ["from . import b", "from .b import x", "from ..c import x"])
def test_a_relative_import_is_refused(tmp_path: Path, line: str) -> None:
    root = written(tmp_path, {"a.py": f"import json\n{line}\n"})
    with pytest.raises(UserError, match=r"a\.py, line 2: write the module's whole name, not a relative one"):
        import_closure(root / "a.py", root)


def test_a_file_that_is_no_python_is_named(tmp_path: Path) -> None:
    root = written(tmp_path, {"a.py": "import b\n", "b.py": "x = (\n"})
    with pytest.raises(UserError, match=r"b\.py is no Python: '\(' was never closed"):
        import_closure(root / "a.py", root)


def test_texts_of_scripts_that_are_gone_go(tmp_path: Path) -> None:
    write_texts({"dump": "1 a\n", "old": "2 b\n"}, tmp_path / "code")
    write_texts({"dump": "1 a\n", "new": "3 c\n"}, tmp_path / "code")
    assert {path.name: path.read_text() for path in (tmp_path / "code").iterdir()} == {
        "dump.txt": "1 a\n",
        "new.txt": "3 c\n",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"0123456789abcdef sedlib/a.p\xb1\n", "bases.txt is damaged, it has a line '0123456789abcdef sedlib/a.p"),
        (b"0123456789abcdef sedlib/\0\0\0\0\n", "bases.txt is damaged"),
        (b"0123456789abcdef ", "bases.txt is damaged"),
        (b"0123456789abcdef sedlib", "sedlib is not what it was"),
        (b"0123456789abcdef sedlib/b.py\n", "sedlib/b.py is not what it was"),
    ],
)
def test_a_damaged_text_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    text = tmp_path / "artifacts/code/bases.txt"
    for folder in (text.parent, tmp_path / "sedlib", tmp_path / "stages"):
        folder.mkdir(parents=True)
    text.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(message)):
        require_current_code(str(tmp_path / "stages/bases.py"))
