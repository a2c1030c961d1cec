// Goldens by the Rust tokenizers (npm, found from the current directory) on random texts:
//   node reference.mjs OUT COUNT SEED TOKENIZER...
// TOKENIZER is a directory with tokenizer.json, or such a file. OUT/list names what is made, for check_tokenizers.
import fs from 'fs';
import path from 'path';
import { createRequire } from 'module';
import { generator, text } from './texts.mjs';

const { Tokenizer } = createRequire(path.join(process.cwd(), 'x'))(process.env.LMUTILS_NPM_TOKENIZERS ?? '@anush008/tokenizers');
const [out, count, seed, ...names] = process.argv.slice(2);
const list = [];

async function single(t, texts) {
  const rows = [];
  for (let i = 0; i < texts.length; i++) {
    const e = await t.encode(texts[i], null, { addSpecialTokens: true });
    const bare = await t.encode(texts[i], null, { addSpecialTokens: false });
    const ids = e.getIds();
    rows.push({ i, ids, off: e.getOffsets(), special: e.getSpecialTokensMask(), ids_nospecial: bare.getIds(),
      dec: await t.decode(ids, true), dec_keep: await t.decode(ids, false) });
  }
  return rows;
}

async function pairs(t, texts, random) {
  const rows = [];
  for (let n = 0; n < Math.min(100, texts.length); n++) {
    const a = random(texts.length), b = random(texts.length);
    const e = await t.encode(texts[a], texts[b], { addSpecialTokens: true });
    rows.push({ a, b, ids: e.getIds(), type_ids: e.getTypeIds(), special: e.getSpecialTokensMask() });
  }
  return rows;
}

// Of version 0.22, which cuts the whole text before it cuts rows.
async function truncation(t, texts, random) {
  const rows = [];
  for (let n = 0; n < Math.min(200, texts.length); n++) {
    const a = random(texts.length), b = random(2) ? random(texts.length) : null;
    const strategy = ['LongestFirst', 'OnlyFirst', 'OnlySecond'][random(b === null ? 2 : 3)];
    const stride = strategy === 'LongestFirst' && random(3) ? random(5) : 0; // one that fills a row ends the reference
    const max_length = (stride ? 24 : 6) + random(30), direction = ['right', 'left'][random(2)];
    const row = { a, b, max_length, stride, direction, strategy: strategy.replace(/([a-z])([A-Z])/, '$1_$2').toLowerCase() };
    t.setTruncation(max_length, { strategy, direction, stride });
    try {
      const e = await t.encode(texts[a], b === null ? null : texts[b], { addSpecialTokens: true });
      rows.push({ ...row, ids: e.getIds(), type_ids: e.getTypeIds(), special: e.getSpecialTokensMask(), overflow: e.getOverflowing().map((o) => o.getIds()) });
    } catch (error) {
      rows.push({ ...row, error: String(error) });
    }
  }
  t.disableTruncation();
  return rows;
}

async function decodings(t, size, random) {
  const rows = [];
  for (let n = 0; n < 300; n++) {
    const ids = Array.from({ length: 1 + random(20) }, () => random(random(2) ? size : Math.min(size, 600)));
    rows.push({ ids, skip: await t.decode(ids, true), keep: await t.decode(ids, false) });
  }
  return rows;
}

for (const name of names) {
  const file = fs.statSync(name).isDirectory() ? path.join(name, 'tokenizer.json') : name;
  const spec = JSON.parse(fs.readFileSync(file, 'utf8'));
  spec.truncation = spec.padding = null;
  const t = Tokenizer.fromString(JSON.stringify(spec));
  const vocab = spec.model.vocab;
  const tokens = (Array.isArray(vocab) ? vocab.map((v) => v[0]) : Object.keys(vocab)).map((s) => s.replaceAll(/[Ġ▁]/g, ' '));
  const added = (spec.added_tokens ?? []).map((a) => a.content);
  const random = generator(seed);
  const texts = Array.from({ length: Number(count) }, () => text(random, tokens, added));
  const size = Math.max(...(spec.added_tokens ?? []).map((a) => a.id + 1), tokens.length);
  const golden = { single: await single(t, texts), pairs: await pairs(t, texts, random), truncation: await truncation(t, texts, random),
    whole_overflow: true, decode_random: await decodings(t, size, random) };
  const base = path.join(out, String(list.length));
  fs.writeFileSync(base + '.texts.json', JSON.stringify(texts));
  fs.writeFileSync(base + '.golden.json', JSON.stringify(golden));
  list.push([name, base + '.golden.json', base + '.texts.json'].join('\t'));
  fs.writeFileSync(path.join(out, 'list'), list.join('\n') + '\n');
}
