#!/bin/bash
# The short cuts of encoding: the same ids, words and spans as the components give, for every kind of tokenizer. `make check-paths` tries
# as much text as one likes.
. "$(dirname "$0")/init.sh"
needs_data_ tokenizers

printf '%s\n' "The cats don't sit,  they've 1234 (and 5.6) reasons." 'été 한국어는 교착어이다. 中文 テスト <s> </s> <|endoftext|> ' >lines
for directory in "$data"/tokenizers/*; do
    "$abs_top_builddir/tests/differential/paths" 0.2 5 "$directory" lines >out || fail_ "$(cut -c -2000 out)"
done

# spaces that a merge joins with what stands before them, and characters that it joins to what is longer than a window
bytes=$(for ((i = 0; i < 256; i++)); do printf '"<0x%02X>": %d, ' "$i" "$i"; done)
mkdir joins
cat >joins/tokenizer.json <<END
{"version": "1.0", "added_tokens": [], "pre_tokenizer": null, "post_processor": null, "decoder": null,
 "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
   {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
 "model": {"type": "BPE", "unk_token": null, "fuse_unk": true, "byte_fallback": true, "vocab": {$bytes
   "▁": 256, "a": 257, "b": 258, "c": 259, "a▁": 260, "▁▁": 261, "a▁b": 262, "bc": 263, "▁c": 264, "aa": 265, "aaaa": 266,
   "aaaaaaaa": 267, "aaaaaaaaaaaaaaaa": 268, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": 269},
  "merges": ["▁ ▁", "a ▁", "a▁ b", "b c", "▁ c", "a a", "aa aa", "aaaa aaaa", "aaaaaaaa aaaaaaaa", "aaaaaaaaaaaaaaaa aaaaaaaaaaaaaaaa"]}}
END
printf '%s\n' 'a b a  b c  a bc b c  a a bb' 'c c c a c b  b   c' ' a  c ' >lines
"$abs_top_builddir/tests/differential/paths" 1 5 joins lines >out || fail_ "$(cut -c -2000 out)"

# BERT's normaliser, with each of its options the other way
for option in '"clean_text": false' '"handle_chinese_chars": false' '"strip_accents": false' '"lowercase": false, "strip_accents": true'; do
    mkdir -p bert
    sed "/\"type\": \"BertNormalizer\"/,/}/c\"type\": \"BertNormalizer\", $option}," "$data/tokenizers/bert-base-uncased/tokenizer.json" >bert/tokenizer.json
    grep -q "$option" bert/tokenizer.json || fail_ "the normaliser is not where it was"
    "$abs_top_builddir/tests/differential/paths" 0.2 6 bert lines >out || fail_ "$option: $(cut -c -2000 out)"
done

# the pre-tokenizer of SentencePiece's heirs, with each of its options the other way
mkdir spaces
for scheme in always first never; do
    metaspace='{"type":"Metaspace","replacement":"▁","split":true,"prepend_scheme":"'$scheme'"}'
    for pre_tokenizer in "$metaspace" '{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},'"$metaspace]}"; do
        sed 's/"pre_tokenizer":{[^]]*]}/"pre_tokenizer":'"$pre_tokenizer/" "$data/tokenizers/t5-small/tokenizer.json" >spaces/tokenizer.json
        grep -qF "$pre_tokenizer" spaces/tokenizer.json || fail_ "the pre-tokenizer is not where it was"
        "$abs_top_builddir/tests/differential/paths" 0.2 6 spaces lines >out || fail_ "$pre_tokenizer: $(cut -c -2000 out)"
    done
done
