#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""differential.py - templates of ours through jinja2 and through our engine.

    differential.py [--every N] [--wild N [--seed S]] RENDER [FILE.t ...]

RENDER is the program of tests/tools/template-render.c.  The cases are those of FILE.t (template.t) and a grid of small
expressions made here, of which --every N takes each N-th; --wild adds N templates made at random.  Needs python3-jinja2; where it is missing the run is skipped
(status 0, and says so).  Compared are the texts; where jinja2 fails ours must fail, too.
"""
import argparse, copy, datetime, json, random, re, subprocess, sys

# What ours refuses or has no word for: integers beyond 64 bits, complex numbers, the address of an object.
KNOWN = re.compile(r"\d{20}|\dj\)|0x[0-9a-f]{5}", re.I)
NOW = datetime.datetime(2026, 3, 9, 7, 5, 2)


def environment():
    import jinja2, jinja2.ext
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(jinja2.ext.Extension):
        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return jinja2.nodes.CallBlock(self.call_method("_pass"), [], [], body).set_lineno(line)

        def _pass(self, caller):
            return caller()

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    e = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    e.filters["tojson"] = tojson
    e.globals["raise_exception"] = raise_exception
    e.globals["strftime_now"] = lambda f: NOW.strftime(f)
    return e


def read_cases(path):
    """-> [(name, source, vars, "gives" or "fails", text)]; the format is described in template.t"""
    cases, section, name = [], None, None
    parts = {}

    def close():
        if name is not None:
            kind = "fails" if "fails" in parts else "gives"
            cases.append((name, parts["source"], json.loads(parts.get("vars") or "{}"), kind, parts[kind]))

    for line in open(path, encoding="utf-8", newline=""):
        line = line[:-1] if line.endswith("\n") else line
        if line.startswith("=== "):
            close()
            name, section, parts = line[4:], "source", {"source": ""}
            first = True
        elif line.startswith("--- ") and name is not None:
            section = line[4:]
            parts[section] = ""
            first = True
        elif name is not None:
            parts[section] += line if first else "\n" + line
            first = False
    close()
    return cases


def grid():
    """Small templates, many of them."""
    values = [
        "none", "true", "false", "0", "1", "-7", "3.0", "2.5", "1e100", "1e-7", "0.1", "''", "'a'", "'Hello World'",
        "'  x y '", "'1'", "'-12'", "' 4_2 '", "'3.9'", "'a,b,,c'", "'a\\nb\\r\\nc'", "\"it's\"", "'é\\u4f60ß'", "[]", "[1]",
        "[3, 1, 2]", "['b', 'A', 'c']", "[1, [2, 'x'], none]", "()", "(1,)", "(1, 'b')", "{}", "{'a': 1}",
        "{'b': [1], 'A': none, 'c': 'x'}", "{1: 2, 'k': {'z': true}}", "range(3)", "range(5, 0, -2)", "nope", "o", "o.keys()|list",
        "l", "s", "n", "f", "l|map('string')", "namespace(a=1)",
    ]
    filters = [
        "abs", "capitalize", "center(9)", "count", "default('d')", "default('d', true)", "dictsort", "dictsort(true)",
        "dictsort(false, 'value')", "dictsort(reverse=true)", "e", "first", "float", "float(1.5)", "int", "int(9)", "int(0, 16)",
        "items|list", "join", "join('-')", "last", "length", "list", "lower", "max", "min", "replace('a', 'bb')",
        "replace('l', '', 1)", "replace('', '.')", "reverse|list", "round", "round(1)", "round(0, 'ceil')", "round(1, 'floor')", "safe",
        "select|list", "reject|list", "select('string')|list", "reject('none')|list", "map('string')|list", "sort", "sort(reverse=true)",
        "sort(case_sensitive=true)", "string", "sum", "title", "tojson", "tojson(indent=2)", "tojson(indent=2, sort_keys=true)",
        "tojson(ensure_ascii=true)", "tojson(separators=(',', ':'))", "trim", "trim('a ')", "truncate(5)", "truncate(5, true)",
        "truncate(3, leeway=0)", "unique|list", "upper", "urlencode", "wordcount", "indent", "indent(2, true)", "indent(first=true)",
        "indent('> ', blank=true)", "batch(2)|list", "batch(2, 'f')|list", "slice(2)|list", "slice(2, 'f')|list", "format(1)",
        "attr('upper')", "filesizeformat", "filesizeformat(true)", "striptags", "xmlattr", "xmlattr(false)", "forceescape", "groupby(0)|list", "nofilter",
    ]
    tests = [
        "defined", "undefined", "none", "boolean", "true", "false", "integer", "float", "number", "string", "mapping", "sequence",
        "iterable", "callable", "odd", "even", "divisibleby 2", "divisibleby(3)", "lower", "upper", "escaped", "in [1, 'a', none]",
        "sameas none", "sameas true", "eq 1", "ne 1", "gt 1", "lt 'b'", "ge 1", "le 1", "== 1", "notest", "not none", "filter", "test",
    ]
    methods = [
        "strip()", "lstrip()", "rstrip()", "strip('a ')", "split()", "split(',')", "split(',', 1)", "rsplit(',', 1)", "split(none, 1)",
        "rsplit(none, 1)", "rsplit()", "splitlines()", "splitlines(true)", "upper()", "lower()", "title()", "capitalize()", "swapcase()",
        "casefold()", "startswith('a')", "startswith(('a', 'H'))", "endswith('d')", "startswith('e', 1)", "endswith('o', 0, 5)",
        "find('l')", "rfind('l')", "index('l')", "rindex('l')", "find('')", "rfind('')", "find('l', 3)", "find('l', -3, -1)", "count('l')",
        "count('')", "count('a', 1)", "replace('l', 'L')", "replace('l', 'L', 1)", "isdigit()", "isalpha()", "isalnum()", "isspace()",
        "isupper()", "islower()", "istitle()", "isnumeric()", "isdecimal()", "isascii()", "isprintable()", "center(8)", "center(9, '*')",
        "ljust(8, '.')", "rjust(8)", "zfill(6)", "partition(',')", "rpartition(',')", "removeprefix('a')", "removesuffix('d')",
        "join(['x', 'y'])", "join(['x', 1])", "expandtabs()", "format(1)", "items()", "keys()", "values()", "get('a')", "get('zz')",
        "get('zz', 5)", "copy()", "append(1)", "pop()", "pop(0)", "clear()", "update({})", "index(1)", "count(1)", "nomethod()",
        "items()|list", "keys()|list", "__class__", "a", "upper", "items is defined", "append is defined",
    ]
    subs = [
        "[0]", "[-1]", "[5]", "['a']", "[1:]", "[:-1]", "[::-1]", "[::2]", "[-2:]", "[5:1:-1]", "[none:2]", "[1:1]", "[0:10:3]", "[10::-4]",
        "[::0]", "['x':]", "[true]", "[1.0]", "[none]", "[nope]", ".0", "[0, 1]",
    ]
    binary = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]
    for v in values:
        yield "{{ %s }}" % v
        yield "{{ [%s] }}" % v
        yield "{{ -%s }}|{{ not %s }}|{{ 'y' if %s else 'n' }}|{{ 'y' if %s }}" % ((v,) * 4)
        yield "{%% for x in %s %%}<{{ x }}{{ loop.index }}/{{ loop.length }}{{ loop.last }}>{%% else %%}none{%% endfor %%}" % v
        yield "{%% for a, b in %s %%}{{ a }}={{ b }};{%% endfor %%}" % v
        yield "{%% set x = %s %%}{{ x }}{%% set x, y = %s %%}{{ x }}{{ y }}" % (v, v)
        yield "{{ '%%s|%%r' %% (%s, %s) }}" % (v, v)
        yield "{{ '%%5s|%%-5s|%%.2s' %% (%s, %s, %s) }}" % (v, v, v)
        yield "{{ '%%s' %% %s }}" % v
        for spec in ("%d", "%5d", "%05d", "%-5d|", "%+d", "%x", "%#x", "%o", "%e", "%.3f", "%08.2f", "%g", "%c", "%i%%", "%.3d", "% d"):
            yield "{{ '%s' %% (%s,) }}" % (spec, v)
        for spec in ("{}", "{0}{0}", "{!r}", "{!s:>8}", "{:>8}", "{:<8}|", "{:^9}", "{:*^9}", "{:d}", "{:05d}", "{:+d}", "{:x}", "{:#b}", "{:,}",
                     "{:.2f}", "{:8.3f}", "{:e}", "{:g}", "{:%}", "{:.3}", "{0[0]}", "{0.a}", "{0[a]}", "{1}", "{x}", "{:{}}", "{{}}", "{", "{:_}", "{:c}"):
            yield "{{ '%s'.format(%s) }}" % (spec, v)
        for f in filters:
            yield "{{ (%s)|%s }}" % (v, f)
        for f in tests:
            yield "{{ (%s) is %s }}" % (v, f)
        for m in methods:
            yield "{{ (%s).%s }}" % (v, m)
        for s in subs:
            yield "{%% set v = %s %%}{{ v%s }}" % (v, s)
        for w in values:
            yield "".join("{%% if true %%}{{ (%s) %s (%s) }}|{%% endif %%}" % (v, op, w) for op in binary[8:10] + binary[16:])
            for op in binary[:8] + binary[10:16]:
                yield "{{ (%s) %s (%s) }}" % (v, op, w)


class Wild:
    """Templates at random: white space control, scopes, loops, macros."""

    TEXT = ["", " ", "  ", "\n", "\n\n", " \n ", "\n   ", "a", "b\n", " c ", "\t", "d\n  ", "}", "{ ", "\u00a0", "%}", "#"]
    VALUE = ["a", "b", "c", "ns.x", "ns.y", "l", "o", "s", "n", "nope", "1", "'x'", "loop.index", "loop.last", "loop.previtem", "loop", "[1, 2]",
             "{'k': a}", "none", "a ~ b", "a + 1", "n - 1", "l[0]", "o.a", "s[1:]", "a == b", "not a", "a in l", "a is defined",
             "l|length", "a|string|upper", "l|map(attribute='n')|list", "range(n % 4)", "a if b else c", "a if b", "m(a)", "m(b, q=c)", "m()",
             "caller()", "s.split('o')", "o.items()", "varargs", "kwargs", "-n", "(a, b)", "f // 1", "l|last", "s|trim('H')"]

    def __init__(self, seed):
        self.r = random.Random(seed)

    def tag(self, inside):
        left, right = self.r.choice(["", "", "", "-", "+"]), self.r.choice(["", "", "", "-", "+"])
        return "{%" + left + " " + inside + " " + right + "%}"

    def value(self):
        return self.r.choice(self.VALUE)

    def name(self):
        return self.r.choice(["a", "b", "c", "ns.x", "ns.y", "a, b", "loop" if self.r.random() < 0.02 else "c"])

    def block(self, depth):
        return "".join(self.piece(depth) for _ in range(self.r.randint(0, 4)))

    def piece(self, depth):
        r, tag = self.r, self.tag
        kind = r.randint(0, 6 if depth <= 0 else 17)
        if kind < 3:
            return r.choice(self.TEXT)
        if kind == 3:
            return "{#" + r.choice(["", "-", "+"]) + r.choice(self.TEXT) + r.choice(["", "-", "+"]) + "#}"
        if kind < 6:
            return "{{" + r.choice(["", "-", " "]) + " " + self.value() + " " + r.choice(["", "-"]) + "}}"
        if kind == 6:
            return tag("set %s = %s" % (self.name(), self.value()))
        body, other = self.block(depth - 1), self.block(depth - 1)
        if kind < 10:
            middle = r.choice(["", tag("else") + other, tag("elif " + self.value()) + other])
            return tag("if " + self.value()) + body + middle + tag("endif")
        if kind < 13:
            test = r.choice(["", "", " if " + self.value()])
            leave = r.choice(["", "", tag("if " + self.value()) + tag(r.choice(["break", "continue"])) + tag("endif")])
            over = r.choice(["l", "range(3)", "s", "o", "o.items()", "nope", "[a, b, c]", "l|map(attribute='a')"])
            return tag("for %s in %s%s" % (r.choice(["a", "b", "a, b"]), over, test)) + body + leave + other + tag("endfor")
        if kind == 13:
            return tag("macro m(%s)" % r.choice(["", "a", "a, q=1", "p, q=a"])) + body + tag("endmacro")
        if kind == 14:
            return tag("set %s%s" % (r.choice(["a", "b", "ns.x"]), r.choice(["", " | upper"]))) + body + tag("endset")
        if kind == 15:
            return tag("filter " + r.choice(["upper", "trim", "replace('a', 'b')|length"])) + body + tag("endfilter")
        if kind == 16:
            return tag("with a = %s, d = a" % self.value()) + body + tag("endwith")
        return tag("call%s m(%s)" % (r.choice(["", "(a)"]), self.value())) + body + tag("endcall")

    def template(self):
        return "{% set ns = namespace(x=1) %}" + self.block(3) + self.block(3)


GRID_VARS = {"o": {"a": 1, "B": [1, 2.5], "text": "hé \"q\" </s>\n"}, "l": [{"a": 2, "n": "x"}, {"a": 1, "n": "Y"}], "s": "Hello, World",
             "n": 42, "f": 1.5}


def want(env, source, vars):
    try:
        return env.from_string(source).render(**copy.deepcopy(vars)), None
    except Exception as x:
        return None, "%s: %s" % (type(x).__name__, x)


def ours(render, sources):
    text = "".join(json.dumps({"source": s, "vars": v}) + "\n" for s, v in sources)
    p = subprocess.run(render + ["--now", NOW.isoformat()], input=text.encode(), stdout=subprocess.PIPE)
    out = [json.loads(l) for l in p.stdout.decode("utf-8").split("\n") if l]
    if p.returncode or len(out) != len(sources):
        sys.exit("status %d after: %s" % (p.returncode, sources[len(out)][0]))
    return out


def main():
    try:
        env = environment()
    except ImportError:
        print("differential.py: skipped, no jinja2")
        return 0
    p = argparse.ArgumentParser()
    p.add_argument("--every", type=int, default=1)
    p.add_argument("--wild", type=int, default=0)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("render")
    p.add_argument("files", nargs="*")
    o = p.parse_args()
    todo = [(n, s, v) for path in o.files for n, s, v, _, _ in read_cases(path) if not n.startswith("limit:")]
    todo += [(s, s, GRID_VARS) for s in list(grid())[:: o.every]]
    wild = Wild(o.seed)
    todo += [("wild", wild.template(), dict(GRID_VARS, a=1, b="B")) for _ in range(o.wild)]
    bad = 0
    got = ours([o.render], [(s, v) for _, s, v in todo])
    for (name, source, vars), g in zip(todo, got):
        text, error = want(env, source, vars)
        if text is not None and KNOWN.search(text):
            continue
        if (text is None) != ("error" in g) or (text is not None and g["text"] != text):
            bad += 1
            print("%s\n    jinja2: %r\n    ours:   %r" % (repr(source) if name == "wild" else name, text if text is not None else error, g))
    print("%d of %d equal" % (len(todo) - bad, len(todo)))
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
