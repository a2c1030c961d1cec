// Tokenizers that no family has, made of a byte-level one and one with a normalizer: added tokens with all flags, spans that
// are trimmed, sequences of post-processors.
//   node variants.mjs OUT BYTE_LEVEL_TOKENIZER_JSON NORMALIZING_TOKENIZER_JSON
// writes OUT/NAME.json and prints their paths.
import fs from 'fs';
import path from 'path';

const [out, ...bases] = process.argv.slice(2);
const [bytes, normal] = bases.map((b) => JSON.parse(fs.readFileSync(b, 'utf8')));

function added(spec, flags) { // words that texts.mjs is fond of
  const size = Math.max(Object.keys(spec.model.vocab).length, ...spec.added_tokens.map((a) => a.id + 1));
  const contents = ['한국어', ' the', '가', 'Hello', '<s>', 'İstanbul', '👍🏽', 'a', 'é', '1', '▁', 'ing'];
  return spec.added_tokens.concat(contents.filter((c) => !(c in spec.model.vocab)).map((content, i) => ({ id: size + i, content,
    single_word: false, lstrip: false, rstrip: false, normalized: false, special: i % 2 === 0, ...flags(i) })));
}

const special = { id: '<|endoftext|>', ids: [bytes.added_tokens[0].id], tokens: ['<|endoftext|>'] };
const around = (type_id) => ({ SpecialToken: { id: special.id, type_id } });
const template = { type: 'TemplateProcessing', single: [around(0), { Sequence: { id: 'A', type_id: 3 } }, around(1)],
  pair: [{ Sequence: { id: 'A', type_id: 5 } }, around(2), { Sequence: { id: 'B', type_id: 4 } }],
  special_tokens: { [special.id]: special } };
const level = (add_prefix_space, trim_offsets, use_regex = true) => ({ type: 'ByteLevel', add_prefix_space, trim_offsets, use_regex });
const cls = { sep: [special.id, special.ids[0]], cls: [special.id, special.ids[0]] };
const every = (i) => ({ single_word: i % 3 === 1, lstrip: i % 4 === 1, rstrip: i % 5 >= 3, normalized: i % 2 === 1 });

const variants = {
  'trim-prefix': { ...bytes, pre_tokenizer: level(true, true), post_processor: level(true, true) },
  trim: { ...bytes, pre_tokenizer: level(true, true), post_processor: level(false, true), added_tokens: added(bytes, every) },
  'trim-template': { ...bytes, post_processor: { type: 'Sequence', processors: [level(true, true), template] }, added_tokens: added(bytes, (i) => ({ lstrip: true, rstrip: i % 2 === 0 })) },
  'template-trim': { ...bytes, post_processor: { type: 'Sequence', processors: [template, level(true, true)] } },
  roberta: { ...bytes, pre_tokenizer: level(true, true), post_processor: { type: 'RobertaProcessing', ...cls, trim_offsets: true, add_prefix_space: true }, added_tokens: added(bytes, () => ({ single_word: true })) },
  bert: { ...bytes, post_processor: { type: 'BertProcessing', ...cls } },
  normalized: { ...bytes, normalizer: { type: 'Sequence', normalizers: [{ type: 'NFKC' }, { type: 'Lowercase' }, { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' }] },
    post_processor: level(true, true), added_tokens: added(bytes, (i) => ({ ...every(i), normalized: true })) },
  'no-processor': { ...normal, post_processor: null, decoder: null, added_tokens: added(normal, every) },
  stripped: { ...normal, added_tokens: added(normal, (i) => ({ normalized: i % 3 === 0, lstrip: i % 2 === 0, rstrip: i % 2 === 1, single_word: i % 4 === 2 })) },
};
for (const [name, spec] of Object.entries(variants)) {
  const file = path.join(out, name + '.json');
  fs.writeFileSync(file, JSON.stringify(spec));
  console.log(file);
}
