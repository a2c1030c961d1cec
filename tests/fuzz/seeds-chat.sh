#!/bin/bash
# Seeds for fuzz_chat: templates with every tag, filter, test and method, and records of every form. Usage: DIR
set -eu
mkdir -p "$1"
cd "$1"
n=0
template() { # TEMPLATE [VARIABLES]
    n=$((n + 1))
    printf '\0\0%s' "$1" >"template-$n"
    test $# = 1 || printf '\n====\n%s' "$2" >>"template-$n"
}
record() { # CHOICE RECORD: the choice is a byte, in octal
    n=$((n + 1))
    printf "\\1\\$1%s" "$2" >"record-$n"
}

template "{%- for m in messages -%}<|{{ m.role }}|>{% if m['role'] == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m['content'] | trim }}{% endif %}{%- endfor -%}"
template "{% set ns = namespace(a=0, b='x') %}{% for x in [1, 2, 3] if x > 1 %}{% set ns.a = ns.a + x %}{{ loop.index0 }}{{ loop.last }}{{ loop.previtem }}{% else %}none{% endfor %}{{ ns.a }}"
template "{% macro f(a, b=2, *) %}{% endmacro %}"
template "{% macro f(a, b=2) %}{{ a }}{{ b }}{{ caller() if caller }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, b=[3], c=4) }}{% call(x) f(2) %}{{ x }}{% endcall %}"
template "{% raw %}{{ x }}{% endraw -%}  {# note #}  {%+ if true %}a{% elif none %}b{%- endif +%}
"
template "{% for k, v in d.items() recursive %}{{ k }}={{ v | tojson(indent=2) }}{{ loop(v) if v is mapping }}{% if k == 'b' %}{% break %}{% endif %}{% continue %}{% endfor %}" '{"d":{"a":{"b":1},"b":[1,"\uac00",2.5e10,true,null,123456789012345678901234567890]}}'
template "{% set x %}{{ 1 + 2 * 3 // 4 % 5 ** 2 - -1 }}{% endset %}{{ x ~ 1.5 ~ none }}{{ 'a' if x else 'b' }}{{ not x is defined }}{{ 1 < 2 <= 3 != 4 }}{{ 'a' in 'abc' and 'z' not in ['y'] }}"
template "{{ 'a,b'.split(',')[::-1][0] }}{{ ' x '.strip().upper().title() }}{{ 'abc'[1:-1] }}{{ 'x'.replace('x', 'yy').startswith('y') }}{{ '%s %d' % ('a', 3) }}{{ '{} {a}'.format(1, a=2) }}{{ 'a b'.rsplit(None, 1) }}{{ 'a'.center(9, '-').find('a') }}"
template "{{ [3, 1, 2] | sort | join('-') }}{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list | length }}{{ [1, 1] | unique | list }}{{ {'b': 1, 'a': 2} | dictsort | first }}{{ 'x' | default('y', true) | indent(2) | wordcount }}{{ [1, 2, 3] | batch(2) | list }}{{ range(3) | sum }}{{ 'abc' | reverse }}{{ [[1, 'a']] | groupby(0) }}{{ 2.5 | round | int }}{{ 'x' * 3 | length }}"
template "{% with a = 1, b = a %}{% filter upper | trim %}x{{ a }}{{ b }}{% endfilter %}{% endwith %}{{ strftime_now('%Y') }}{{ raise_exception('no') if false }}{{ ('<' | e) + '>' }}{{ 'x' | safe }}{{ dict(a=1).a }}{{ [1, 2].index(2) }}"
template "{% macro r(n) %}{{ r(n) }}{% endmacro %}{{ r(1) }}"
template "{% for i in range(100000) %}{% for k in range(100000) %}x{% endfor %}{% endfor %}"
template "{% set ns = namespace(a=[]) %}{% for i in range(5000) %}{% set ns.a = [ns.a] %}{% endfor %}{{ ns.a }}"
template "{% set ns = namespace(a='x') %}{% for i in range(40) %}{% set ns.a = ns.a + ns.a %}{% endfor %}"
for choice in 0 1 3 12 40 100 200 300; do
    record $choice '{"messages":[{"role":"system","content":"be"},{"role":"user","content":"hi"},{"role":"assistant","content":"<think>a</think> yes"}]}'
    record $choice '{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"yes"},{"role":"user","content":"hi"},{"role":"assistant","content":"<think>a</think>a"}]}'
    record $choice '{"conversations":[{"from":"human","value":"hi"},{"from":"function_call","value":"{\"name\":\"f\"}"},{"from":"observation","value":"1"},{"from":"gpt","value":"yes"}],"system":"be","tools":"[]","x":1}'
    record $choice '{"instruction":"hi","input":"a","output":"yes","history":[["a","b"]]}'
    record $choice '{"prompt":[{"role":"user","content":"hi"}],"completion":[{"role":"assistant","content":"yes"}]}'
    record $choice '{"prompt":"hi","chosen":"yes","rejected":"a"}'
    record $choice '{"chosen":"\n\nHuman: hi\n\nAssistant: yes","rejected":"\n\nHuman: hi\n\nAssistant: a"}'
done
