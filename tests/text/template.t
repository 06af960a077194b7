# Cases of chat templates, for test_template and differential.py.
#
# A case: "=== name", the template, perhaps "--- vars" and a JSON object, then
# "--- gives" and the text, or "--- fails" and the message (its beginning is
# enough).  Each part ends before its last newline.  The texts are jinja2's;
# cases named "limit: ..." are refusals of ours alone.
=== text, a variable, a comment
a {{ x }}{# gone #} b
--- vars
{"x": "X"}
--- gives
a X b
=== the last newline goes, only one
a


--- gives
a

=== trim_blocks: the newline behind a tag goes
{% if true %}
a
{% endif %}

b
--- gives
a

b
=== lstrip_blocks: blanks before a tag that begins a line go
x
   {% if true %}
  a {% if true %}b{% endif %}
   {% endif %}
	{# c #}
  {{ 1 }}
--- gives
x
  a b  1
=== plus keeps what would be trimmed
x
   {%+ if true +%}
a
   {%- endif %}
--- gives
x
   
a
=== minus strips all white space, also of several lines
a  

  {{- ' b ' -}}  

   c
{%- set x = 1 -%}

d
--- gives
a b cd
=== minus in comments
a
 {#- c -#}
  b
--- gives
ab
=== raw
{% raw %}{{ x }} {% if %}{# #}{% endraw %}|{%- raw -%}  a {{  {%- endraw %}
--- gives
{{ x }} {% if %}{# #}|a {{
=== raw keeps the newline behind it
{% raw %}
a
{% endraw %}
b
--- gives

a
b
=== line ends become \n
{{ "a" }}
{{ x }}
--- vars
{"x": "1\r\n2"}
--- gives
a
1
2
=== braces inside a tag
{{ {'a': {'b': 1}}['a']['b'] }}{{ {} }}{{ [{}] }}
--- gives
1{}[{}]
=== strings: escapes
{{ 'a\nb\tc\\d\'e"f\x41\u00e9\101\q' }}{{ "it's" 'two' " parts" }}
--- gives
a
b	c\d'e"fAéA\qit'stwo parts
=== a string over two lines
{{ 'a
b' }}
--- gives
a
b
=== numbers
{{ 0x1f }} {{ 0b101 }} {{ 0o17 }} {{ 1_000 }} {{ 1.5 }} {{ 1e3 }} {{ 1.5e-3 }} {{ 12345678901234567 }} {{ 1e16 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ -0.0 }} {{ 100.0 }}
--- gives
31 5 15 1000 1.5 1000.0 0.0015 12345678901234567 1e+16 1000000000000000.0 0.0001 1e-05 -0.0 100.0
=== constants print as Python's
{{ true }} {{ True }} {{ none }} {{ None }} {{ false }} {{ [true, none, 1.0, 'a', "it's"] }} {{ (1,) }} {{ {1: 'a', 'b': none} }}
--- gives
True True None None False [True, None, 1.0, 'a', "it's"] (1,) {1: 'a', 'b': None}
=== repr escapes
{{ ["a\n\t\\'\"", "é", "\x7f", "\u200b", "\U0001F600"] }}
--- gives
['a\n\t\\\'"', 'é', '\x7f', '\u200b', '😀']
=== undefined prints nothing and is false
[{{ x }}][{{ x or 'y' }}][{{ x is defined }}][{{ x|default('d') }}][{{ (x.y is defined) if x else 'no' }}][{{ x ~ 'a' }}]
--- gives
[][y][False][d][no][a]
=== an attribute of undefined is an error
{{ x.y }}
--- fails
line 1: 'x' is undefined
=== an attribute that is missing is undefined
[{{ x.y }}][{{ x['y'] }}][{{ x.y is defined }}]
--- vars
{"x": {"a": 1}}
--- gives
[][][False]
=== but an attribute of that is an error
{{ x.y.z }}
--- vars
{"x": {"a": 1}}
--- fails
line 1: 'dict object' has no attribute 'y'
=== methods before items with a dot, items first in brackets
{{ x.items is string }} {{ x['items'] }} {{ x.get('items') }} {{ x.key }}
--- vars
{"x": {"items": "I", "key": "K"}}
--- gives
False I I K
=== the sandbox: lists and dicts do not change
{{ x.append(1) }}
--- vars
{"x": []}
--- fails
line 1: access to 'append' of a 'list' is unsafe
=== the sandbox: names of Python
{{ ''.__class__ }}|{{ x['__class__'] }}
--- vars
{"x": {"__class__": "own"}}
--- gives
|own
=== the sandbox: their use
{{ ''.__class__.__mro__ }}
--- fails
line 1: access to '__class__' of a 'str' is unsafe
=== if, elif, else
{% for x in [1, 2, 3, 4] %}{% if x == 1 %}a{% elif x == 2 %}b{% elif x == 3 %}c{% else %}d{% endif %}{% endfor %}
--- gives
abcd
=== inline if
{{ 'a' if false }}|{{ 'a' if true else 'b' }}|{{ 'a' if false else 'b' if false else 'c' }}|{{ 1 if x is defined and x.y else 2 }}
--- gives
|a|c|2
=== inline if without else fails when used
{{ ('a' if false) + 'b' }}
--- fails
line 1: the inline if was false and has no else
=== operators and their order
{{ 1 + 2 * 3 }} {{ (1 + 2) * 3 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 1 ~ 2 ~ 'x' }} {{ (1 + 1) ~ 2 }} {{ not 1 == 2 }} {{ 1 < 2 < 3 }} {{ 1 < 3 > 2 == 2 }} {{ 'a' in 'abc' }} {{ 'a' not in ['b'] }} {{ not true or true }} {{ 5 is odd and 4 is even }}
--- gives
7 9 64 4 3 -4 2 3.5 12x 22 True True True True True True True
=== and, or give their operands
{{ 1 and 'a' }} {{ 0 or 'b' }} {{ '' and x.y.z }} {{ 'q' or x.y.z }}
--- gives
a b  q
=== comparisons of unlike types
{{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' == 1 }} {{ [1] == (1,) }} {{ none == false }} {{ {'a': [1]} == {'a': [1.0]} }} {{ x == y }}
--- gives
True True False False False True True
=== order of unlike types is an error
{{ 1 < 'a' }}
--- fails
line 1: '<' is not supported between instances of 'int' and 'str'
=== str + int is an error
{{ 'a' + 1 }}
--- fails
line 1: unsupported operand types for +: 'str' and 'int'
=== slices
{{ 'abcdef'[1:4] }} {{ 'abcdef'[::-1] }} {{ 'abcdef'[-2:] }} {{ [1,2,3,4][::2] }} {{ [1,2,3][5:] }} {{ (1,2,3)[:-1] }} {{ 'héllo'[1:3] }} {{ 'abc'[-10:10] }}
--- gives
bcd fedcba ef [1, 3] [] (1, 2) él abc
=== indexes
{{ 'héllo'[1] }} {{ [1,2,3][-1] }} [{{ [1][5] }}] {{ x.a.0 }} {{ x['a'][1] }}
--- vars
{"x": {"a": ["p", "q"]}}
--- gives
é 3 [] p q
=== for: the loop variable
{% for x in 'abc' %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('o', 'e') }}{{ loop.depth }};{% endfor %}
--- gives
1032TrueFalse3bo1;2121FalseFalse3ace1;3210FalseTrue3bo1;
=== for: changed
{% for x in [1,1,2,2,1] %}{{ x if loop.changed(x) else '-' }}{% endfor %}
--- gives
1-2-1
=== for: else, and with a test
{% for x in [] %}a{% else %}none{% endfor %}{% for x in [1,2,3,4] if x is even %}{{ loop.index }}:{{ x }}{{ ',' if not loop.last }}{% else %}none{% endfor %}{% for x in [1] if x > 1 %}{% else %}E{% endfor %}
--- gives
none1:2,2:4E
=== for: the test sees what the body did
{% set ns = namespace(go=true) %}{% for x in [1,2,3] if ns.go %}{{ x }}{% set ns.go = false %}{% endfor %}
--- gives
1
=== for: unpacking
{% for k, v in x.items() %}{{ k }}={{ v }};{% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a + b + c }}{% endfor %}{% for k in x %}{{ k }}{% endfor %}
--- vars
{"x": {"b": 1, "a": 2}}
--- gives
b=1;a=2;6ba
=== for: too few to unpack
{% for a, b in [[1]] %}{% endfor %}
--- fails
line 1: 1 values to unpack, not 2
=== for: what is set inside stays inside
{% set x = 1 %}{% for i in [1,2] %}{{ x }}{% set x = x + i %}{{ x }};{% endfor %}{{ x }}
--- gives
12;13;1
=== for: break and continue
{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}
--- gives
0134
=== for: recursive
{% for n in x recursive %}{{ n.name }}{{ loop.depth }}{% if n.kids %}({{ loop(n.kids) }}){% endif %}{% endfor %}
--- vars
{"x": [{"name": "a", "kids": [{"name": "b"}, {"name": "c", "kids": [{"name": "d"}]}]}, {"name": "e"}]}
--- gives
a1(b2c2(d3))e1
=== for: over None
{% for x in none %}{% endfor %}
--- fails
line 1: 'NoneType' object is not iterable
=== for: loop of the outer loop
{% for a in [1,2] %}{% set outer = loop %}{% for b in [1,2] %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
--- gives
11 12 21 22 
=== namespace
{% set ns = namespace(a=1, b=[]) %}{% for x in [1,2] %}{% set ns.a = ns.a + x %}{% set ns.c = x %}{% endfor %}{{ ns.a }}{{ ns.c }}{{ ns.b }}[{{ ns.d }}]{{ ns }}
--- gives
42[][]<Namespace {'a': 4, 'b': [], 'c': 2}>
=== namespace of a dict
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{{ ns is mapping }}
--- gives
12False
=== only namespaces have members to set
{% set x = {} %}{% set x.a = 1 %}
--- fails
line 1: 'x' is no namespace, its 'a' cannot be set
=== set: several, and blocks
{% set a, b = 1, 'z' %}{{ a }}{{ b }}{% set c %}x{{ a }}
y{% endset %}[{{ c }}]{% set d | upper | trim %} q {% endset %}[{{ d }}]
--- gives
1z[x1
y][Q]
=== if is no scope
{% if true %}{% set x = 1 %}{% endif %}{{ x }}
--- gives
1
=== with
{% with a = 1, b = a %}{{ a }}[{{ b }}]{% set c = 2 %}{% endwith %}[{{ a }}{{ c }}]
--- gives
1[][]
=== filter block
{% filter upper | replace('A', '-') %}abc{{ 'x' }}{% endfilter %}
--- gives
-BCX
=== macros: defaults, keywords
{% macro m(a, b=2, c=b) %}({{ a }},{{ b }},{{ c }}){% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(c=1, a=0) }}{{ m() }}
--- gives
(1,2,2)(1,3,3)(0,2,1)(,2,2)
=== macros: varargs and kwargs
{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}{{ m(*[1, 2], **{'y': 1}) }}
--- gives
1(2, 3){'x': 4}1(2,){'y': 1}
=== macros: too many arguments
{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}
--- fails
line 1: macro 'm' takes not more than 1 arguments
=== macros: an unknown keyword
{% macro m(a) %}{% endmacro %}{{ m(b=2) }}
--- fails
line 1: macro 'm' takes no keyword argument 'b'
=== macros: a parameter that was not given
{% macro m(a) %}{{ a + 1 }}{% endmacro %}{{ m() }}
--- fails
line 1: parameter 'a' was not provided
=== macros: see the variables around them, when called
{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{% set x = 2 %}{{ m() }}{% for x in [3] %}{{ m() }}{% endfor %}
--- gives
122
=== macros: recursion
{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(5) }}
--- gives
543210
=== macros: call blocks
{% macro m(a) %}<{{ caller(a) }}|{{ caller(2) }}>{% endmacro %}{% call(x) m(1) %}{{ x }}!{% endcall %}
--- gives
<1!|2!>
=== macros: a call block for one that calls nobody
{% macro m() %}{% endmacro %}{% call m() %}{% endcall %}
--- fails
line 1: macro 'm' takes no keyword argument 'caller'
=== macros: their result is a string
{% macro m() %} a {% endmacro %}{{ m()|trim }}{{ m() is string }}{{ m()|length }}{{ m.name }}
--- gives
aTrue3m
=== generation
{% generation %}a{% set x = 1 %}{{ x }}{% endgeneration %}[{{ x }}]
--- gives
a1[]
=== print
{% print 1, 'a' %}
--- gives
1a
=== cycler and joiner
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.reset() }}{{ c.current }}{% set j = joiner('|') %}{% for x in [1,2,3] %}{{ j() }}{{ x }}{% endfor %}
--- gives
abaaNonea1|2|3
=== dict()
{{ dict(a=1, b=2) }}{{ dict({'x': 1}, y=2) }}{{ dict([('p', 1)]) }}{{ {1: 'a', 1.0: 'b', true: 'c'} }}
--- gives
{'a': 1, 'b': 2}{'x': 1, 'y': 2}{'p': 1}{1: 'c'}
=== range
{{ range(3)|list }}{{ range(1, 7, 2)|list }}{{ range(3, 0, -1)|list }}{{ range(2) }}{{ 2 in range(3) }}{{ range(5)[1:3]|list }}
--- gives
[0, 1, 2][1, 3, 5][3, 2, 1]range(0, 2)True[1, 2]
=== range: too long
{{ range(100001) }}
--- fails
line 1: a range of over 100000 items
=== strftime_now
{{ strftime_now('%Y-%m-%d') }} {{ strftime_now('%d %b %Y %H:%M:%S %A %j') }} {{ strftime_now('%B %-d%% %f[%z%Z]') }}
--- gives
2026-03-09 09 Mar 2026 07:05:02 Monday 068 March 9% 000000[]
=== raise_exception
{{ raise_exception('no ' ~ 1) }}
--- fails
no 1
=== tojson
{{ x|tojson }}
{{ x|tojson(indent=2) }}
{{ x|tojson(ensure_ascii=true, sort_keys=true, separators=(',', ':')) }}
{{ []|tojson(indent=4) }}{{ {}|tojson(indent=4) }}
--- vars
{"x": {"b": [1, 2.0, true, null, 1e-7], "a": {"é": "<&>'\"\\\u0001\u007f😀/\n"}}}
--- gives
{"b": [1, 2.0, true, null, 1e-07], "a": {"é": "<&>'\"\\\u0001😀/\n"}}
{
  "b": [
    1,
    2.0,
    true,
    null,
    1e-07
  ],
  "a": {
    "é": "<&>'\"\\\u0001😀/\n"
  }
}
{"a":{"\u00e9":"<&>'\"\\\u0001\u007f\ud83d\ude00/\n"},"b":[1,2.0,true,null,1e-07]}
[]{}
=== tojson of what is no JSON
{{ x|tojson }}
--- fails
line 1: tojson: an object of type 'Undefined'
=== map, select, reject
{{ l|map(attribute='n')|join(',') }} {{ l|map(attribute='q', default='-')|join }} {{ ['a','b']|map('upper')|list }} {{ l|selectattr('a')|map(attribute='n')|list }} {{ l|selectattr('a', 'equalto', 2)|list|length }} {{ l|rejectattr('a', '>', 1)|list }} {{ [1,2,3]|select('odd')|sum }} {{ [0,1,none]|reject|list }} {{ l|map(attribute='o.p')|list }}
--- vars
{"l": [{"n": "x", "a": 2, "o": {"p": 1}}, {"n": "y", "a": 0, "o": {"p": [2]}}]}
--- gives
x,y -- ['A', 'B'] ['x'] 1 [{'n': 'y', 'a': 0, 'o': {'p': [2]}}] 4 [0, None] [1, [2]]
=== generators are walked once and have no length
{% set g = [1,2]|map('string') %}{{ g|list }}{{ g|list }}{{ 'y' if []|map('string') else 'n' }}{{ g is sequence }}{{ g is iterable }}
--- gives
['1', '2'][]yFalseTrue
=== a generator has no length
{{ [1]|map('string')|length }}
--- fails
line 1: object of type 'generator' has no length
=== sort, unique, min, max, groupby, dictsort
{{ ['b','A','c']|sort }}{{ ['b','A','c']|sort(case_sensitive=true) }}{{ l|sort(attribute='n')|map(attribute='n')|list }}{{ [3,1,3,'a']|unique|list }}{{ ['a','A']|unique|list }}{{ [3,1,2]|min }}{{ l|max(attribute='n') }}{% for g, x in l|groupby('k') %}{{ g }}:{{ x|length }} {% endfor %}{% for g in l|groupby('k') %}{{ g.grouper }}{{ g.list|length }}{% endfor %}{{ {'b': 1, 'A': 2}|dictsort }}{{ l|sort(attribute='k,n', reverse=true)|map(attribute='n')|list }}
--- vars
{"l": [{"n": 3, "k": "x"}, {"n": 1, "k": "y"}, {"n": 2, "k": "X"}]}
--- gives
['A', 'b', 'c']['A', 'b', 'c'][1, 2, 3][3, 1, 'a']['a']1{'n': 3, 'k': 'x'}x:2 y:1 x2y1[('A', 2), ('b', 1)][1, 3, 2]
=== numbers to text and back
{{ '42'|int + 1 }} {{ '4.9'|int }} {{ 'x'|int(7) }} {{ '0x1f'|int(0, 16) }} {{ '1.5'|float }} {{ 3.7|int }} {{ 2.5|round }} {{ 3.14159|round(2) }} {{ 42|string|length }} {{ 1e400 }} {{ true + 1 }}
--- gives
43 4 7 31 1.5 3 2.0 3.14 2 inf 2
=== markup: safe escapes what is added
{{ ('<'|safe) + '<' }} {{ '<' + ('<'|safe) }} {{ ('<'|safe) ~ '<' }} {{ '<a>'|e }} {{ ('<'|safe)|string + '&' }} {{ ['<'|safe] }}
--- gives
<&lt; &lt;< << &lt;a&gt; <&amp; [Markup('<')]
=== % formatting
{{ '%s is %d, %.2f, %r%%' % ('a', 3, 1.5, 'x') }} {{ '%(a)s' % {'a': 1} }} {{ '%5s|%-5s|%05d|%x' % ('a', 'b', 42, 255) }} {{ '%s' % x }} {{ '%s-%s'|format(1, 2) }}
--- gives
a is 3, 1.50, 'x'% 1     a|b    |00042|ff  1-2
=== format method
{{ '{} {1}'.format(1, 2) }}
--- fails
line 1: numbered and automatic fields in one format
=== format method, fields
{{ '{} {}'.format(1, 'a') }} {{ '{0}{0}{n}'.format(1, n=2) }} {{ '{:>5}|{:<5}|{:^5}|{:05.1f}|{:,}|{:x}'.format('a', 'b', 'c', 3.14159, 1234567, 255) }} {{ '{0[a]} {0.a}'.format({'a': 1}) }} {{ '{{}}'.format() }}
--- gives
1 a 112     a|b    |  c  |003.1|1,234,567|ff 1 1 {}
=== unknown filter
{{ x|nope }}
--- fails
line 1: no filter named 'nope'
=== unknown filter in a branch not taken
{% if false %}{{ x|nope }}{% endif %}{{ 1 if true else x|nope }}ok
--- gives
1ok
=== unknown filter in a loop in a branch not taken
{% if false %}{% for x in [] %}{{ x|nope }}{% endfor %}{% endif %}
--- fails
line 1: no filter named 'nope'
=== unknown test
{{ x is nope }}
--- fails
line 1: no test named 'nope'
=== unknown function
{{ nope() }}
--- fails
line 1: 'nope' is undefined
=== unknown method
{{ 'a'.nope() }}
--- fails
line 1: 'str object' has no attribute 'nope'
=== unknown tag
{% nope %}
--- fails
line 1: unknown tag near 'nope'
=== include is refused
{% include 'x' %}
--- fails
line 1: 'include' is not supported near 'include'
=== import is refused
{% import 'x' as y %}
--- fails
line 1: 'import' is not supported near 'import'
=== do is no tag here
{% do x %}
--- fails
line 1: unknown tag near 'do'
=== missing end
{% if true %}a
--- fails
line 1: expected 'endif' at the end of the template
=== wrong end
{% for x in [] %}{% endif %}
--- fails
line 1: unknown tag near 'endif'
=== missing bracket
{{ (1 }}
--- fails
line 1: unexpected '}', expected ')'
=== unfinished tag
a {{ 1
--- fails
line 1: expected '}}' at the end of the template
=== unfinished comment
a {# b
--- fails
line 1: a comment is not closed
=== unfinished string
{{ 'a }}
--- fails
line 1: a string is not closed
=== break outside of a loop
{% break %}
--- fails
line 1: not in a loop near '%}'
=== assignment to a constant
{% set true = 1 %}
--- fails
line 1: expected a name to assign to near '='
=== tests cannot be chained
{{ 1 is odd is odd }}
--- fails
line 1: tests cannot be chained near 'is'
=== Unicode case
{{ 'straße ŉ ﬁ ΑΣ Σ İ ǆ'|upper }}|{{ 'STRASSE ΑΣ ΑΣΑ İ'|lower }}|{{ 'ß ﬁx éa'.title() }}|{{ 'ǆ a-b (c'|title }}|{{ 'ßÀ'.casefold() }}
--- gives
STRASSE ʼN FI ΑΣ Σ İ Ǆ|strasse ας ασα i̇|Ss Fix Éa|Ǆ A-B (C|ssà
=== strip takes a set of characters
[{{ ' \n a \u3000'|trim }}][{{ 'xyaxy'.strip('xy') }}][{{ 'éaé'.strip('é') }}][{{ '<|a|>'.lstrip('<|') }}]
--- gives
[a][a][a][a|>]
=== split
{{ 'a</t>b</t>'.split('</t>') }}{{ 'a</t>b'.split('</t>')[-1] }}{{ ' a  b '.split() }}{{ ''.split() }}{{ ''.split(',') }}{{ 'a,b,c'.rsplit(',', 1) }}{{ 'a b c'.split(none, 1) }}
--- gives
['a', 'b', '']b['a', 'b'][]['']['a,b', 'c']['a', 'b c']
=== indent
{{ 'a\n\nb\n'|indent(2) }}|{{ 'a\n\nb'|indent(2, true, true) }}|{{ 'a\nb'|indent('>') }}
--- gives
a

  b
|  a
  
  b|a
>b
=== a dict with tuple and none keys
{{ {(1, 'a'): 2, none: 3}[(1, 'a')] }}{{ {none: 3}[none] }}{{ {1.5: 'f'}[1.5] }}
--- gives
23f
=== an unhashable key
{{ {[]: 1} }}
--- fails
line 1: unhashable type: 'list'
=== limit: integers beyond 64 bits are refused
{{ 9223372036854775807 + 1 }}
--- fails
line 1: the result of integer arithmetic needs over 64 bits
=== list methods
{{ [1,2,1].count(1) }}{{ [1,2].index(2) }}{{ (1,2).index(2) }}{{ [3,4].pop() }}{{ [3,4].pop(0) }}{{ [1].copy() }}
--- gives
21143[1]
=== limit: deep recursion ends
{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}
--- fails
line 1: nested over 2000 deep
=== limit: endless growth ends
{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}
--- fails
line 1: the values take too much memory
=== limit: a namespace that holds itself does not print
{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}
--- fails
line 1: nested over 2000 deep
=== filters of strings
{{ 'ab cd'|capitalize }}|{{ 'a'|center(5) }}|{{ 'a'|center }}|{{ 'abc'|count }}{{ 'abc'|length }}|{{ x|d('q') }}|{{ ''|d('q', true) }}|{{ '<&>'|escape }}|{{ ('<'|safe)|forceescape }}|{{ 'AbC'|lower }}{{ 'AbC'|upper }}|{{ 'aXbX'|replace('X', '-', 1) }}|{{ 'abc'|reverse }}|{{ 5|string }}|{{ 'hello big world'|truncate(9) }}|{{ 'hello big world'|truncate(9, true, '!', 0) }}|{{ 'a b/c?d=é&'|urlencode }}|{{ {'a': 1, 'b': 'x y'}|urlencode }}|{{ 'a b, c_d'|wordcount }}|{{ 'xxaxx'|trim('x') }}
--- gives
Ab cd|  a  |                                       a                                        |33|q|q|&lt;&amp;&gt;|&lt;|abcABC|a-bX|cba|5|hello...|hello bi!|a%20b/c%3Fd%3D%C3%A9%26|a=1&b=x+y|3|a
=== filters of numbers
{{ -3|abs }} {{ -2.5|abs }} {{ 2.675|round(2) }} {{ 1234.5|round(-2) }} {{ 2.1|round(method='ceil') }} {{ 2.19|round(1, 'floor') }} {{ '1_000'|int }} {{ '-0b11'|int(base=2) }} {{ 'nan'|float }} {{ '1e3'|float }} {{ none|int(5) }} {{ none|float }}
--- gives
3 2.5 2.67 1200.0 3.0 2.1 1000 -3 nan 1000.0 5 0.0
=== filters of sequences
{{ [1,2,3]|first }}{{ [1,2,3]|last }}{{ 'abc'|list }}{{ [[1,2],[3]]|sum(start=[]) }}{{ [1,2,3]|sum }}{{ [{'a': 1}]|sum('a') }}{{ [1,2,3,4,5]|batch(2, 0)|list }}{{ [1,2,3,4,5]|slice(2)|list }}{{ {'a': 1}|items|list }}{{ [3,1]|max }}{{ []|max }}{{ ['b','A']|min }}{{ [1,2,3]|reject('odd')|list }}{{ [1,'a']|join('-') }}{{ [{'n': 1}]|join(',', 'n') }}{{ 'x'|attr('upper')() }}{{ {'a': 1}|attr('a') is defined }}
--- gives
13['a', 'b', 'c'][1, 2, 3]61[[1, 2], [3, 4], [5, 0]][[1, 2, 3], [4, 5]][('a', 1)]3A[2]1-a1XFalse
=== tests
{{ true is boolean }} {{ 1 is boolean }} {{ range is callable }} {{ 4 is divisibleby 2 }} {{ ('a'|e) is escaped }} {{ 3 is even }} {{ false is false }} {{ 'upper' is filter }} {{ 'nope' is filter }} {{ 1.0 is float }} {{ 1 is in [1] }} {{ true is integer }} {{ 1 is integer }} {{ {} is iterable }} {{ 1 is iterable }} {{ 'aB' is lower }} {{ {} is mapping }} {{ none is none }} {{ true is number }} {{ 3 is odd }} {{ none is sameas none }} {{ {} is sequence }} {{ 'a' is string }} {{ 'odd' is test }} {{ true is true }} {{ 1 is true }} {{ x is undefined }} {{ 'AB' is upper }}
--- gives
True False True True True False True True False True True False True True False False True True True True True True True True True False True True
=== tests that compare
{{ 1 is eq 1 }}{{ 1 is equalto(2) }}{{ 1 is ne 1 }}{{ 1 is lt 2 }}{{ 1 is lessthan 1 }}{{ 1 is le 1 }}{{ 1 is gt 1 }}{{ 2 is greaterthan 1 }}{{ 1 is ge 1 }}{{ [1,2]|select('!=', 1)|list }}{{ [1,2]|select('<', 2)|list }}{{ [1,2]|select('<=', 1)|list }}{{ [1,2]|select('>', 1)|list }}{{ [1,2]|select('>=', 2)|list }}{{ [1,2]|select('==', 2)|list }}
--- gives
TrueFalseFalseTrueFalseTrueFalseTrueTrue[2][1][1][2][2][2]
=== methods of strings
{{ 'aB c'.capitalize() }}|{{ 'aB'.casefold() }}|{{ 'a'.center(4, '.') }}|{{ 'aaa'.count('a', 1) }}|{{ 'abc'.endswith(('x', 'c')) }}|{{ 'a\tb'.expandtabs(4) }}|{{ 'abc'.find('c') }}{{ 'abc'.find('x') }}|{{ 'abc'.index('b') }}|{{ 'a-b'.join(['x', 'y']) }}|{{ 'a'.ljust(3, '-') }}|{{ 'aB'.lower() }}|{{ '  a '.lstrip() }}|{{ 'a=b=c'.partition('=') }}|{{ 'abc'.removeprefix('ab') }}|{{ 'abc'.removesuffix('bc') }}|{{ 'aaa'.replace('a', 'b', 2) }}|{{ 'abab'.rfind('b') }}|{{ 'abab'.rindex('a') }}|{{ 'a'.rjust(3) }}|{{ 'a=b=c'.rpartition('=') }}|{{ 'a b c'.rsplit(' ', 1) }}|{{ ' a '.rstrip() }}|{{ 'a\nb\r\nc'.splitlines() }}|{{ 'abc'.startswith('b', 1) }}|{{ '\ta'.strip() }}|{{ 'aB'.swapcase() }}|{{ 'they\'re ok'.title() }}|{{ 'ß'.upper() }}|{{ '-5'.zfill(4) }}
--- gives
Ab c|ab|.a..|2|True|a   b|2-1|1|xa-by|a--|ab|a |('a', '=', 'b=c')|c|a|bba|3|2|  a|('a=b', '=', 'c')|['a b', 'c']| a|['a', 'b', 'c']|True|a|Ab|They'Re Ok|SS|-005
=== classes of strings
{{ 'a1'.isalnum() }}{{ 'a1'.isalpha() }}{{ 'é'.isascii() }}{{ '٣'.isdecimal() }}{{ '²'.isdigit() }}{{ 'ab'.islower() }}{{ '½'.isnumeric() }}{{ 'a\n'.isprintable() }}{{ ' \t'.isspace() }}{{ 'Ab Cd'.istitle() }}{{ 'AB1'.isupper() }}{{ ''.isalpha() }}{{ ''.isascii() }}
--- gives
TrueFalseFalseTrueTrueTrueTrueFalseTrueTrueTrueFalseTrue
=== markup comes off
{{ ' <a href="x">y</a>  <!-- <b> -->z &lt;&#38;&#x27; <'|striptags }}|{{ '<<b>!-- c -->&a &'|striptags }}|{{ 'a<'|e|striptags }}
--- gives
y z <&' <|!-- c -->&a &|a<
=== attributes
<p{{ {'a': 1, 'b': none, 'c': x, 'd': '"<'}|xmlattr }} {{ {'e': 'f'|safe}|xmlattr(false) }}>
--- gives
<p a="1" d="&#34;&lt;" e="f">
=== an attribute's name is one word
{{ {'a b': 1}|xmlattr }}
--- fails
line 1: invalid character in attribute name
=== sizes
{{ 1|filesizeformat }} {{ 999.9|filesizeformat }} {{ 1000|filesizeformat }} {{ 1024|filesizeformat(true) }} {{ '2e6'|filesizeformat }} {{ 1e24|filesizeformat }} {{ 1e30|filesizeformat }} {{ -5|filesizeformat }}
--- gives
1 Byte 999 Bytes 1.0 kB 1.0 KiB 2.0 MB 1000.0 ZB 1000000.0 YB -5 Bytes
=== methods of dicts and lists
{{ {'a': 1}.copy() }}{{ {'a': 1}.get('a') }}{{ {}.get('a') }}{{ {}.get('a', 2) }}{{ {'a': 1}.items() }}{{ {'a': 1}.keys()|list }}{{ {'a': 1}.values()|list }}{% set l = [1, 2] %}{{ l.clear() }}{{ l }}
--- gives
{'a': 1}1None2dict_items([('a', 1)])['a'][1]None[]
=== white space of other alphabets counts
[{{ '\u00a0\u2003a\x1c'.strip() }}]{% if true -%}    
  b{%- endif %}
--- gives
[a]b
=== a newline behind a comment goes, one behind a variable stays
{# a #}
{{ 1 }}
b
--- gives
1
b
=== nested quotes and marks in strings
{{ '{{ x }}' }}{{ "{% if %}" }}{{ '#}' }}
--- gives
{{ x }}{% if %}#}
=== a sign at a variable mark
{{-1}}|{{ -1 }}|{{ - 1 }}|{{+1}}
--- gives
1|-1|-1|1
=== a dict over lines, trailing commas
{{ {
  'a': 1,
  'b': [1, 2,],
}['b'] }}{{ (1, 2,) }}{{ dict(a=1,) }}
--- gives
[1, 2](1, 2){'a': 1}
=== loops over dicts give keys
{% for k in {'b': 1, 'a': 2} %}{{ k }}{{ loop.last }}{% endfor %}
--- gives
bFalseaTrue
=== in
{{ 'a' in {'a': 1} }}{{ 1 in [1.0] }}{{ 'ab' in 'cab' }}{{ x in [1] }}{{ 'a' in x }}{{ 2 in {1: 2}.values() }}{{ (1,2) in [(1,2)] }}
--- gives
TrueTrueTrueFalseFalseTrueTrue
=== in None
{{ 'a' in none }}
--- fails
line 1: argument of type 'NoneType' is not iterable
=== loop.last looks ahead without losing an item
{% for x in ['a','b','c']|map('upper') %}{{ x }}{% if loop.last %}.{% else %},{% endif %}{{ loop.nextitem }}{% endfor %}
--- gives
A,BB,CC.
=== the length of a loop over a generator
{% for x in ['a','b','c']|map('upper') %}{{ loop.index }}/{{ loop.length }}{{ x }}{% endfor %}
--- gives
1/3A2/3B3/3C
=== set in a block set does not leak
{% set a %}{% set b = 1 %}{{ b }}{% endset %}{{ a }}[{{ b }}]
--- gives
1[]
=== macros in loops see the loop
{% for x in [1,2] %}{% macro m() %}{{ loop.index }}{{ x }}{% endmacro %}{{ m() }}{% endfor %}
--- gives
1122
=== macros do not see the loop they are called from
{% macro m() %}[{{ loop }}]{% endmacro %}{% for x in [1] %}{{ m() }}{% endfor %}
--- gives
[]
=== caller with a default
{% macro m(caller=none) %}{{ 'none' if caller is none else caller() }}{% endmacro %}{{ m() }}{% call m() %}c{% endcall %}
--- gives
nonec
=== a macro as a value
{% macro m(x) %}<{{ x }}>{% endmacro %}{% set f = m %}{{ f(1) }}{% set ns = namespace(f=m) %}{{ ns.f(2) }}
--- gives
<1><2>
=== keywords to functions that take none
{{ 'a'.strip(chars='a') }}
--- fails
line 1: method 'strip' takes no keywords
=== too many arguments to a filter
{{ 'a'|upper(1) }}
--- fails
line 1: filter 'upper' takes 0 arguments, not 1
=== an argument that is missing
{{ 'a'|replace('b') }}
--- fails
line 1: filter 'replace' lacks its argument 'new'
=== map without a filter
{{ [1]|map|list }}
--- fails
line 1: map wants the name of a filter
=== division by zero
{{ 1 // 0 }}
--- fails
line 1: division by zero
=== messages name the line
{% if x %}
{% endif %}

{{ 1 +
   [] }}
--- fails
line 4: unsupported operand types for +: 'int' and 'list'
=== sort looks for equality first, so unordered equals pass
{{ [none, none]|sort }}{{ [{'a': none}, {'a': none}]|sort(attribute='a')|length }}
--- gives
[None, None]2
=== a name that is set later is undefined before, even if it was passed
{% macro m() %}[{{ x }}]{% endmacro %}{{ m() }}{% set x = 1 %}{{ m() }}
--- vars
{"x": "passed"}
--- gives
[][1]
=== but not if it was read before, or is set in a branch
{{ y }}{% set y = 1 %}{{ y }}{% if false %}{% set x = 1 %}{% endif %}{{ x }}{% set z = z ~ '!' %}{{ z }}
--- vars
{"x": "X", "y": "Y", "z": "Z"}
--- gives
Y1XZ!
=== a block set sees nothing of its own name
{% set x %}[{{ x }}]{% endset %}{{ x }}
--- vars
{"x": "passed"}
--- gives
[]
=== loops and macros as text
{% macro m() %}{% endmacro %}{{ m }}{% for x in [1,2] %}{{ loop }}{% endfor %}{% macro c() %}{{ caller }}{% endmacro %}{% call c() %}{% endcall %}
--- gives
<Macro 'm'><LoopContext 1/2><LoopContext 2/2><Macro anonymous>
=== a filter block must stay a string
{% filter length %}abc{% endfilter %}
--- fails
line 1: a filter block became no string but 'int'
