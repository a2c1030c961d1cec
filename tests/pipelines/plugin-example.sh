#!/bin/bash
# What a third party does: lmutils is installed, the plugin of examples/plugin is built out of the tree with pkg-config, its
# operation is checked, and a model of its family is trained, scored and found through pipes; a plugin in C++.
. "$(dirname "$0")/init.sh"
needs_program_ cc c++ make pkg-config

# ---- an installed tree, and nothing else to be found
if test -z "${LMUTILS_INSTALLED:-}"; then
    # but for the plugins, which libtool would link anew where they stand, under the eyes of the tests that run beside this one
    make -s -C "$abs_top_builddir" DESTDIR="$work/stage" install-binPROGRAMS install-libLTLIBRARIES \
        install-pkgincludeHEADERS install-pkgconfigDATA >install.log 2>&1 || fail_ "make install: $(tail -n 5 install.log)"
    at=$work/stage$(sed -n 's/^prefix = //p' "$abs_top_builddir/Makefile")
    PATH=$at/bin:$PATH
    LD_LIBRARY_PATH=$at/lib
    export PKG_CONFIG_PATH=$at/lib/pkgconfig LMUTILS_PLUGIN_PATH=$at/lib/lmutils/plugins
    mkdir -p "$LMUTILS_PLUGIN_PATH"
    cp "$abs_top_builddir"/plugins/.libs/*.so "$LMUTILS_PLUGIN_PATH"
    PKG_CONFIG="pkg-config --define-variable=prefix=$at"
else
    PKG_CONFIG=pkg-config
fi
plugindir=$($PKG_CONFIG --variable=plugindir lmutils)
test -s "$plugindir/bert.so" || fail_ "no plugins in $plugindir, of which lmutils.pc tells"
test "$(command -v score)" != "$abs_top_builddir/.libs/score"

# ---- its Makefile
sanitizers=$(sed -n 's/^LM_CFLAGS = .*\(-fsanitize=[^ ]*\).*/\1/p' "$abs_top_builddir/Makefile")
example() {
    make --no-print-directory -C "$abs_top_srcdir/examples/plugin" O="$work" PKG_CONFIG="$PKG_CONFIG" CFLAGS="-O1 -Wall -Wextra -Werror $sanitizers" \
        TEXT="$abs_top_srcdir/examples/plugin/gconv.c" "$@" >log 2>&1 || fail_ "make $*: $(tail -n 5 log)"
}
example all check train
same_ 6 "$(grep -c 'causal convolution, dilation' log)"
awk '$1 == "perplexity" { good = $2 < 150 } END { exit !good }' log || fail_ "nothing was learned: $(cat log)"
grep -q '"GconvForCausalLM"' model/config.json
grep -q '"model_type": "gconv"' model/config.json

# ---- how it is found: --plugin, a directory of the user's, beside the installed ones
refuses_ 1 'model_type "gconv": no plugin serves it' score -m model none.lms
tok -q -m model "$abs_top_srcdir/examples/plugin/gconv_check.c" >check.lms
score -q --plugin ./gconv.so -m model check.lms >one
mkdir own && cp gconv.so own
LMUTILS_PLUGIN_PATH=$work/own:$LMUTILS_PLUGIN_PATH score -q -m model check.lms >two
compare_ one two
if test -z "${LMUTILS_INSTALLED:-}"; then
    example install plugindir="$plugindir"
    score -q -m model check.lms >three
    compare_ one three
fi
score --list-archs --plugin ./gconv.so | head -n 1 >line
same_ "gconv	gconv	base,clm,classify,tag	tiny,mini,small,medium	./gconv.so" "$(cat line)"

# ---- what comes for free: any cut of a step, any number of threads, sizes, freezing, checkpoints, other heads
gconv() { finetune -q --plugin ./gconv.so -a gconv --layers 3 --width 32 --inner 48 --tokenizer vocabulary "$@" check.lms 2>>log || fail_ "$(tail -n 3 log)"; }
gconv --task clm --max-steps 3 -b 8 -j 1 --log a.jsonl -o a
gconv --task clm --max-steps 3 -b 8 -j 2 -o b
cmp a/model.safetensors b/model.safetensors
gconv --task clm --max-steps 3 -b 8 --micro-tokens 40 --log c.jsonl -o c
last() { awk -F'[:,]' '/"loss"/ { loss = $2 } END { print loss }' "$1"; }
awk -v a="$(last a.jsonl)" -v c="$(last c.jsonl)" 'BEGIN { d = a - c; exit !(d < 1e-6 && d > -1e-6 && a > 0) }' ||
    fail_ "a step in parts is another one: $(last a.jsonl) and $(last c.jsonl)"
! grep -q num_attention_heads a/config.json || fail_ "the family has no heads, but its config.json does"
gconv --task clm --max-steps 3 -b 8 --save-steps 2 --checkpoint ck -o whole
test -d ck/checkpoint-2
gconv --task clm --max-steps 3 -b 8 --save-steps 2 --checkpoint ck --resume -o again
cmp whole/model.safetensors again/model.safetensors
# three classes that the length of a line tells apart
awk 'length > 2 { print (length < 30 ? "short" : length < 80 ? "middle" : "long") "\t" $0 }' "$abs_top_srcdir/examples/plugin/gconv.c" >lines.tsv
tok -q -m model --header no --label 1 --text 2 lines.tsv >lines.lms
finetune -q --plugin ./gconv.so -m model --freeze embeddings,layer.0 --cache-frozen -e 4 -b 16 --learning-rate 2e-3 -o lengths lines.lms
score -q --plugin ./gconv.so -m lengths --fail-under accuracy=0.6 lines.lms >report
grep -q GconvForSequenceClassification lengths/config.json

# ---- what it says of a config.json that it cannot serve
sed -i 's/"dilation_cycle": 4/"dilation_cycle": 40/' a/config.json
refuses_ 1 'dilation_cycle: 40, where there are 1 to 6' score --plugin ./gconv.so -m a check.lms
sed -i 's/"dilation_cycle": 40/"dilation_cycle": "four"/' a/config.json
refuses_ 1 'dilation_cycle: an integer' score --plugin ./gconv.so -m a check.lms

# ---- the header in C++, and a plugin written in it
cat >cxx.cc <<'END'
#include <lmutils/plugin.h>

namespace {
const void *configure(lm_config *c, lm_arch *arch)
{
    arch->width = lm_config_int(c, "hidden_size", 8);
    arch->vocab_size = lm_config_int(c, "vocab_size", 300);
    arch->body = arch->layer = "";
    return c;
}
void declare(lm_declare *d, lm_scope s, const void *) { lm_declare_embedding(d, lm_in(s, "words"), 300, 8, 0.02, -1); }
lm_tensor *embed(lm_graph *g, lm_scope s, const void *, const lm_batch *b) { return lm_embedding(g, lm_in(s, "words"), b->ids, b); }
lm_tensor *block(lm_graph *, lm_scope, const void *, int, lm_tensor *x) { return x; }
lm_tensor *rows(lm_graph *g, lm_scope, const void *, lm_tensor *x) { return lm_first_token(g, x); }
void nothing(lm_declare *, lm_scope, const void *) {}
const lm_head heads[] = {{"base", "CxxModel", nothing, nullptr, rows, true, LM_COLUMNS_VOCABULARY}, {}};
}
LM_PLUGIN(.name = "cxx", .model_types = "cxx", .configure = configure, .declare = declare, .embed = embed, .block = block,
          .heads = heads)
END
echo '#include <lmutils/plugin.h>' >header.cc
c++ -std=c++11 -Wall -Wextra -pedantic -Werror -fsyntax-only $($PKG_CONFIG --cflags lmutils) header.cc
c++ -std=c++20 -O1 -fPIC -shared -o cxx.so $($PKG_CONFIG --cflags lmutils) cxx.cc $($PKG_CONFIG --libs lmutils)
score --list-archs --plugin ./cxx.so | grep -q "^cxx	cxx	base	-	./cxx.so$"

# ---- the manual page shows the lines of this very file
awk '/^\.SH EXAMPLES/ || /^\.SH "HOW IT IS FOUND"/ { exit }
    /^\.EX/ { code = 1; next }
    /^\.EE/ { code = 0 }
    code { gsub(/\\-/, "-"); gsub(/\\e/, "\\"); print }' "$abs_top_srcdir/man/lmplugin.7.in" >shown
test "$(wc -l <shown)" -gt 40
while IFS= read -r line; do
    grep -qxF -e "$line" "$abs_top_srcdir/examples/plugin/gconv.c" || fail_ "lmplugin(7) shows what is not in gconv.c: $line"
done <shown
