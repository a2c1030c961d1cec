// What the trainers of the Rust tokenizers (npm, found from the current directory) learn from words and their counts, as a
// case for tests/unit/check_training:
//   node training.mjs WORDS.json >training.json
// WORDS.json is [[word, count], ...] in any order, words without white space. npm's trainers take no options: BPE makes
// 30,000 tokens of any frequency, Unigram 8,000 pieces, both without special tokens. The alphabets' order and BPE's merges
// are the same in every run; the scores of letters that Unigram's EM dropped are not (steps of 0.0001).
import fs from 'fs';
import os from 'os';
import path from 'path';
import { createRequire } from 'module';

const { Tokenizer, BPE, Unigram, whitespaceSplitPreTokenizer } = createRequire(path.join(process.cwd(), 'x'))(process.env.LMUTILS_NPM_TOKENIZERS ?? '@anush008/tokenizers');
const words = JSON.parse(fs.readFileSync(process.argv[2]));
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'training-'));
const text = path.join(dir, 'text'), json = path.join(dir, 'tokenizer.json');
fs.writeFileSync(text, words.map(([word, count]) => (word + '\n').repeat(count)).join(''));

function learn(model) {
  const tokenizer = new Tokenizer(model);
  tokenizer.setPreTokenizer(whitespaceSplitPreTokenizer());
  tokenizer.train([text]);
  tokenizer.save(json);
  return JSON.parse(fs.readFileSync(json)).model;
}

const { vocab, merges } = learn(BPE.empty());
const tokens = Object.keys(vocab).sort((a, b) => vocab[a] - vocab[b]);
const pairs = merges.map((m) => (Array.isArray(m) ? m : m.split(' ')));
const unigram = learn(Unigram.empty()).vocab;
fs.rmSync(dir, { recursive: true });
process.stdout.write(JSON.stringify({ words, bpe: { tokens, merges: pairs }, unigram }) + '\n');
