#!/bin/bash
# Makes the seeds of fuzz_config in the directory $1: the goldens' configs where they are, and hand-made ones.
set -e -u
mkdir -p "$1"
cd "$1"
if test -n "${LMUTILS_TESTDATA:-}"; then
    for file in "$LMUTILS_TESTDATA"/goldens/*/*/config*.json; do
        cp "$file" "golden-$(basename "$(dirname "$file")")-$(basename "$file")"
    done
fi
seed() { # NAME TEXT
    printf '%s' "$2" >"$1"
}
seed empty '{}'
seed fifth '{"dtype":"float32","rope_parameters":{"rope_theta":10000.0,"rope_type":"llama3","factor":8},"transformers_version":"5.0.0"}'
seed labels '{"id2label":{"0":"a","1":"b","10":"c"},"label2id":{"a":0,"b":1}}'
seed many '{"num_labels":40,"architectures":["A","B"],"hidden_size":-1}'
seed too-many '{"num_labels":99999999}'
seed numbers '{"a":[0.1,1e-12,1e16,123456.789,-0.0,5e-324,1e308,3,2147483648],"layer_norm_eps":1e-5,"hidden_size":2147483648}'
seed strings '{"hidden_act":"mish","a":"\"\\\b\f\n\r\t\u0001\u007f\u00e9\ud83d\ude00"}'
seed nested '{"a":[[],{},[[true,false,null]]],"use_cache":3,"model_type":null}'
seed twice '{"a":1,"a":2}'
seed list '[]'
seed cut '{"a":'
