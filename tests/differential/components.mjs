// What normalizers and pre-tokenizers by themselves make of texts, by the Rust tokenizers (npm, found from the current
// directory), as cases for tests/unit/check_components:
//   node components.mjs COUNT SEED CHARSMAP_TOKENIZER >cases.json
// CHARSMAP_TOKENIZER is a tokenizer.json with a Precompiled normalizer, whose map is tried too where one is given. The cases
// that are kept in tests/unit/components.json are COUNT 6, SEED 1, and none.
import fs from 'fs';
import path from 'path';
import { createRequire } from 'module';
import { generator, text } from './texts.mjs';

const { Tokenizer } = createRequire(path.join(process.cwd(), 'x'))(process.env.LMUTILS_NPM_TOKENIZERS ?? '@anush008/tokenizers');
const [count, seed, charsmap] = process.argv.slice(2);

const cl100k = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const regexes = [
  cl100k,
  cl100k.replace('{1,3}', ''),
  "(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s",
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  "[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s+",
  "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  '[一-龥\u0e00-\u0e7f\u3040-ゟ゠-ヿ]+', '\\p{N}{1,3}', '\\d{1,3}(?=(?:\\d{3})*\\b)', '[0-9][0-9][0-9]', '[^\\n]+|[\\n]+',
  ' ?[^(\\s|[.,!?…。，、।۔،])]+', '\\w+|[^\\w\\s]+', '\\b', '\\B', '(?i)straße|ſ|k|ω', '^.', '.$', '(?m:.)', '\\h+', '\\R', '[[:punct:]]+', '[[:alpha:]]+',
  '[[:^space:]]', '[[:upper:]][[:lower:]]*', '[^[:alnum:]]', '\\p{^L}', '\\P{Letter}', '\\p{Hangul}+', '[\\p{Hiragana}\\p{Katakana}]+', 'a{,2}', '[a-z&&[^aeiou]]+',
  '(?<=\\s)\\S', '(?<!\\p{L})\\p{L}', '(?x: \\s + # spaces\n | \\d )', '\\u0041|\\x42|\\x{AC00}', 'a*', '(?:)', '([a-z])\\1', '(?>\\s+)\\S', "\\p{L}{2}?", '[^\\W\\d]', '[\\w\\-]+', '[]a]', '[a-]',
  '\\p{Alphabetic}', '\\p{M}+', '\\p{S}', '\\p{Nd}|\\p{No}|\\p{Nl}', '\\p{Cf}', '\\p{Cn}', '\\p{Zs}', '\\p{Lo}', '\\p{Mn}|\\p{Mc}',
];
const behaviors = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'];
const split = (pattern, behavior, invert = false) => ({ type: 'Split', pattern, behavior, invert });
const pre = [
  ...regexes.map((r, i) => split({ Regex: r }, behaviors[(i + 1) % 5], i % 3 === 2)),
  ...behaviors.map((b) => split({ Regex: '\\s+' }, b)),
  ...behaviors.map((b) => split({ Regex: '\\s' }, b, true)),
  ...behaviors.map((b) => split({ String: ' ' }, b)),
  split({ String: 'a.' }, 'Isolated'), split({ String: '' }, 'Isolated'), split({ Regex: cl100k }, 'Removed', true),
  { type: 'BertPreTokenizer' }, { type: 'Whitespace' }, { type: 'WhitespaceSplit' }, { type: 'UnicodeScripts' },
  { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: false },
  ...['always', 'first', 'never'].flatMap((s) => [true, false].map((x) => ({ type: 'Metaspace', replacement: '▁', prepend_scheme: s, split: x }))),
  { type: 'Digits', individual_digits: true }, { type: 'Digits', individual_digits: false },
  { type: 'FixedLength', length: 3 }, { type: 'CharDelimiterSplit', delimiter: '한' },
  ...behaviors.map((b) => ({ type: 'Punctuation', behavior: b })),
  { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true }] },
  { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true }] },
  { type: 'Sequence', pretokenizers: [{ type: 'Metaspace', replacement: '_', prepend_scheme: 'first', split: true }, { type: 'UnicodeScripts' }, { type: 'Punctuation', behavior: 'Isolated' }] },
].map((p) => ({ normalizer: null, pre_tokenizer: p }));

const replace = (pattern, content) => ({ type: 'Replace', pattern, content });
const normalizers = [
  ...['NFC', 'NFD', 'NFKC', 'NFKD', 'Nmt', 'Lowercase', 'StripAccents', 'ByteLevel'].map((type) => ({ type })),
  { type: 'Strip', strip_left: true, strip_right: false }, { type: 'Strip', strip_left: true, strip_right: true }, { type: 'Prepend', prepend: '▁x' },
  replace({ String: ' ' }, '▁'), replace({ String: 'a' }, ''), replace({ Regex: '\\s+' }, ' '), replace({ Regex: ' {2,}' }, '▁'), replace({ Regex: '\\p{Hangul}' }, '한글'),
  replace({ Regex: '(?<=\\p{L})(?=\\p{L})' }, '-'), replace({ String: '' }, 'x'), replace({ Regex: '[\\p{M}&&[^\\p{Mc}]]+' }, ''),
  { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
  { type: 'BertNormalizer', clean_text: false, handle_chinese_chars: true, strip_accents: true, lowercase: false },
  { type: 'Sequence', normalizers: [{ type: 'NFKD' }, { type: 'StripAccents' }, { type: 'Lowercase' }, replace({ Regex: '\\W+' }, ' '), { type: 'Strip', strip_left: true, strip_right: true }, { type: 'NFC' }] },
  { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, replace({ String: ' ' }, '▁'), { type: 'NFKC' }] },
];
if (charsmap) {
  const find = (n) => n && (n.type === 'Precompiled' ? n : (n.normalizers ?? []).map(find).find(Boolean));
  const map = find(JSON.parse(fs.readFileSync(charsmap, 'utf8')).normalizer);
  normalizers.push(map, { type: 'Sequence', normalizers: [{ type: 'NFD' }, map, { type: 'Lowercase' }] },
    { type: 'Sequence', normalizers: [replace({ String: 'a' }, '\u200d'), map, { type: 'Strip', strip_left: true, strip_right: true }] });
}
const specs = pre.concat(normalizers.map((n) => ({ normalizer: n, pre_tokenizer: null })),
  normalizers.slice(0, 8).map((n) => ({ normalizer: n, pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: true } })));

const unknown = '\u{10fffd}'; // a model that knows nothing shows the words; another shows the characters
const whole = { type: 'Unigram', vocab: [[unknown, 0]], unk_id: 0, byte_fallback: false };
const single = { type: 'BPE', dropout: null, unk_token: unknown, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false,
  byte_fallback: false, vocab: { [unknown]: 0 }, merges: [] };

// COUNT "all": every character (of the large blocks one in 16) between a letter and a digit, through what looks at characters
const kinds = ['ByteLevel', 'UnicodeScripts', 'Digits', 'Punctuation', 'Whitespace', 'BertPreTokenizer', 'NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'StripAccents', 'BertNormalizer', 'Precompiled', 'Nmt'];
const patterns = [cl100k, regexes[3], '\\w+|[^\\w\\s]+', '[^[:alnum:]]'];
const telling = ({ type, pattern } = {}) => kinds.includes(type) || patterns.includes(pattern?.Regex);
function everything() {
  const all = [];
  for (let c = 1; c < 0x110000; c++)
    if ((c < 0xd800 || c > 0xdfff) && (c < 0x3400 || (c >= 0xa000 && c < 0xac00) || (c >= 0xd7a0 && c < 0xe000) || (c >= 0xf900 && c < 0x12000) ||
      (c >= 0x16000 && c < 0x17000) || (c >= 0x1a000 && c < 0x20000) || (c < 0x34000 && (c & 15) === 0) || (c & 0xffff) > 0xfff0)) all.push(`x${String.fromCodePoint(c)}1`);
  return Array.from({ length: Math.ceil(all.length / 64) }, (_, i) => all.slice(64 * i, 64 * i + 64).join(''));
}

const random = generator(seed), cases = [];
for (const spec of count === 'all' ? specs.filter((s) => telling(s.pre_tokenizer ?? s.normalizer ?? {})) : specs) {
  let words, characters;
  const make = (model) => Tokenizer.fromString(JSON.stringify({ version: '1.0', truncation: null, padding: null, added_tokens: [], post_processor: null,
    decoder: null, ...spec, model }));
  try {
    words = make(whole);
    characters = make(single);
  } catch (e) {
    console.error(JSON.stringify(spec), String(e));
    continue;
  }
  const rows = [];
  const sources = count === 'all' ? everything() : Array.from({ length: Number(count) }, () => text(random));
  for (const t of sources) {
    const w = await words.encode(t, null), c = await characters.encode(t, null);
    rows.push([t, w.getTokens(), w.getOffsets(), c.getOffsets()]);
  }
  cases.push({ ...spec, rows });
}
// decoders, on lists of tokens
const tokens = ['▁Hello', '▁', '▁▁a', '##ing', '##', 'Ġworld', 'Ċ', 'ÃŃ', 'í', 'ķ', 'ľ', '<0x41>', '<0xED>', '<0x95>', '<0x9C>', '<0xFF>', '<0x+f>', '<0xzz>', ' .', '.',
  '?', "'", "n't", "'s", 'do', 'not', ' do not', " ' ", 'lo</w>', '</w>', 'a</w>b</w>', '<pad>', 'x<pad>', '|', 'a|b', 'h', 'aa', 'a a', '한국', 'é', '  x  ', ' x', 'xx x', '한한a한'];
const decoders = [
  null, { type: 'BPEDecoder', suffix: '</w>' }, { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  { type: 'WordPiece', prefix: '##', cleanup: true }, { type: 'WordPiece', prefix: '##', cleanup: false },
  ...['always', 'first', 'never'].map((s) => ({ type: 'Metaspace', replacement: '▁', prepend_scheme: s, split: true })),
  { type: 'CTC', pad_token: '<pad>', word_delimiter_token: '|', cleanup: true }, { type: 'CTC', pad_token: '<pad>', word_delimiter_token: '|', cleanup: false },
  { type: 'ByteFallback' }, { type: 'Fuse' }, replace({ String: '▁' }, ' '), replace({ Regex: '[a-z]+' }, '한'), replace({ Regex: 'x*' }, '-'),
  { type: 'Sequence', decoders: [replace({ String: '▁' }, ' '), { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }] },
  { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'Strip', content: ' ', start: 3, stop: 0 }] },
  { type: 'Sequence', decoders: [{ type: 'ByteFallback' }, { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true }] },
  { type: 'Strip', content: '한', start: 2, stop: 1 }, { type: 'Strip', content: ' ', start: 1, stop: 1 },
  { type: 'Sequence', decoders: [] },
];
const vocab = Object.fromEntries(tokens.map((s, i) => [s, i]));
for (const decoder of decoders) {
  const t = Tokenizer.fromString(JSON.stringify({ version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: null,
    post_processor: null, decoder, model: { type: 'WordLevel', vocab, unk_token: '.' } }));
  const rows = [];
  for (let i = 0; i < (count === 'all' ? 500 : 10 * Number(count)); i++) {
    const ids = Array.from({ length: 1 + random(9) }, () => random(tokens.length));
    if (random(3) === 0) ids.push(ids[ids.length - 1]);
    rows.push([ids, await t.decode(ids, false)]);
  }
  cases.push({ decoder, tokens, rows });
}
console.log('[' + cases.map((c) => JSON.stringify(c)).join(',\n') + ']');
